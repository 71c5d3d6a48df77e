//! Rows: what a network calls -> what of the event matters, or field and code of the refusal.

use super::*;
use crate::event::identity::Source;
use crate::event::parse::{Context, parse};
use schemas::decimal::Amount;
use schemas::id::{ClickId, JourneyId};
use schemas::offset::Offset;
use schemas::record::event::Event;
use schemas::time::Micros;
use schemas::token::{ClickToken, MacKey};

fn keys(secret: u8) -> MacKeys {
    MacKeys::new(vec![MacKey::new(1, &[secret; 32])]).expect("a key")
}

fn token(number: u8) -> String {
    keys(1).sign_token(ClickToken { click: ClickId([number; 16]), journey: JourneyId([2; 16]) })
}

/// `T` and `U` stand for tokens of ours, `F` for a forged one.
fn parsed(query: &str) -> Result<Event, String> {
    let forged = keys(9).sign_token(ClickToken { click: ClickId([1; 16]), journey: JourneyId([2; 16]) });
    let query = query.replace("=T", &format!("={}", token(1))).replace("=U", &format!("={}", token(2)));
    let query = query.replace("=F", &format!("={forged}"));
    let client = Client::for_test();
    let told = |error: &FieldError| format!("{} {}", error.field, error.code);
    let params = Params::read(&[query.as_bytes()]).map_err(|problem| problem.kind().name().to_owned())?;
    let event = event(params, &client, &keys(1)).map_err(|error| told(&error))?;
    let context = Context {
        source: Source { client: &client, idempotency_key: None, nonce: None, row: 0 },
        keys: &keys(1),
        received_at: Micros(1_800_000_000_000_000),
        catalog_offset: Offset(5),
        action: None,
        channel: Channel::Postback,
    };
    let event = serde_json::value::RawValue::from_string(Value::Object(event).to_string()).expect("JSON");
    parse(&event, &context).map_err(|refused| refused.errors.iter().map(told).collect::<Vec<_>>().join(", "))
}

