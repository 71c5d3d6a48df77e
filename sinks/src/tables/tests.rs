//! What is judged of tables without a server; the rest is tested on a real one (`tests/` of the root package).

use super::*;

fn found() -> Vec<Found> {
    let windowed = "MergeTree ORDER BY tenant SETTINGS non_replicated_deduplication_window = 10000";
    TABLES
        .iter()
        .map(|(name, _)| Found {
            name: (*name).into(),
            columns: written(name).iter().map(|column| (*column).into()).collect(),
            engine_full: windowed.into(),
        })
        .collect()
}

#[test]
fn tables_that_would_lose_or_double_rows_are_named() {
    let changed = |change: fn(&mut Vec<Found>)| {
        let mut found = found();
        change(&mut found);
        judge(&found)
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(changed(|_| {}), none);
    assert_eq!(changed(|found| found[0].engine_full = "ReplicatedMergeTree('/a', 'b')".into()), none);
    assert_eq!(changed(|found| drop(found.remove(0))), ["clicks does not exist"]);
    assert_eq!(
        changed(|found| found[8].engine_full = "SummingMergeTree ORDER BY tenant".into()),
        ["hourly has no deduplication window: a repeated insert would double its rows"]
    );
    assert_eq!(
        changed(|found| found[0].columns.retain(|column| column != "kafka_offset")),
        ["clicks has no column kafka_offset"]
    );
}

#[test]
fn every_table_with_a_window_says_so_in_its_ddl() {
    for name in WITH_WINDOW {
        let (_, sql) = TABLES.iter().find(|(table, _)| *table == name).expect("in the list");
        assert!(sql.contains("non_replicated_deduplication_window = 10000"), "{name}");
    }
}

/// Every column of a row is in the DDL; types are checked by the crate at the first insert.
#[test]
fn every_row_has_its_columns_in_the_ddl() {
    for (name, sql) in TABLES {
        for column in written(name) {
            // `shares.publisher` is `shares Nested(publisher ...)`.
            let (outer, inner) = column.split_once('.').unwrap_or((column, ""));
            let defined =
                sql.lines().any(|line| line.trim_start().starts_with(&format!("{outer} "))) && sql.contains(inner);
            assert!(defined, "{name}.{column}");
        }
    }
}

#[test]
fn every_topic_with_a_table_is_loaded_and_audited() {
    let loaded: Vec<_> = topics().filter_map(rows_of).map(|rows| rows.table()).collect();
    assert_eq!(loaded.len(), 8);
    for table in loaded {
        assert!(AUDIT.contains(&format!("FROM {table}\n")), "{table}");
        assert!(!written(table).is_empty(), "{table}");
    }
}
