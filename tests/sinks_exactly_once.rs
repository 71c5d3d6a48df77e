//! Sinks on real Kafka and ClickHouse: every record is in its table exactly once, and in the hourly figures too, whatever
//! is killed; what is stored reads back as it was sent; neither bad input nor a missing table loses anything.

#[path = "pipeline/installation.rs"]
#[allow(dead_code, reason = "shared with the tests of the whole path")]
mod installation;
#[path = "sinks_exactly_once/records.rs"]
mod records;

use installation::{Installation, Role, http};
use kafka::group::Place;
use kafka::sink::{Commit, SinkConsumer};
use records::Written;
use schemas::id::JourneyId;
use schemas::offset::NextOffset;
use schemas::record::decision::Outcome;
use schemas::topic::Topic;
use stack::Server;
use std::time::Duration;

/// Clicks of the tests that kill: a few dozen inserts.
const CLICKS: u64 = 200_000;

/// As an operator asks: with the database in the address.
fn ask(installation: &Installation, sql: &str) -> Vec<Vec<String>> {
    let url = format!("{}/?database={}", installation.stack.endpoints.clickhouse_http, installation.database());
    let answer = http("POST", &url, &[], Some(sql)).expect("ClickHouse answers");
    assert_eq!(answer.status, 200, "{sql}\n{}", answer.body);
    answer.body.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn row(installation: &Installation, sql: &str) -> String {
    ask(installation, sql).into_iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n")
}

/// Status of `/health`; none where nothing listens.
fn health(installation: &Installation) -> Option<u16> {
    let config = std::fs::read_to_string(installation.path("tributary.toml")).expect("the configuration");
    let (_, sinks) = config.split_once("[sinks]\nmetrics_listen = \"").expect("a section");
    let (address, _) = sinks.split_once('"').expect("an address");
    http("GET", &format!("http://{address}/health"), &[], None).ok().map(|answer| answer.status)
}

fn clicks_in_transactions() -> impl Iterator<Item = Vec<Written>> {
    let size = 5000;
    (0..CLICKS / size).map(move |batch| {
        std::thread::sleep(Duration::from_millis(200));
        (batch * size..(batch + 1) * size).map(records::click).collect()
    })
}

fn every_click_is_there_once(installation: &Installation) {
    installation.wait_for("all clicks", || installation.number("SELECT count() FROM {db}.clicks") >= CLICKS as i64);
    // Something that comes twice would come with the next insert.
    std::thread::sleep(Duration::from_secs(2));
    let found =
        row(installation, "SELECT count(), uniqExact(click_id), uniqExact(kafka_partition, kafka_offset) FROM clicks");
    assert_eq!(found, format!("{CLICKS} {CLICKS} {CLICKS}"));
    let hourly = "SELECT sum(clicks) FROM hourly WHERE publisher LIKE 'p%'";
    assert_eq!(row(installation, hourly), CLICKS.to_string(), "the hourly figures");
    for table in ask(installation, sinks::tables::AUDIT) {
        assert_eq!(table[3], "0", "{table:?}");
    }
    assert!(!installation.log("sinks.log").contains("not in its table exactly once"));
}

#[test]
fn a_sink_killed_again_and_again_loads_every_click_once() {
    let mut installation = Installation::new("killed");
    installation.start(Role::Sinks);
    let config = installation.kafka();
    let mut kills = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| records::write(&config, clicks_in_transactions()));
        while !writer.is_finished() {
            // Inserts begin a second after their first record: this falls before, into and after them.
            std::thread::sleep(Duration::from_millis(900 + kills * 37 % 500));
            installation.kill(Role::Sinks);
            installation.spawn(Role::Sinks);
            kills += 1;
        }
    });
    every_click_is_there_once(&installation);
    let replays = installation.log("sinks.log").matches("pending range loaded").count();
    println!("{kills} kills, {replays} pending ranges loaded again");
    installation.stop(Role::Sinks);
}

