//! What every role needs around its work: configuration, shutdown, health, metrics, logging. Knows nothing of clicks.

pub mod config;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod shutdown;

pub use config::{ConfigError, HumanDuration, Settings};
pub use health::Health;
pub use shutdown::Shutdown;
