//! The whole path on real Kafka, RocksDB and ClickHouse, with roles as processes that are killed in the middle.

mod browser;
mod budgets;
mod crashes;
mod customers;
mod figures;
mod history;
mod installation;
mod life;
mod log;
mod order;
mod outages;
mod settlement;
mod state;
mod traffic;