/// Puts the group back to where it stood before the one range that it loaded of each of these partitions of clicks,
/// between insert and commit: whoever comes next has to load them again.
fn put_back(installation: &Installation, partitions: impl Iterator<Item = i32>) {
    let config = installation.kafka();
    let topic = config.topics().name(Topic::Clicks);
    let places: Vec<_> = partitions.map(|partition| Place { topic: topic.clone(), partition }).collect();
    let outsider = SinkConsumer::new(&config, "sinks", "outsider").expect("a client");
    let commits: Vec<_> = outsider
        .standing(&places)
        .expect("an answer")
        .into_iter()
        .map(|one| {
            let (next, _) = one.committed.expect("a commit");
            Commit { place: one.place, next: NextOffset(0), metadata: format!("v1;0;{}", next.0 - 1) }
        })
        .collect();
    installation.wait_for("the stopped member to leave the group", || outsider.commit(&commits).is_ok());
}

#[test]
fn a_range_that_was_inserted_and_not_committed_is_asked_for_and_changes_nothing() {
    let mut installation = Installation::new("between");
    let clicks = (0..1000).map(|number| (Topic::Clicks, Some(0), b"k".to_vec(), records::click(number).3)).collect();
    records::write(&installation.kafka(), [clicks].into_iter());
    installation.start(Role::Sinks);
    installation.wait_for_number("SELECT count() FROM {db}.clicks", 1000);
    installation.stop(Role::Sinks);
    put_back(&installation, 0..1);

    installation.start(Role::Sinks);
    installation.wait_for("the replay", || installation.log("sinks.log").contains("pending range loaded"));
    assert_eq!(row(&installation, "SELECT count(), uniqExact(click_id) FROM clicks"), "1000 1000");
    assert_eq!(row(&installation, "SELECT sum(clicks) FROM hourly"), "1000");
    assert!(!installation.log("sinks.log").contains("not in its table exactly once"));
}

/// What a server leaves that is killed in the middle of an insert into two months, made by hand: each month is a part,
/// and its token is written before or after it.
#[test]
fn a_range_of_which_clickhouse_kept_half_is_made_whole() {
    let mut installation = Installation::new("halves");
    // The month changes at 60,000.
    let clicks = (59_400..60_600).map(|number| {
        let partition = Some((number % 3) as i32);
        (Topic::Clicks, partition, b"k".to_vec(), records::click(number).3)
    });
    records::write(&installation.kafka(), [clicks.collect()].into_iter());
    ask(&installation, "SYSTEM STOP MERGES clicks");
    installation.start(Role::Sinks);
    installation.wait_for_number("SELECT count() FROM {db}.clicks", 1200);
    installation.stop(Role::Sinks);
    assert_eq!(row(&installation, "SELECT uniqExact(_part) FROM clicks"), "6", "one insert each");

    let part = |partition: i32, month: u32| {
        let of = format!("kafka_partition = {partition} AND toYYYYMM(occurred_at) = {month}");
        row(&installation, &format!("SELECT DISTINCT _part FROM clicks WHERE {of}"))
    };
    // Killed after the rows of October and before their token, where ClickHouse writes them first. What is attached has
    // no token, and what is dropped neither.
    let (october, november) = (part(0, 202_610), part(0, 202_611));
    ask(&installation, &format!("ALTER TABLE clicks DETACH PART '{october}'"));
    ask(&installation, &format!("ALTER TABLE clicks ATTACH PART '{october}'"));
    ask(&installation, &format!("ALTER TABLE clicks DROP PART '{november}'"));
    // Killed between the months.
    let november = part(1, 202_611);
    ask(&installation, &format!("ALTER TABLE clicks DROP PART '{november}'"));
    // Killed after the token of November and before its rows, where ClickHouse writes it first: a mutation keeps it.
    ask(&installation, "SYSTEM START MERGES clicks");
    let of = "kafka_partition = 2 AND toYYYYMM(occurred_at) = 202611";
    ask(&installation, &format!("ALTER TABLE clicks DELETE WHERE {of} SETTINGS mutations_sync = 1"));
    let left = "SELECT kafka_partition, count() FROM clicks GROUP BY kafka_partition ORDER BY kafka_partition";
    assert_eq!(row(&installation, left), "0 200\n1 200\n2 200");
    put_back(&installation, 0..3);

    installation.start(Role::Sinks);
    let log = || installation.log("sinks.log");
    let ended = ["pending range loaded", "not in its table exactly once"];
    installation.wait_for("the replays", || ended.map(|end| log().matches(end).count()).iter().sum::<usize>() == 3);
    assert_eq!(row(&installation, left), "0 400\n1 400\n2 400");
    assert_eq!(row(&installation, "SELECT uniqExact(click_id) FROM clicks"), "1200");
    assert_eq!(row(&installation, "SELECT sum(clicks) FROM hourly"), "1200");
    assert_eq!(log().matches("a range's token without its rows").count(), 1, "{}", log());
    assert!(!log().contains("not in its table exactly once"));
}

