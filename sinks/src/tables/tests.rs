//! What is judged of tables without a server; the rest is tested on a real one (`tests/` of the root package).

use super::*;

fn found() -> Vec<Found> {
    let windowed = "MergeTree ORDER BY tenant SETTINGS non_replicated_deduplication_window = 10000";
    TABLES
        .iter()
        .map(|(name, _)| Found {
            name: (*name).into(),
            engine: if written(name).is_empty() { "View" } else { "MergeTree" }.into(),
            engine_full: windowed.into(),
            columns: written(name).iter().map(|column| (*column).into()).collect(),
            projections: if WITH_HOURLY.contains(name) { vec!["hourly".into()] } else { Vec::new() },
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
        changed(|found| found[7].engine_full = "ReplacingMergeTree ORDER BY topic".into()),
        ["dead_letters has no deduplication window: a repeated insert would double its rows"]
    );
    assert_eq!(
        changed(|found| found[0].columns.retain(|column| column != "kafka_offset")),
        ["clicks has no column kafka_offset"]
    );
}

#[test]
fn an_earlier_installation_is_told_what_to_do() {
    let mut found = found();
    assert_eq!(outdated(&found), [""; 0]);
    for table in &mut found {
        table.projections.clear();
        if table.name == "hourly" {
            table.engine = "SummingMergeTree".into();
        }
    }
    found.extend(FORMER_VIEWS.map(|name| Found {
        name: name.into(),
        engine: "MaterializedView".into(),
        engine_full: String::new(),
        columns: Vec::new(),
        projections: Vec::new(),
    }));
    let expected = [
        "hourly_from_clicks is of an earlier version: DROP VIEW hourly_from_clicks",
        "hourly_from_attributions is of an earlier version: DROP VIEW hourly_from_attributions",
        "hourly_from_journal is of an earlier version: DROP VIEW hourly_from_journal",
        "hourly is a table of an earlier version: DROP TABLE hourly",
        "clicks has no projection hourly: ALTER TABLE clicks ADD PROJECTION, as in \"Earlier installations\" of docs/clickhouse.md",
        "attributions has no projection hourly: ALTER TABLE attributions ADD PROJECTION, as in \"Earlier installations\" of docs/clickhouse.md",
        "journal has no projection hourly: ALTER TABLE journal ADD PROJECTION, as in \"Earlier installations\" of docs/clickhouse.md",
    ];
    assert_eq!(outdated(&found), expected);
    assert_eq!(judge(&found), expected, "a sink does not start either");
    // None of it exists yet: `tables create` is all that is needed.
    assert_eq!(outdated(&[]), [""; 0]);
}

#[test]
fn the_projections_that_earlier_installations_add_are_those_of_the_ddl() {
    let packed = |text: &str| text.split_whitespace().collect::<String>();
    let documented = packed(include_str!("../../../docs/clickhouse.md"));
    for name in WITH_HOURLY {
        let (_, sql) = TABLES.iter().find(|(table, _)| *table == name).expect("in the list");
        let (_, projection) = sql.split_once("PROJECTION hourly").expect("a projection");
        let (projection, _) = projection.split_once("\n    )\n").expect("its end");
        let added = packed(&format!("ALTER TABLE {name} ADD PROJECTION hourly {projection});"));
        assert!(documented.contains(&added), "{added}");
    }
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

/// A table that is made anew and one that gets the column later have the same one.
#[test]
fn a_column_that_is_added_is_that_of_the_ddl() {
    assert!(TABLES[..WITH_WINDOW.len()].iter().all(|(name, _)| WITH_WINDOW.contains(name)), "tables before views");
    for statement in statements(ADDED) {
        let (_, rest) = statement.split_once("ALTER TABLE ").expect("an alteration");
        let (table, columns) = rest.split_once(char::is_whitespace).expect("its columns");
        let (_, sql) = TABLES.iter().find(|(name, _)| *name == table).expect("in the list");
        let packed = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        for column in columns.split("ADD COLUMN IF NOT EXISTS ").skip(1) {
            let (definition, _) = column.split_once(" AFTER ").expect("its place");
            let (name, of) = definition.split_once(' ').expect("its type");
            let defined = match name.split_once('.') {
                None => packed.contains(&format!(" {name} {of},")),
                Some((outer, inner)) => {
                    let of = of.strip_prefix("Array(").and_then(|of| of.strip_suffix(')')).expect("a list");
                    let (_, nested) = packed.split_once(&format!(" {outer} Nested(")).expect("a list");
                    nested.contains(&format!("{inner} {of}"))
                }
            };
            assert!(defined, "{table}: {definition}");
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
