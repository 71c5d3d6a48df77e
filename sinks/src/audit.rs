//! The audit: who earns what, recomputed in SQL from clicks, events and the catalog, beside what is stored.
//!
//! Owns the session in which `sql/audit/` runs, and what it answers. Leaves what is computed, and how, to those
//! files, which share nothing with the rules; and leaves printing to the caller.

use crate::config::ClickHouseConfig;
use crate::error::Error;
use crate::tables::{AUDIT, statements};
use clickhouse::{Client, Row, RowOwned, RowRead};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

macro_rules! steps {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../sql/audit/", $name, ".sql")))),+]
    };
}

const STEPS: [(&str, &str); 7] =
    steps!["1_catalog", "2_events", "3_touches", "4_evidence", "5_credits", "6_money", "7_differences"];

pub struct Options {
    /// None: all of them.
    pub tenant: Option<String>,
    /// What came in so recently may not be decided yet, and is not judged.
    pub quiet: Duration,
    /// Differences that are listed; all are counted.
    pub listed: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// Rows of the raw tables.
    pub read: Vec<Read>,
    pub checks: Vec<Check>,
    /// Conversions that were not judged, by reason; one may have several.
    pub not_judged: Vec<Reason>,
    pub differences: Vec<Difference>,
    /// Of all tenants: rows beyond one for each place in Kafka.
    pub doubled: Vec<Doubled>,
}

impl Audited {
    /// What is wrong, listed or not.
    pub fn found(&self) -> u64 {
        let doubled: i64 = self.doubled.iter().map(|table| table.doubled).sum();
        self.checks.iter().map(|check| check.differences).sum::<u64>() + doubled.unsigned_abs()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Read {
    pub table: String,
    pub rows: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Check {
    pub checked: String,
    pub judged: u64,
    pub not_judged: u64,
    pub differences: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Reason {
    pub what: String,
    pub reason: String,
    pub conversions: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Difference {
    pub checked: String,
    pub tenant: String,
    /// Empty where it is about a balance.
    pub conversion_id: String,
    pub about: String,
    pub recomputed: String,
    pub stored: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Doubled {
    pub table: String,
    pub rows: u64,
    pub places: u64,
    pub doubled: i64,
}

/// Reads all tables and writes none; what it needs on the way are temporary tables of one session.
///
/// # Errors
/// What ClickHouse answered, or that it does not answer.
pub fn audit(config: &ClickHouseConfig, options: &Options) -> Result<Audited, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
    runtime.block_on(run(config, options))
}

async fn run(config: &ClickHouseConfig, options: &Options) -> Result<Audited, Error> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let session = Session {
        client: config
            .client()?
            .with_setting("session_id", format!("tributary-audit-{}-{}", std::process::id(), since.as_nanos()))
            .with_setting("param_tenant", options.tenant.clone().unwrap_or_default())
            .with_setting("param_quiet_seconds", options.quiet.as_secs().to_string()),
    };
    for (name, file) in STEPS {
        for sql in statements(file) {
            session.execute(name, sql).await?;
        }
    }
    let counts = ["clicks", "events", "catalog"].map(|table| {
        format!("SELECT '{table}' AS table, count() AS rows FROM {table} WHERE ({{tenant:String}} IN ('', tenant))")
    });
    let listed = format!(
        "SELECT * FROM audit_differences ORDER BY checked, tenant, conversion_id, about LIMIT {}",
        options.listed
    );
    Ok(Audited {
        read: session
            .rows("counting", &format!("SELECT * FROM ({}) ORDER BY table", counts.join(" UNION ALL ")))
            .await?,
        checks: session.rows("counting", CHECKS).await?,
        not_judged: session.rows("counting", "SELECT * FROM audit_reasons ORDER BY what, reason").await?,
        differences: session.rows("listing", &listed).await?,
        doubled: session.rows("counting places", AUDIT).await?,
    })
}

const CHECKS: &str = "
    SELECT c.checked AS checked, c.judged AS judged, c.not_judged AS not_judged, countIf(d.checked != '') AS differences
    FROM audit_checks AS c
    LEFT JOIN audit_differences AS d ON d.checked = c.of
    GROUP BY c.place, checked, judged, not_judged
    ORDER BY c.place";

struct Session {
    client: Client,
}

/// A session is another query's until ClickHouse has ended that one, which is a moment after its answer.
const LOCKED: &str = "SESSION_IS_LOCKED";
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

impl Session {
    async fn execute(&self, doing: &str, sql: &str) -> Result<(), Error> {
        let attempt = async || self.client.query_raw(sql).execute().await;
        patiently(attempt).await.map_err(|source| failed(doing, source))
    }

    async fn rows<T: RowOwned + RowRead>(&self, doing: &str, sql: &str) -> Result<Vec<T>, Error> {
        let attempt = async || self.client.query_raw(sql).fetch_all::<T>().await;
        patiently(attempt).await.map_err(|source| failed(doing, source))
    }
}

async fn patiently<T>(
    attempt: impl AsyncFn() -> Result<T, clickhouse::error::Error>,
) -> Result<T, clickhouse::error::Error> {
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.to_string().contains(LOCKED) => tokio::time::sleep(PAUSE).await,
            ended => return ended,
        }
    }
    attempt().await
}

fn failed(doing: &str, source: clickhouse::error::Error) -> Error {
    Error::ClickHouse { doing: format!("audit, {doing}"), source }
}
