//! The tables: one module per topic with its row, the DDL beside them in `sql/`, creation, and the check that what
//! is there fits.

mod attributions;
mod catalog;
mod clicks;
mod dead_letters;
mod decisions;
mod events;
mod journal;
mod rejected;

use crate::config::ClickHouseConfig;
use crate::error::Error;
use crate::rows::{self, Rows};
use clickhouse::{Client, Row};
use schemas::topic::Topic;
use serde::Deserialize;
use std::collections::HashSet;

/// Rows and distinct places in Kafka per table: `doubled` is 0 everywhere, or exactly once is broken.
pub const AUDIT: &str = include_str!("../sql/audit.sql");

macro_rules! statements {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../sql/", $name, ".sql")))),+]
    };
}

/// What tables of an earlier version lack; done before the views, which read it.
const ADDED: &str = include_str!("../sql/added.sql");

/// In the order of creation; each statement may be repeated.
const TABLES: &[(&str, &str)] = statements![
    "clicks",
    "rejected",
    "events",
    "decisions",
    "attributions",
    "journal",
    "catalog",
    "dead_letters",
    "hourly",
    "conversions",
    "publisher_balances",
    "books",
];

/// Those that inserts go into: each needs a deduplication window.
const WITH_WINDOW: [&str; 8] =
    ["clicks", "rejected", "events", "decisions", "attributions", "journal", "catalog", "dead_letters"];

/// Those that keep the sums of the view `hourly`, as a projection of that name.
const WITH_HOURLY: [&str; 3] = ["clicks", "attributions", "journal"];

/// They fed `hourly` when it was a table.
const FORMER_VIEWS: [&str; 3] = ["hourly_from_clicks", "hourly_from_attributions", "hourly_from_journal"];

/// The topics that are loaded.
pub(crate) fn topics() -> impl Iterator<Item = Topic> {
    Topic::ALL.into_iter().filter(|topic| rows_of(*topic).is_some())
}

/// An empty batch of a topic's table; none for topics that stay in Kafka.
pub(crate) fn rows_of(topic: Topic) -> Option<Box<dyn Rows>> {
    match topic {
        Topic::Clicks => Some(rows::empty::<clicks::Clicks>()),
        Topic::Rejected => Some(rows::empty::<rejected::RejectedTable>()),
        Topic::Events => Some(rows::empty::<events::Events>()),
        Topic::Decisions => Some(rows::empty::<decisions::Decisions>()),
        Topic::Attributions => Some(rows::empty::<attributions::Attributions>()),
        Topic::Journal => Some(rows::empty::<journal::Journal>()),
        Topic::Catalog => Some(rows::empty::<catalog::Catalog>()),
        Topic::DeadLetters => Some(rows::empty::<dead_letters::DeadLetters>()),
        // Statements, payouts and budgets have no tables yet.
        Topic::Candidates | Topic::Payouts | Topic::Budgets | Topic::DecideChangelog | Topic::SettleChangelog => None,
    }
}

/// Creates the database, its tables and its views where they are missing; what is there stays.
///
/// # Errors
/// What ClickHouse answered, or that it does not answer; what an earlier version created and has to go first.
pub fn create_tables(config: &ClickHouseConfig) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
    runtime.block_on(create(config))
}

async fn create(config: &ClickHouseConfig) -> Result<(), Error> {
    let execute = async |client: &Client, name: &str, sql: &str| {
        let result = client.query_raw(sql).execute().await;
        result.map_err(|source| Error::ClickHouse { doing: format!("creating {name}"), source })
    };
    let database = format!("CREATE DATABASE IF NOT EXISTS {}", config.database);
    execute(&config.bare_client()?, &config.database, &database).await?;
    let client = config.client()?;
    let found =
        found(&client).await.map_err(|source| Error::ClickHouse { doing: "looking for tables".into(), source })?;
    let outdated = outdated(&found);
    if !outdated.is_empty() {
        return Err(Error::TablesDoNotFit(outdated));
    }
    let (tables, views) = TABLES.split_at(WITH_WINDOW.len());
    for (name, sql) in tables {
        execute(&client, name, sql).await?;
    }
    for sql in statements(ADDED) {
        execute(&client, "columns", sql).await?;
    }
    for (name, sql) in views {
        execute(&client, name, sql).await?;
    }
    Ok(())
}

