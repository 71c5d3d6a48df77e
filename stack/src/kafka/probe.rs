//! The smallest Kafka client: two requests over one connection, written by hand, to see whether a broker answers.
//! An open port is not enough: a broker listens before it serves. (Kafka protocol guide; ApiVersions v0, Metadata v1.)

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
/// A real answer to these requests has a few hundred bytes; more is some other server.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The number of brokers in the metadata of the broker at 127.0.0.1:`port`.
///
/// # Errors
/// When nothing listens, nothing answers within `limit`, or the answer is not Kafka's.
pub(super) fn brokers(port: u16, limit: Duration) -> io::Result<u32> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;

    let versions = ask(&mut stream, API_VERSIONS, 0, 1, &[])?;
    if field::<2>(&versions, 0)? != [0, 0] {
        return Err(invalid("ApiVersions answered with an error code"));
    }
    // An empty array of topics: brokers only.
    let metadata = ask(&mut stream, METADATA, 1, 2, &0_i32.to_be_bytes())?;
    Ok(u32::from_be_bytes(field(&metadata, 0)?))
}

/// Sends one request and returns the body of its answer.
fn ask(stream: &mut TcpStream, api: i16, version: i16, correlation: i32, body: &[u8]) -> io::Result<Vec<u8>> {
    let client = b"tributary";
    let mut request = Vec::with_capacity(64);
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(correlation.to_be_bytes());
    request.extend((client.len() as i16).to_be_bytes());
    request.extend(client);
    request.extend(body);
    stream.write_all(&(request.len() as i32).to_be_bytes())?;
    stream.write_all(&request)?;

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if !(4..=MAX_ANSWER_BYTES).contains(&length) {
        return Err(invalid("not an answer of a Kafka broker"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    if field(&answer, 0)? != correlation.to_be_bytes() {
        return Err(invalid("the answer to another request"));
    }
    Ok(answer.split_off(4))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).ok_or_else(|| invalid("the answer is too short"))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that sends `answers`, one after each request.
    fn server(answers: Vec<Vec<u8>>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accept");
            for answer in answers {
                let mut length = [0; 4];
                stream.read_exact(&mut length).expect("length");
                let mut request = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut request).expect("request");
                stream.write_all(&answer).expect("answer");
            }
        });
        port
    }

    fn framed(correlation: i32, body: &[u8]) -> Vec<u8> {
        [&(body.len() as i32 + 4).to_be_bytes(), &correlation.to_be_bytes(), body].concat()
    }

    #[test]
    fn only_a_broker_that_knows_a_broker_is_ready() {
        let versions = framed(1, &[0, 0, 0, 0, 0, 0]);
        let rows = [
            ("ready", vec![versions.clone(), framed(2, &[0, 0, 0, 1])], Some(1)),
            ("not registered yet", vec![versions.clone(), framed(2, &[0, 0, 0, 0])], Some(0)),
            ("error code", vec![framed(1, &[0, 35, 0, 0, 0, 0])], None),
            ("another request's answer", vec![framed(7, &[0, 0, 0, 0])], None),
            ("a web server", vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], None),
        ];
        for (name, answers, expected) in rows {
            let found = brokers(server(answers), Duration::from_secs(5));
            assert_eq!(found.ok(), expected, "{name}");
        }
    }

    #[test]
    fn a_port_that_accepts_and_says_nothing_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        assert!(brokers(port, Duration::from_millis(100)).is_err());
    }
}