#[test]
fn clickhouse_killed_in_the_middle_costs_nothing_but_time() {
    let mut installation = Installation::alone("away");
    installation.start(Role::Sinks);
    let (config, options) = (installation.kafka(), installation.stack.options.clone());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| records::write(&config, clicks_in_transactions()));
        while !writer.is_finished() {
            std::thread::sleep(Duration::from_millis(1700));
            stack::kill(&options, Server::ClickHouse).expect("killed");
            std::thread::sleep(Duration::from_millis(800));
            stack::start_one(&options, Server::ClickHouse).expect("starts again");
        }
    });
    every_click_is_there_once(&installation);
    let log = installation.log("sinks.log");
    assert!(log.contains("clickhouse takes inserts again"), "{log}");
    assert_eq!(log.matches("partitions were assigned").count(), 1, "the sink keeps its partitions\n{log}");
    installation.stop(Role::Sinks);
}

#[test]
fn two_sinks_share_the_partitions_and_one_takes_over_from_the_other() {
    let mut installation = Installation::new("shared");
    installation.start(Role::Sinks);
    let config = installation.kafka();
    let sets = ["--set", "sinks.instance=sinks-2", "--set", "sinks.metrics_listen=127.0.0.1:0", "sinks"];
    let mut second = None;
    records::write(
        &config,
        clicks_in_transactions()
            .enumerate()
            .inspect(|(batch, _)| match batch {
                5 => second = Some(installation.background(&sets)),
                25 => {
                    let mut second = second.take().expect("started");
                    second.kill().and_then(|()| second.wait()).expect("killed");
                }
                _ => {}
            })
            .map(|(_, clicks)| clicks),
    );
    every_click_is_there_once(&installation);
    let assigned = installation.log("background.log").contains("partitions were assigned");
    assert!(assigned, "the second one worked:\n{}", installation.log("background.log"));

    // A third one under the first one's name: the group fences the older one, which says why.
    let sets = ["--set", "sinks.metrics_listen=127.0.0.1:0", "sinks"];
    let mut third = installation.background(&sets);
    installation.wait_for("the older process to be fenced", || installation.log("sinks.log").contains("same member"));
    third.kill().and_then(|()| third.wait()).expect("killed");
}