fn good(query: &str) -> Event {
    parsed(query).unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[test]
fn networks_are_understood_in_their_own_words() {
    for (network, query, action, value, order) in [
        ("TUNE", "transaction_id=T&amount=12.50&currency=EUR", "purchase", "12.5 EUR", ""),
        ("Everflow", "transaction_id=T&order_id=O1&amount=10&nid=7", "purchase", "10 USD", "O1"),
        ("Voluum", "cid=T&payout=3.456789&txid=O2", "purchase", "3.456789 USD", "O2"),
        ("Voluum, a goal", "cid=T&payout=1&txid=O3&et=deposit", "custom", "1 USD", "O3"),
        ("Keitaro, a lead", "subid=T&status=lead&payout=0", "lead", "0 USD", ""),
        ("Keitaro, a sale", "subid=T&status=sale&payout=9&tid=O4", "sale", "9 USD", "O4"),
        ("Keitaro, trash", "subid=T&status=trash&payout=9&tid=O4", "rejected", "0 USD", "O4"),
        ("RedTrack", "clickid=T&sum=5&currency=usd", "purchase", "5 USD", ""),
        ("Affise, confirmed", "clickid=T&sum=5&status=1&action_id=O5", "sale", "5 USD", "O5"),
        ("Affise, on hold", "clickid=T&sum=5&status=5&action_id=O5", "purchase", "5 USD", "O5"),
        ("Affise, declined", "clickid=T&sum=5&status=3&action_id=O5", "rejected", "0 USD", "O5"),
        ("Admitad", "CLICK_ID=T&order_sum=7.10&payment_status=pending&order_id=O6", "purchase", "7.1 USD", "O6"),
        ("no amount", "click_id=T", "lead", "0 USD", ""),
        ("a registration", "click_id=T&event=registration&status=approved", "signup", "0 USD", ""),
        ("approved later", "order_id=O7&status=approved", "approved", "0 USD", "O7"),
        ("refunded in part", "order_id=O7&status=refunded&amount=2", "refund", "2 USD", "O7"),
        ("charged back", "order_id=O7&status=chargeback", "chargeback", "0 USD", "O7"),
        ("by its own name", "order_id=O7&event=refund&status=approved", "refund", "0 USD", "O7"),
        ("both amounts", "click_id=T&payout=1&sale_amount=20&order_id=O8", "purchase", "20 USD", "O8"),
        ("two orders", "click_id=T&payout=1&order_id=O8&transaction_id=X", "purchase", "1 USD", "O8"),
        ("the network's order", "click_id=T&payout=1&transaction_id=X", "purchase", "1 USD", "X"),
        ("plus and percent", "click_id=T&payout=1&order_id=a+b%2Fc", "purchase", "1 USD", "a b/c"),
    ] {
        let event = good(query);
        let (amount, currency) = value.split_once(' ').expect("an amount and a currency");
        assert_eq!((event.action.name(), event.currency.code()), (action, currency), "{network}");
        assert_eq!(event.value, Amount::parse(amount).expect("a decimal"), "{network}");
        let synthetic = |order: &String| order.starts_with("click-");
        let shown = event.order_id.filter(|order| !synthetic(order)).unwrap_or_default();
        assert_eq!(shown, order, "{network}");
        assert_eq!(event.channel, Channel::Postback);
        let touches = event.evidence.iter().filter(|evidence| evidence.click_id == Some(ClickId([1; 16]))).count();
        assert_eq!(touches, usize::from(query.contains("=T")), "{network}");
    }
}

#[test]
fn what_cannot_be_booked_is_refused_by_its_name() {
    let many = "click_id=T&".to_owned() + &(0..200).map(|number| format!("p{number}=1&")).collect::<String>();
    for (query, expected) in [
        ("click_id=F&payout=1", "click_id token_forged"),
        ("subid=F&order_id=O1&status=approved", "subid token_forged"),
        ("cid=12345&payout=1", "cid token_malformed"),
        ("click_id={click_id}&payout=1", "click_id token_malformed"),
        ("payout=1", "click_id missing"),
        ("click_id=T&payout=1,50", "value bad_value"),
        ("click_id=T&payout={payout}", "value bad_value"),
        ("click_id=T&payout=-1", "value negative_value"),
        ("click_id=T&payout=1&currency=XYZW", "currency bad_currency"),
        ("click_id=T&payout=1&status=maybe", "status unknown_status"),
        ("click_id=T&event=purchase", "value missing"),
        ("click_id=T&click_id=U&payout=1", "bad-request"),
        (&many, "bad-request"),
    ] {
        assert_eq!(parsed(query).err().as_deref(), Some(expected), "{query}");
    }
}

#[test]
fn a_repeat_is_the_same_event_and_another_report_is_another() {
    // Each line is one event, however often and by whatever door it is told; the lines differ.
    let same: [&[&str]; 12] = [
        &["click_id=T&payout=1", "subid=T&amount=1.00", "clickid=T&sum=1&status=pending", "cid=T&payout=1&x=2"],
        &["click_id=U&payout=1"],
        &["click_id=T&payout=1&order_id=O1", "click_id=U&payout=1&txid=O1"],
        &["click_id=T&payout=1&status=approved"],
        &["click_id=T&status=rejected", "click_id=T&status=rejected"],
        &["click_id=T&status=refund&amount=1"],
        &["click_id=T&status=refund&amount=2"],
        &["click_id=T&status=refund&amount=2&timestamp=1700000000"],
        &["click_id=T&event=signup"],
        &["click_id=T&event=level_5", "click_id=T&goal=Level_5"],
        &["click_id=T&event=level_6"],
        &["click_id=T"],
    ];
    let mut ids = std::collections::BTreeSet::new();
    for queries in same {
        let events: Vec<Event> = queries.iter().map(|query| good(query)).collect();
        for event in &events {
            assert_eq!(event.event_id, events[0].event_id, "{queries:?}");
            assert_eq!(event.conversion_id, events[0].conversion_id, "{queries:?}");
        }
        assert!(ids.insert(events[0].event_id.clone()), "{queries:?}");
    }
}

#[test]
fn all_that_is_said_of_one_click_is_about_one_conversion() {
    let conversion = |query: &str| good(query).conversion_id;
    let sale = conversion("click_id=T&payout=1");
    for query in
        ["click_id=T", "click_id=T&status=approved&payout=1", "click_id=T&status=rejected", "cid=T&status=refund"]
    {
        assert_eq!(conversion(query), sale, "{query}");
    }
    let signup = conversion("click_id=T&event=signup");
    assert_eq!(conversion("click_id=T&event=signup&status=rejected"), signup);
    let goal = conversion("click_id=T&event=level_5");
    assert_eq!(conversion("click_id=T&event=level_5&status=rejected"), goal);
    assert!(sale != signup && sale != goal && signup != goal);
    assert_ne!(conversion("click_id=U&payout=1"), sale);
}

#[test]
fn what_nobody_knows_is_kept_and_the_goal_with_it() {
    let event = good("click_id=T&payout=1&event=level_5&aff_id=7&offer=a%20b");
    assert_eq!(event.properties.as_deref(), Some(r#"{"aff_id":"7","event":"level_5","offer":"a b"}"#));
    assert_eq!(good("click_id=T&payout=1").properties, None);
    let long = "x".repeat(5000);
    assert_eq!(
        good(&format!("click_id=T&payout=1&a=1&b={long}&c=3")).properties.as_deref(),
        Some(r#"{"a":"1","c":"3"}"#)
    );
}

proptest::proptest! {
    #[test]
    fn any_query_is_read_without_a_panic(query in "([a-z_]{1,8}|click_id|status|event|payout|txid|[%&=+\\PC]){0,40}") {
        let _ = parsed(&query);
    }
}
