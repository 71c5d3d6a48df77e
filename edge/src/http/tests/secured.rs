//! TLS by a real client, over HTTP/1.1 and HTTP/2: what is answered, a certificate that is renewed meanwhile, and a stop
//! with requests in flight.

use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::time::Instant;
use tokio::net::TcpStream as AsyncStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const NAME: &str = "t.example";

/// Files of a certificate for our name.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let _ = (std::fs::remove_file(&certificate), std::fs::remove_file(&key));
    crate::secrets::create_certificate(&certificate, &key, &[NAME.into()]).expect("created");
    assert!(PrivateKeyDer::from_pem_file(&key).is_ok());
    CertificateDer::from_pem_file(&certificate).expect("a certificate")
}

struct Secured {
    edge: Edge,
    folder: TempDir,
    address: SocketAddr,
    trusted: CertificateDer<'static>,
}

impl Secured {
    fn start(spooling: bool) -> Secured {
        let folder = tempfile::tempdir().expect("a folder");
        let trusted = certificate(folder.path());
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free.expect("a free port");
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let tls = tls::Config { listen: address, certificate, key };
        let hosts = limits::Config { hosts: vec![NAME.into()], ..limits::Config::default() };
        Secured {
            edge: Edge::begin(spooling, if spooling { 5000 } else { 60 }, hosts, Some(tls)),
            folder,
            address,
            trusted,
        }
    }

    async fn connect(&self, protocol: &str) -> std::io::Result<TlsStream<AsyncStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let stream = AsyncStream::connect(self.address).await?;
        let name = ServerName::try_from(NAME).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn http2(&self) -> http2::SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.connect("h2").await.expect("connects"));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        tokio::spawn(connection);
        sender
    }

    async fn http1(&self) -> http1::SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.connect("http/1.1").await.expect("connects"));
        let (sender, connection) = http1::handshake(io).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        sender
    }
}

/// As HTTP/2 has it; HTTP/1 says the host in a header.
fn request(version: Version, host: &str, target: &str, body: &str) -> Request<Full<Bytes>> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder().method(method).header("x-api-key", API_KEY).version(version);
    let request = match version {
        Version::HTTP_2 => request.uri(format!("https://{host}{target}")),
        _ => request.uri(target).header("host", host),
    };
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request")
}

const EVENT: &str = r#"{"action":"purchase","event_id":"e","value":1}"#;

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

fn check_redirect<B>(answer: &Response<B>, version: Version) {
    assert_eq!((answer.status(), answer.version()), (StatusCode::FOUND, version));
    let location = answer.headers()["location"].to_str().expect("ASCII");
    assert!(location.starts_with("https://shop.example/p?a=1&click_id="), "{location}");
}

#[test]
fn clicks_and_events_are_answered_over_http_1_and_http_2() {
    let site = Secured::start(true);
    run(async {
        let mut http1 = site.http1().await;
        let answer = http1.send_request(request(Version::HTTP_11, NAME, "/r/summer", "")).await.expect("an answer");
        check_redirect(&answer, Version::HTTP_11);
        drop(answer.into_body().collect().await);
        let event = request(Version::HTTP_11, NAME, "/api/v1/events", EVENT);
        assert_eq!(http1.send_request(event).await.expect("an answer").status(), StatusCode::ACCEPTED);

        // Many at once on one connection.
        let http2 = site.http2().await;
        let clicks = (0..100).map(|_| {
            let mut http2 = http2.clone();
            tokio::spawn(async move { http2.send_request(request(Version::HTTP_2, NAME, "/r/summer", "")).await })
        });
        for click in clicks.collect::<Vec<_>>() {
            check_redirect(&click.await.expect("a task").expect("an answer"), Version::HTTP_2);
        }
        for (host, target, body, expected) in [
            (NAME, "/api/v1/events", EVENT, 202),
            ("evil.example", "/r/summer", "", 421),
            ("t.example:8443", "/r/summer", "", 302),
            (NAME, "/nothing", "", 404),
            (NAME, &format!("/r/{}", "a".repeat(8200)), "", 414),
        ] {
            let answer = http2.clone().send_request(request(Version::HTTP_2, host, target, body)).await;
            assert_eq!(answer.expect("an answer").status(), expected, "{host} {target:.30}");
        }
        let mut two = request(Version::HTTP_2, NAME, "/r/summer", "");
        two.headers_mut().insert("host", "evil.example".parse().expect("a host"));
        assert_eq!(http2.clone().send_request(two).await.expect("an answer").status(), 400);
        let mut large = request(Version::HTTP_2, NAME, "/r/summer", "");
        large.headers_mut().insert("cookie", "c".repeat(40_000).parse().expect("a cookie"));
        let answer = http2.clone().send_request(large).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 431));
    });
}