#[test]
fn what_is_stored_reads_back_as_it_was_sent() {
    let mut installation = Installation::new("values");
    let all = vec![
        records::click(1),
        records::event(None),
        records::event(Some(JourneyId([1; 16]))),
        records::decision(1, Outcome::Unattributed),
        records::decision(2, Outcome::Attributed),
        records::attribution(1),
        records::attribution(-1),
        records::attribution(1),
        records::entry(),
    ];
    records::write(&installation.kafka(), [all].into_iter());
    installation.start(Role::Sinks);
    installation.wait_for_number("SELECT count() FROM {db}.journal", 3);
    installation.wait_for_number("SELECT count() FROM {db}.attributions", 15);
    installation.wait_for_number("SELECT count() FROM {db}.decisions", 2);
    installation.wait_for_number("SELECT count() FROM {db}.clicks", 1);
    let hex = "019abcdef012745689abcdef01234567";
    for (sql, expected) in [
        (
            "SELECT click_id, ip_hash, returning, params['sub1'], occurred_at, marks FROM clicks",
            "00000000-0000-0001-0000-000000000007 09090909-0909-0909-0909-090909090909 false 1 2026-10-31 23:50:00.010000 \
             velocity=40",
        ),
        // What join forwarded is not another delivery.
        (
            "SELECT count(), any(value), any(order_id), any(evidence.click_id[1]) FROM events",
            "1 -12.345678 O-1 019abcde-f012-7456-89ab-cdef01234567",
        ),
        (
            "SELECT refund_of, items.sku, items.category, items.quantity, items.value FROM events",
            "e-0 ['mug'] [''] [2] [3.5]",
        ),
        (
            &format!(
                "SELECT revision, outcome, contract_version, payout, shares.publisher[1] FROM conversions WHERE conversion_id = '{hex}'"
            ),
            "2 attributed \\N 7 alpha",
        ),
        (
            &format!(
                "SELECT touches.journey_id[1], evidence.used[1], deliveries.reason[1], commission_rate_ppm \
                   FROM decisions WHERE conversion_id = '{hex}' AND revision = 2"
            ),
            "019abcde-f012-7456-89ab-cdef01234567 true same_order 100000",
        ),
        (
            "SELECT revision, status, full_commission, refunded, charged_back, shares.contract, shares.contract_version \
               FROM decisions ORDER BY revision",
            "1 approved 10 0 0 ['alpha-own'] [3]\n2 partly_refunded 12.5 20 5 ['alpha-own'] [3]",
        ),
        (
            "SELECT fraud_score, fraud_hold_at, fraud_reject_at, fraud.rule, fraud.score, fraud.measured, fraud.click_id \
               FROM decisions ORDER BY revision",
            "\\N \\N \\N [] [] [] []\n20 10 \\N ['velocity'] [20] ['40'] ['019abcde-f012-7456-89ab-cdef01234567']",
        ),
        (
            "SELECT command_id, command_verb, command_by, command_why, command_issued_at, command_effect \
               FROM decisions WHERE revision = 2",
            "c-1 release ana known buyer 2026-10-31 23:50:00.000000 released",
        ),
        ("SELECT command_id, command_issued_at, command_effect FROM decisions WHERE revision = 1", " \\N "),
        ("SELECT status, full_commission, refunded, charged_back FROM conversions", "partly_refunded 12.5 20 5"),
        ("SELECT DISTINCT cause, cause_event FROM journal", "conversion e-2"),
        ("SELECT lower(replaceAll(toString(any(conversion_id)), '-', '')) FROM decisions", hex),
        (
            "SELECT sum(sign * credit), sum(sign * attributed_value) FROM attributions WHERE model = 'time_decay'",
            "0.333333333333 33.3333333333",
        ),
        ("SELECT publisher, currency, held, conversions FROM publisher_balances", "alpha USD 7 1"),
        ("SELECT debits, credits, difference, entries FROM books", "10 10 0 1"),
        (
            "SELECT sum(clicks), sum(conversions), sum(value), sum(commission), sum(payout), sum(platform_fee) FROM hourly",
            "1 0.333333333333 33.3333333333 10 7 3",
        ),
        ("SELECT uniqExact(kind) > 4, countIf(body = 'null'), countIf(body LIKE '%hash%') FROM catalog", "1 0 0"),
    ] {
        assert_eq!(row(&installation, sql), expected, "{sql}");
    }
    let asked = "SELECT sum(clicks), sum(conversions), sum(payout) FROM hourly
        WHERE tenant = 'default' AND publisher != 'beta' AND hour >= '2026-10-01 00:00:00'";
    let plan = row(&installation, &format!("EXPLAIN {asked}"));
    assert_eq!(plan.matches("ReadFromMergeTree (hourly)").count(), 3, "a projection for each table\n{plan}");
}

