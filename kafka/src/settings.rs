//! Settings of clients, in one place. Each role's client starts from `KafkaConfig::base`.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemas::topic::Topics;
use serde::Deserialize;

/// `[kafka]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port`, several with commas.
    pub bootstrap: String,
    /// Put before every topic, group and transactional id: several installations on one cluster.
    #[serde(default)]
    pub prefix: String,
    /// Lets topics be kept on fewer than three brokers, where a lost disk loses what was acknowledged (P1). For a
    /// laptop and for tests.
    #[serde(default)]
    pub development: bool,
}

impl KafkaConfig {
    pub fn topics(&self) -> Topics {
        Topics::new(&self.prefix)
    }

    /// A group or transactional id of this installation.
    pub fn id(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What all clients share.
    pub fn base(&self, client: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", format!("tributary-{client}"))
            // A broker that restarts is back within seconds; the default backs off to ten.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "30000")
            // librdkafka logs a closed idle connection as an error.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }
}
