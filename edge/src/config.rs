//! `[edge]` of the configuration.

use crate::redirect::destination::Destination;
use crate::visitor::VisitorsConfig;
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
    /// How long a request waits for Kafka before its record goes to the spool as well.
    #[serde(default = "default_spool_wait")]
    pub spool_wait: HumanDuration,
    /// What was acknowledged without Kafka lies here until Kafka has it: a local disk, one folder for each edge.
    #[serde(default = "default_spool_dir")]
    pub spool_dir: PathBuf,
    /// More than this is not acknowledged without Kafka.
    #[serde(default = "default_spool_mib")]
    pub spool_mib: u64,
    /// How long a request waits for either before a click is redirected without a token and an event gets 503.
    #[serde(default = "default_acknowledge_wait")]
    pub acknowledge_wait: HumanDuration,
    /// Domain of the journey cookie; without one it belongs to the host that set it.
    #[serde(default)]
    pub cookie_domain: Option<String>,
    /// Set when browsers reach the edge over TLS.
    #[serde(default)]
    pub secure_cookie: bool,
    #[serde(default)]
    pub limits: crate::limits::Config,
    /// A second listener that speaks TLS.
    #[serde(default)]
    pub tls: Option<crate::tls::Config>,
    /// Where visitors of a link go whose clicks do not count, and which has no page of its own for that.
    #[serde(default)]
    pub fallback_url: Option<String>,
    /// Who visitors are.
    #[serde(default)]
    pub visitors: VisitorsConfig,
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
        if self.spool_wait.0 >= wait {
            errors.push(format!("spool_wait {:?} is not shorter than acknowledge_wait {wait:?}", self.spool_wait.0));
        }
        // A segment, and room for notes about what is closed.
        if self.spool_mib < 32 {
            errors.push(format!("spool_mib {} is less than 32", self.spool_mib));
        }
        errors.extend(self.limits.errors());
        if let Some(Err(error)) = self.fallback_url.as_deref().map(Destination::parse) {
            errors.push(format!("fallback_url: {error}"));
        }
        self.visitors.validate(&mut errors);
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

/// Above what Kafka takes on a busy machine (p99 of 30 to 50 ms), below what a visitor notices.
fn default_spool_wait() -> HumanDuration {
    HumanDuration::millis(50)
}

fn default_spool_dir() -> PathBuf {
    "data/spool".into()
}

/// Some three million clicks: five minutes of 10,000 a second.
fn default_spool_mib() -> u64 {
    1024
}