/// The tables as an earlier version made them, with rows in them, and then `tributary tables create` of this one.
#[test]
fn an_earlier_installation_gets_the_columns_that_it_lacks() {
    let mut installation = Installation::new("columns");
    let all =
        vec![records::click(1), records::event(None), records::decision(2, Outcome::Attributed), records::entry()];
    records::write(&installation.kafka(), [all].into_iter());
    installation.start(Role::Sinks);
    installation.wait_for_number("SELECT count() FROM {db}.journal", 3);
    for table in ["clicks", "events", "decisions"] {
        installation.wait_for_number(&format!("SELECT count() FROM {{db}}.{table}"), 1);
    }
    installation.stop(Role::Sinks);
    let columns = "SELECT table, name, type, default_expression FROM system.columns \
        WHERE database = currentDatabase() ORDER BY table, position";
    let made_anew = row(&installation, columns);
    for (table, columns) in [
        ("clicks", "marks"),
        ("events", "items refund_of"),
        ("journal", "cause_event"),
        (
            "decisions",
            "shares.contract shares.contract_version status full_commission refunded charged_back fraud_score \
             fraud_hold_at fraud_reject_at fraud command_id command_verb command_by command_why command_issued_at \
             command_effect",
        ),
    ] {
        for column in columns.split_whitespace() {
            ask(&installation, &format!("ALTER TABLE {table} DROP COLUMN {column}"));
        }
    }
    let mut refused = installation.background(&["sinks"]);
    assert!(!refused.wait().expect("an end").success());
    let said = installation.log("background.log");
    assert!(
        said.contains("journal has no column cause_event") && said.contains("run `tributary tables create`"),
        "{said}"
    );

    installation.tributary(&["tables", "create"]);
    assert_eq!(row(&installation, columns), made_anew);
    for (sql, expected) in [
        ("SELECT status, full_commission, refunded, fraud_score, command_issued_at FROM decisions", " 10 0 \\N \\N"),
        ("SELECT shares.publisher, shares.contract, fraud.rule FROM decisions", "['alpha'] [''] []"),
        ("SELECT full_commission FROM conversions", "10"),
        ("SELECT DISTINCT cause_event, amount > 0 FROM journal ORDER BY ALL", " 0\n 1"),
        ("SELECT marks, items.sku, refund_of FROM clicks, events", " [] "),
    ] {
        assert_eq!(row(&installation, sql), expected, "{sql}");
    }
    records::write(&installation.kafka(), [vec![records::decision(3, Outcome::Attributed)]].into_iter());
    installation.start(Role::Sinks);
    installation.wait_for_number("SELECT count() FROM {db}.decisions WHERE status = 'partly_refunded'", 1);
}

#[test]
fn what_cannot_be_decoded_is_a_dead_letter_and_stalls_nothing() {
    let mut installation = Installation::new("poison");
    let at = |topic, value: &[u8]| (topic, Some(0), b"k".to_vec(), value.to_vec());
    let click = |number| (Topic::Clicks, Some(0), b"k".to_vec(), records::click(number).3);
    let all = vec![
        click(1),
        at(Topic::Clicks, b"{\"json\": true}"),
        click(2),
        at(Topic::Journal, &[]),
        at(Topic::DeadLetters, b"not a letter"),
        at(Topic::Clicks, &[0; 950_000]),
        click(3),
    ];
    records::write(&installation.kafka(), [all].into_iter());
    installation.start(Role::Sinks);
    installation.wait_for_number("SELECT count() FROM {db}.clicks", 3);
    installation.wait_for_number("SELECT count() FROM {db}.dead_letters FINAL", 3);
    let letters = row(
        &installation,
        "SELECT topic, partition, offset, stage, length(value), error FROM dead_letters FINAL ORDER BY topic, offset",
    );
    assert_eq!(
        letters,
        "poison.clicks 0 1 sinks 14 first byte is 0x7b, expected 0x00 of the Confluent wire format\n\
         poison.clicks 0 3 sinks 900000 schema id 0 is unknown here; 2 was expected (value cut from 950000 bytes)\n\
         poison.journal 0 0 sinks 0 shorter than the 5-byte header: 0 bytes"
    );
}

#[test]
fn a_missing_table_is_said_and_waited_for() {
    let mut installation = Installation::new("table");
    installation.start(Role::Sinks);
    ask(&installation, "RENAME TABLE clicks TO elsewhere");
    records::write(&installation.kafka(), [vec![records::click(1)]].into_iter());
    installation.wait_for("the sink to say that it is not well", || health(&installation) == Some(503));
    let log = installation.log("sinks.log");
    assert!(log.contains("will not heal by itself"), "{log}");

    // A new sink does not even start.
    installation.kill(Role::Sinks);
    let mut refused = installation.background(&["sinks"]);
    assert!(!refused.wait().expect("an end").success());
    let said = installation.log("background.log");
    assert!(said.contains("clicks does not exist; run `tributary tables create`"), "{said}");

    ask(&installation, "RENAME TABLE elsewhere TO clicks");
    installation.start(Role::Sinks);
    installation.wait_for_number("SELECT count() FROM {db}.clicks", 1);
    installation.wait_for_number("SELECT sum(clicks) FROM {db}.hourly", 1);
    assert_eq!(health(&installation), Some(200));
}