#[test]
fn a_renewed_certificate_is_used_for_new_connections_and_a_bad_one_is_not() {
    let mut site = Secured::start(true);
    run(async {
        let mut before = site.http2().await;
        let earlier = std::mem::replace(&mut site.trusted, certificate(site.folder.path()));
        let deadline = Instant::now() + Duration::from_secs(20);
        while site.connect("h2").await.is_err() {
            assert!(Instant::now() < deadline, "not renewed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let renewed = std::mem::replace(&mut site.trusted, earlier);
        assert!(site.connect("h2").await.is_err(), "the earlier one is gone");
        site.trusted = renewed;
        let answer = before.send_request(request(Version::HTTP_2, NAME, "/r/summer", "")).await;
        check_redirect(&answer.expect("an open connection goes on"), Version::HTTP_2);

        std::fs::write(site.folder.path().join("certificate.pem"), "no certificate").expect("written");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(site.connect("h2").await.is_ok(), "the last good one stays");
    });
}

#[test]
fn what_is_in_flight_is_answered_when_the_edge_stops() {
    let site = Secured::start(true);
    run(async {
        let (mut http1, http2, idle) = (site.http1().await, site.http2().await, site.connect("http/1.1").await);
        let mut sent = Vec::new();
        for _ in 0..20 {
            let mut http2 = http2.clone();
            sent.push(tokio::spawn(async move {
                http2.send_request(request(Version::HTTP_2, NAME, "/r/summer", "")).await
            }));
        }
        let event = request(Version::HTTP_11, NAME, "/api/v1/events", EVENT);
        let event = tokio::spawn(async move { http1.send_request(event).await });
        // They wait for the spool; nothing has been answered.
        tokio::time::sleep(Duration::from_millis(15)).await;
        site.edge.shutdown.request();
        for click in sent {
            check_redirect(&click.await.expect("a task").expect("an answer"), Version::HTTP_2);
        }
        let answer = event.await.expect("a task").expect("an answer");
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        assert!(answer.headers().get("connection").is_none_or(|value| value == "close"));
        // GOAWAY, and then the end of the connection.
        let mut later = http2.clone();
        let deadline = Instant::now() + Duration::from_secs(5);
        while later.ready().await.is_ok() {
            assert!(Instant::now() < deadline, "still open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(idle);
    });
}

#[test]
fn a_key_that_everybody_can_read_or_of_another_certificate_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    certificate(one.path());
    certificate(other.path());
    let config = |certificate: &Path, key: &Path| tls::Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        certificate: certificate.join("certificate.pem"),
        key: key.join("key.pem"),
    };
    assert!(tls::Tls::load(&config(one.path(), one.path())).is_ok());
    let error = tls::Tls::load(&config(one.path(), other.path())).err().expect("refused").to_string();
    assert!(error.contains("certificate.pem and"), "{error}");
    let key = one.path().join("key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("allowed");
    let error = tls::Tls::load(&config(one.path(), one.path())).err().expect("refused").to_string();
    assert!(error.contains("0644"), "{error}");
}
