//! What must be there before a sink begins: its thread for inserts, the topics, the tables.

use crate::error::Error;
use crate::retry::{self, Backoff, Reaction};
use crate::tables;
use clickhouse::Client;
use kafka::sink::SinkConsumer;
use service::Shutdown;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A runtime for inserts, on its own thread until the sender is dropped.
pub(super) fn inserts_thread() -> Result<(Handle, oneshot::Sender<()>), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = move || {
        // Never sent, only dropped.
        let _ = runtime.block_on(stopped);
    };
    std::thread::Builder::new().name("inserts".into()).spawn(run).map_err(Error::Thread)?;
    Ok((handle, stop))
}

/// False when shutdown came first.
pub(super) fn topics_exist(consumer: &SinkConsumer, names: &[String], shutdown: &Shutdown) -> Result<bool, Error> {
    let mut backoff = Backoff::new();
    while !shutdown.requested() {
        match consumer.missing(names) {
            Ok(missing) if missing.is_empty() => return Ok(true),
            Ok(missing) => return Err(Error::NoTopic(missing.join(", "))),
            Err(error) => tracing::warn!(%error, "waiting for kafka"),
        }
        std::thread::sleep(backoff.pause(Reaction::Again));
    }
    Ok(false)
}

/// False when shutdown came first.
pub(super) fn tables_fit(runtime: &Handle, client: &Client, shutdown: &Shutdown) -> Result<bool, Error> {
    let mut backoff = Backoff::new();
    while !shutdown.requested() {
        match runtime.block_on(tables::misfits(client)) {
            Ok(misfits) if misfits.is_empty() => return Ok(true),
            Ok(misfits) => return Err(Error::TablesDoNotFit(misfits)),
            Err(source) if unknown_database(&source) => {
                return Err(Error::TablesDoNotFit(vec!["the database does not exist".into()]));
            }
            Err(source) if retry::reaction(&source) == Reaction::NeedsOperator => {
                return Err(Error::ClickHouse { doing: "checking the tables".into(), source });
            }
            Err(error) => tracing::warn!(%error, "waiting for clickhouse"),
        }
        std::thread::sleep(backoff.pause(Reaction::Again));
    }
    Ok(false)
}

fn unknown_database(error: &clickhouse::error::Error) -> bool {
    matches!(error, clickhouse::error::Error::BadResponse(text) if text.contains("Code: 81."))
}
