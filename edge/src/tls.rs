//! TLS for the second listener: a certificate chain and its key from files, read again when they change.
//!
//! A renewal that cannot be read or does not fit leaves the earlier certificate in use, with an error in the log.

use arc_swap::ArcSwap;
use metrics::counter;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use serde::Deserialize;
use service::Shutdown;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// A renewed certificate is used so long after it was written.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    /// PEM: the server's certificate first, then those that lead to a known authority.
    pub certificate: PathBuf,
    /// PEM, readable by its owner and group only.
    pub key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {error}")]
    Unreadable { path: PathBuf, error: pem::Error },
    #[error("{path}: {error}")]
    NotThere { path: PathBuf, error: io::Error },
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    #[error("{path} is readable by everybody (mode {mode:04o}): chmod 600")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{certificate} and {key}: {error}")]
    Unusable { certificate: PathBuf, key: PathBuf, error: rustls::Error },
}

pub struct Tls {
    config: Config,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    pub fn load(config: &Config) -> Result<Tls, TlsError> {
        let current = ArcSwap::from_pointee(read(config)?);
        Ok(Tls { config: config.clone(), current })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Looks at the files until shutdown.
    pub fn watch(self: Arc<Self>, shutdown: Shutdown) -> io::Result<JoinHandle<()>> {
        let mut seen = self.versions();
        std::thread::Builder::new().name("edge-tls".into()).spawn(move || {
            while !shutdown.requested() {
                std::thread::sleep(LOOK_EVERY);
                let now = self.versions();
                if now != seen {
                    seen = now;
                    self.renew();
                }
            }
        })
    }

    fn renew(&self) {
        let result = match read(&self.config) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                tracing::info!(certificate = ?self.config.certificate, "certificate renewed");
                "renewed"
            }
            Err(error) => {
                tracing::error!(%error, "certificate not renewed, the earlier one stays");
                "failed"
            }
        };
        counter!("edge_tls_renewals_total", "result" => result).increment(1);
    }

    /// What changes when a file is written or replaced.
    fn versions(&self) -> [Option<(u64, u64, i64, i64)>; 2] {
        [&self.config.certificate, &self.config.key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        })
    }
}

fn read(config: &Config) -> Result<ServerConfig, TlsError> {
    let Config { certificate, key, .. } = config;
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Unreadable { path, error }
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(unreadable(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: certificate.clone() });
    }
    let mode = std::fs::metadata(key).map_err(|error| TlsError::NotThere { path: key.clone(), error })?.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(TlsError::Exposed { path: key.clone(), mode });
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let unusable = |error| TlsError::Unusable { certificate: certificate.clone(), key: key.clone(), error };
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unusable)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Resumption without a table: who comes back brings what we gave it.
    server.ticketer = ring::Ticketer::new().map_err(unusable)?;
    Ok(server)
}
