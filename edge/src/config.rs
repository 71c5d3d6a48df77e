//! `[edge]` of the configuration.

use serde::Deserialize;
use service::HumanDuration;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Worker threads, each with a listener of its own.
    #[serde(default = "default_threads")]
    pub threads: NonZeroU16,
    /// The file with the MAC keys (`secrets`), where `secrets init` puts it; there is no default secret.
    #[serde(default = "default_mac_keys")]
    pub mac_keys: PathBuf,
    /// How long a request waits for Kafka before a click is redirected without a token and an event gets 503.
    #[serde(default = "default_acknowledge_wait")]
    pub acknowledge_wait: HumanDuration,
    /// Domain of the journey cookie; without one it belongs to the host that set it.
    #[serde(default)]
    pub cookie_domain: Option<String>,
    /// Set when browsers reach the edge over TLS.
    #[serde(default)]
    pub secure_cookie: bool,
}

impl Config {
    /// What serde cannot see.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let mut errors = Vec::new();
        if let Some(domain) = &self.cookie_domain {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            if domain.is_empty() || domain.len() > 253 || !domain.bytes().all(plain) {
                errors.push(format!("cookie_domain {domain:?} is no domain"));
            }
        }
        let wait = self.acknowledge_wait.0;
        // A wait that outlives what browsers and HTTP clients wait for helps nobody.
        if wait < Duration::from_millis(10) || wait > Duration::from_secs(30) {
            errors.push(format!("acknowledge_wait {wait:?} is not between 10ms and 30s"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_mac_keys() -> PathBuf {
    "data/secrets/mac-keys".into()
}

/// Two threads serve some 20,000 requests/s; more is worth it where more arrives, and is then asked for.
fn default_threads() -> NonZeroU16 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    NonZeroU16::new(cores.min(2) as u16).unwrap_or(NonZeroU16::MIN)
}

fn default_acknowledge_wait() -> HumanDuration {
    HumanDuration::millis(2000)
}