/// The statements of a file, each ended by a semicolon at the end of its line.
pub(crate) fn statements(file: &str) -> impl Iterator<Item = &str> {
    file.split(";\n").filter(|statement| !statement.trim().is_empty())
}

#[derive(Row, Deserialize)]
struct Found {
    name: String,
    engine: String,
    engine_full: String,
    columns: Vec<String>,
    projections: Vec<String>,
}

/// What does not fit, one line each; empty when inserts will do what they should.
pub(crate) async fn misfits(client: &Client) -> Result<Vec<String>, clickhouse::error::Error> {
    Ok(judge(&found(client).await?))
}

async fn found(client: &Client) -> Result<Vec<Found>, clickhouse::error::Error> {
    let sql = "SELECT t.name AS name, any(t.engine) AS engine, any(t.engine_full) AS engine_full,
                   groupArray(c.name) AS columns, any(p.names) AS projections
               FROM system.tables AS t
               LEFT JOIN system.columns AS c ON c.database = t.database AND c.table = t.name
               LEFT JOIN (SELECT database, table, groupArray(name) AS names FROM system.projections
                          GROUP BY database, table) AS p ON p.database = t.database AND p.table = t.name
               WHERE t.database = currentDatabase() GROUP BY t.name";
    client.query_raw(sql).fetch_all::<Found>().await
}

fn judge(found: &[Found]) -> Vec<String> {
    let mut misfits = outdated(found);
    for (name, _) in TABLES {
        let Some(table) = found.iter().find(|table| table.name == *name) else {
            misfits.push(format!("{name} does not exist"));
            continue;
        };
        if WITH_WINDOW.contains(name) && !deduplicates(&table.engine_full) {
            misfits.push(format!("{name} has no deduplication window: a repeated insert would double its rows"));
        }
        let has: HashSet<&str> = table.columns.iter().map(String::as_str).collect();
        for column in written(name).iter().filter(|column| !has.contains(**column)) {
            misfits.push(format!("{name} has no column {column}"));
        }
    }
    misfits
}

/// What an earlier version left and `CREATE ... IF NOT EXISTS` passes over, with the statement that mends it. Without a
/// projection `hourly` is right and reads every row.
fn outdated(found: &[Found]) -> Vec<String> {
    let mut outdated = Vec::new();
    let table = |name: &str| found.iter().find(|table| table.name == name);
    for view in FORMER_VIEWS.into_iter().filter(|view| table(view).is_some()) {
        outdated.push(format!("{view} is of an earlier version: DROP VIEW {view}"));
    }
    if table("hourly").is_some_and(|hourly| hourly.engine != "View") {
        outdated.push("hourly is a table of an earlier version: DROP TABLE hourly".into());
    }
    for name in WITH_HOURLY {
        if table(name).is_some_and(|table| !table.projections.iter().any(|projection| projection == "hourly")) {
            outdated.push(format!(
                "{name} has no projection hourly: ALTER TABLE {name} ADD PROJECTION, as in \"Earlier installations\" of \
                 docs/clickhouse.md"
            ));
        }
    }
    outdated
}

/// Replicated tables have a window by default, others none.
fn deduplicates(engine_full: &str) -> bool {
    let setting = "non_replicated_deduplication_window = ";
    let window = engine_full.split_once(setting).map(|(_, rest)| !rest.starts_with('0'));
    window.unwrap_or(engine_full.starts_with("Replicated") || engine_full.starts_with("Shared"))
}

/// The columns that a sink writes into a table.
fn written(table: &str) -> &'static [&'static str] {
    match table {
        "clicks" => clicks::ClickRow::COLUMN_NAMES,
        "rejected" => rejected::RejectedRow::COLUMN_NAMES,
        "events" => events::EventRow::COLUMN_NAMES,
        "decisions" => decisions::DecisionRow::COLUMN_NAMES,
        "attributions" => attributions::AttributionRow::COLUMN_NAMES,
        "journal" => journal::PostingRow::COLUMN_NAMES,
        "catalog" => catalog::CatalogRow::COLUMN_NAMES,
        "dead_letters" => dead_letters::DeadLetterRow::COLUMN_NAMES,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
