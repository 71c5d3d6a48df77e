//! Rows: JSON -> what of the event record matters, or field and code of every error.

use super::*;
use crate::routes::Client;
use schemas::name::{AdvertiserId, ApiKeyId, TenantId};
use schemas::token::MacKey;

const RECEIVED: i64 = 1_800_000_000_000_000;

fn client() -> Client {
    Client {
        tenant: TenantId::new("default").expect("a name"),
        advertiser: AdvertiserId::new("acme").expect("a name"),
        api_key: ApiKeyId::new("main").expect("a name"),
        ..Client::for_test()
    }
}

fn refusal_or_event(row: &str, action: Option<Action>, idempotency_key: Option<&str>) -> Result<Event, Refused> {
    let (client, keys) = (client(), MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key"));
    let context = Context {
        source: Source { client: &client, idempotency_key, nonce: None, row: 0 },
        keys: &keys,
        received_at: Micros(RECEIVED),
        catalog_offset: Offset(5),
        action,
        channel: Channel::Api,
    };
    parse(serde_json::from_str(row).expect("JSON"), &context)
}

fn parsed_with(row: &str, action: Option<Action>, idempotency_key: Option<&str>) -> Result<Event, Vec<FieldError>> {
    refusal_or_event(row, action, idempotency_key).map_err(|refused| refused.errors)
}

fn parsed(row: &str) -> Result<Event, Vec<FieldError>> {
    parsed_with(row, None, None)
}

fn good(row: &str) -> Event {
    parsed(row).unwrap_or_else(|errors| panic!("{row}: {errors:?}"))
}

fn check(row: &str, expected: &[(&str, &str, &str)]) {
    let errors = parsed(row).expect_err(row);
    let shown: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.code, error.value.as_str())).collect();
    assert_eq!(shown, expected, "{row}");
}

#[test]
fn every_error_of_a_row_names_its_field_and_value() {
    for (row, expected) in [
        ("7", vec![("", "not_an_object", "7")]),
        ("null", vec![("", "not_an_object", "null")]),
        (r#""text""#, vec![("", "not_an_object", r#""text""#)]),
        ("[]", vec![("", "not_an_object", "[]")]),
        ("{}", vec![("action", "missing", "")]),
        (r#"{"action":null,"event_id":"e"}"#, vec![("action", "missing", "null")]),
        (r#"{"action":"buy","event_id":"e"}"#, vec![("action", "unknown_action", r#""buy""#)]),
        (r#"{"action":true,"event_id":"e"}"#, vec![("action", "wrong_type", "true")]),
        (r#"{"action":"refund","order_id":"o","value":1}"#, vec![("event_id", "missing", "")]),
        (r#"{"action":"chargeback","event_id":"e"}"#, vec![("refund_of", "missing", "")]),
        (r#"{"action":"refund"}"#, vec![("refund_of", "missing", ""), ("event_id", "missing", "")]),
        (r#"{"action":"signup","event_id":"e","refund_of":"f"}"#, vec![("refund_of", "not_for_action", r#""f""#)]),
        (r#"{"action":"refund","event_id":"r","refund_of":""}"#, vec![("refund_of", "empty", "\"\"")]),
        (r#"{"action":"refund","event_id":"r","order_id":"o","value":-1}"#, vec![("value", "negative_value", "-1")]),
        (r#"{"action":"refund","event_id":"r","order_id":"o","value":0}"#, vec![("value", "zero_value", "0")]),
        (
            r#"{"action":"refund","event_id":"r","order_id":"o","value":1,"items":[{"sku":"a"}]}"#,
            vec![("value", "items_and_value", "1")],
        ),
        (r#"{"action":"rebill","event_id":"b","order_id":"o"}"#, vec![("value", "missing", "")]),
        (r#"{"action":"signup","event_id":"e","items":{}}"#, vec![("items", "malformed", "{}")]),
        (
            r#"{"action":"signup","event_id":"e","items":[{"sku":"a"}]}"#,
            vec![("items", "bad_item", r#"[{"sku":"a"}]"#)],
        ),
        (
            r#"{"action":"signup","event_id":"e","items":[{"sku":"a","value":1,"quantity":1.5}]}"#,
            vec![("items", "bad_item", r#"[{"sku":"a","value":1,"quantity":1.5}]"#)],
        ),
        (
            r#"{"action":"signup","event_id":"e","items":[{"sku":"a","value":1,"price":1}]}"#,
            vec![("items", "malformed", r#"[{"sku":"a","value":1,"price":1}]"#)],
        ),
        (r#"{"action":"purchase","event_id":"e"}"#, vec![("value", "missing", "")]),
        (r#"{"action":"purchase","value":1}"#, vec![("event_id", "missing", "")]),
        (r#"{"action":"add_to_cart"}"#, vec![("event_id", "missing", "")]),
        (r#"{"action":"signup","event_id":""}"#, vec![("event_id", "empty", r#""""#)]),
        (r#"{"action":"signup","event_id":"a\u0000b"}"#, vec![("event_id", "malformed", r#""a\u0000b""#)]),
        (r#"{"action":"signup","event_id":"\ud800"}"#, vec![("event_id", "malformed", r#""\ud800""#)]),
        (r#"{"action":"signup","event_id":["e"]}"#, vec![("event_id", "wrong_type", r#"["e"]"#)]),
        (r#"{"action":"purchase","event_id":"e","value":-1}"#, vec![("value", "negative_value", "-1")]),
        (r#"{"action":"purchase","event_id":"e","value":"1,5"}"#, vec![("value", "bad_value", r#""1,5""#)]),
        (r#"{"action":"purchase","event_id":"e","value":1.1234567}"#, vec![("value", "bad_value", "1.1234567")]),
        (r#"{"action":"purchase","event_id":"e","value":{}}"#, vec![("value", "wrong_type", "{}")]),
        (r#"{"action":"purchase","event_id":"e","value":""}"#, vec![("value", "bad_value", r#""""#)]),
        (r#"{"action":"signup","event_id":"e","currency":"XYZ"}"#, vec![("currency", "bad_currency", r#""XYZ""#)]),
        (
            r#"{"action":"signup","event_id":"e","occurred_at":"today"}"#,
            vec![("occurred_at", "bad_time", r#""today""#)],
        ),
        (r#"{"action":"signup","event_id":"e","occurred_at":1.5}"#, vec![("occurred_at", "bad_time", "1.5")]),
        (r#"{"action":"signup","event_id":"e","properties":[1]}"#, vec![("properties", "wrong_type", "[1]")]),
        (r#"{"action":"signup","event_id":"e","amount":7}"#, vec![("amount", "unknown_field", "7")]),
        (r#"{"action":"signup","event_id":"e","event_id":"f"}"#, vec![("event_id", "given_twice", r#""f""#)]),
        (
            r#"{"action":"purchase","value":"x","currency":"?","occurred_at":"?","colour":1}"#,
            vec![
                ("colour", "unknown_field", "1"),
                ("event_id", "missing", ""),
                ("value", "bad_value", r#""x""#),
                ("currency", "bad_currency", r#""?""#),
                ("occurred_at", "bad_time", r#""?""#),
            ],
        ),
    ] {
        check(row, &expected);
    }
}

#[test]
fn what_is_too_long_or_too_deep_is_refused_and_shown_cut() {
    let id = format!("\"{}\"", "x".repeat(limits::FOREIGN_ID_BYTES + 1));
    let properties = format!(r#"{{"a":"{}"}}"#, "x".repeat(limits::PROPERTIES_BYTES));
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let url = format!("\"https://shop.example/{}\"", "x".repeat(limits::URL_BYTES));
    for (field, value, code) in [
        ("order_id", &id, "too_long"),
        ("customer_id", &id, "too_long"),
        ("properties", &properties, "too_long"),
        ("properties", &deep, "malformed"),
        ("landing_url", &url, "too_long"),
        ("referrer", &url, "too_long"),
    ] {
        let row = format!(r#"{{"action":"signup","event_id":"e","{field}":{value}}}"#);
        check(&row, &[(field, code, &value[..64])]);
    }
}

#[test]
fn a_value_is_exact_however_it_is_written() {
    for (value, expected) in [
        ("12.50", "12.500000"),
        (r#""12.50""#, "12.500000"),
        ("0.1", "0.100000"),
        ("1e2", "100.000000"),
        ("9007199254740993", "9007199254740993"),
        ("123456789012345.123456", "123456789012345.123456"),
        ("0", "0.000000"),
        ("-0", "0.000000"),
    ] {
        let row = format!(r#"{{"action":"purchase","event_id":"e","value":{value}}}"#);
        let shown = match parsed(&row) {
            Ok(event) => event.value.to_string(),
            // 16 digits are out of range, and refused as they were written: no float has touched them.
            Err(errors) => errors[0].value.clone(),
        };
        assert_eq!(shown, expected, "{value}");
    }
}

#[test]
fn what_is_not_given_has_its_default_and_null_is_not_given() {
    for row in [
        r#"{"action":"signup","event_id":"e"}"#,
        r#"{"action":"signup","event_id":"e","value":null,"currency":null,"occurred_at":null,"order_id":null,
            "properties":null,"customer_id":null,"click_id":null,"landing_url":null,"coupon_code":""}"#,
    ] {
        let event = good(row);
        assert_eq!((event.value, event.currency), (Amount::ZERO, Currency::USD), "{row}");
        assert_eq!((event.occurred_at, event.received_at), (Micros(RECEIVED), Micros(RECEIVED)));
        assert_eq!((event.order_id, event.properties, event.customer), (None, None, None));
        assert!(event.evidence.is_empty() && event.clock_ahead_micros == 0 && event.forwarded_to.is_none());
        assert_eq!((event.catalog_offset, event.api_key.as_str()), (Offset(5), "main"));
    }
}

#[test]
fn a_time_in_the_future_is_clamped_and_said() {
    for (claimed, occurred_at, ahead) in [
        (r#""2027-01-15T08:00:00Z""#, RECEIVED, 0),
        ("1799999999", RECEIVED - 1_000_000, 0),
        ("1800000005000", RECEIVED, 5_000_000),
    ] {
        let event = good(&format!(r#"{{"action":"signup","event_id":"e","occurred_at":{claimed}}}"#));
        assert_eq!((event.occurred_at.0, event.clock_ahead_micros), (occurred_at, ahead), "{claimed}");
    }
}

#[test]
fn the_conversion_is_that_of_the_order_and_else_that_of_the_event() {
    let client = client();
    let of_event = |id: &str| ConversionId::of_event(&client.tenant, &client.advertiser, id);
    let of_order = ConversionId::of_order(&client.tenant, &client.advertiser, "o");
    let event = good(r#"{"action":"signup","event_id":"e"}"#);
    assert_eq!((event.conversion_id, event.event_conversion_id), (of_event("e"), None));
    let event = good(r#"{"action":"signup","event_id":"e","order_id":"o"}"#);
    assert_eq!((event.conversion_id, event.event_conversion_id), (of_order, Some(of_event("e"))));
    let event = good(r#"{"action":"signup","order_id":"o"}"#);
    assert_eq!((event.conversion_id, event.event_conversion_id), (of_order, Some(of_event(&event.event_id))));
    assert!(event.event_id.starts_with("auto-"), "{}", event.event_id);
    let keyed = parsed_with(r#"{"action":"signup"}"#, None, Some("k")).expect("good");
    assert_eq!((keyed.conversion_id, keyed.event_conversion_id), (of_event(&keyed.event_id), None));
    let number = good(r#"{"action":"signup","event_id":"e","order_id":1234}"#);
    assert_eq!(number.order_id.as_deref(), Some("1234"));
}

#[test]
fn what_adjusts_a_conversion_goes_where_its_sale_is() {
    let client = client();
    let of_event = |id: &str| ConversionId::of_event(&client.tenant, &client.advertiser, id);
    let of_order = ConversionId::of_order(&client.tenant, &client.advertiser, "o");
    for (row, conversion, other) in [
        (r#"{"action":"refund","event_id":"r","order_id":"o","value":"1.50"}"#, of_order, None),
        (r#"{"action":"refund","event_id":"r","refund_of":"e"}"#, of_event("e"), None),
        (r#"{"action":"chargeback","event_id":"c","refund_of":"e","order_id":"o"}"#, of_order, Some(of_event("e"))),
        (r#"{"action":"chargeback_won","event_id":"w","order_id":"o"}"#, of_order, None),
        (r#"{"action":"rejected","event_id":"n","refund_of":"e"}"#, of_event("e"), None),
        (r#"{"action":"approved","event_id":"y","order_id":"o"}"#, of_order, None),
        (r#"{"action":"rebill","event_id":"b","order_id":"o","value":1}"#, of_order, Some(of_event("b"))),
    ] {
        let event = good(row);
        assert_eq!((event.conversion_id, event.event_conversion_id), (conversion, other), "{row}");
        assert_eq!(event.key(), format!("default/acme/c/{conversion}"), "{row}");
    }
    let keyed = parsed_with(r#"{"action":"refund","order_id":"o"}"#, None, Some("k")).expect("good");
    assert_eq!((keyed.conversion_id, keyed.event_conversion_id, keyed.value), (of_order, None, Amount::ZERO));
}

#[test]
fn items_are_read_exactly_and_those_of_a_refund_may_say_less() {
    let items = |row: &str| -> Vec<(String, Option<String>, i32, String)> {
        let shown = |item: Item| (item.sku, item.category, item.quantity, item.value.to_string());
        good(row).items.into_iter().map(shown).collect()
    };
    let sold = r#"{"action":"purchase","order_id":"o","value":9,"items":[
        {"sku":"a","quantity":2,"value":"1.10"},{"sku":7,"category":"books","value":7.9}]}"#;
    let expected = [("a", None, 2, "1.100000"), ("7", Some("books"), 1, "7.900000")];
    let owned =
        expected.map(|(sku, category, pieces, value)| (sku.into(), category.map(String::from), pieces, value.into()));
    assert_eq!(items(sold), owned);
    let refund = r#"{"action":"refund","event_id":"r","order_id":"o","items":[{"sku":"a"},{"sku":"a","quantity":1}]}"#;
    assert_eq!(items(refund), [0, 1].map(|pieces| ("a".into(), None, pieces, "0.000000".into())));
}

#[test]
fn a_path_that_names_the_action_takes_no_other() {
    let row = r#"{"event_id":"e","value":1}"#;
    assert_eq!(parsed_with(row, Some(Action::Purchase), None).expect("good").action, Action::Purchase);
    let same = r#"{"action":"purchase","event_id":"e","value":1}"#;
    assert!(parsed_with(same, Some(Action::Purchase), None).is_ok());
    let errors = parsed_with(same, Some(Action::Signup), None).expect_err("refused");
    assert_eq!((errors[0].field.as_str(), errors[0].code), ("action", "other_action"));
}

#[test]
fn the_payload_hash_is_of_the_meaning() {
    let base = r#"{"action":"purchase","event_id":"e","value":1.5,"properties":{"b":1,"a":2}}"#;
    let hash = good(base).payload_hash;
    for (row, same) in [
        (r#"{"event_id":"e","properties":{"a":2, "b":1},"value":"1.50","action":"purchase"}"#, true),
        (r#"{"event_id":"e","properties":{"a":2,"b":1},"value":"1.50","action":"purchase","currency":"usd"}"#, true),
        (r#"{"event_id":"e","properties":{"a":2,"b":1},"value":"1.51","action":"purchase"}"#, false),
        (r#"{"event_id":"e","properties":{"a":2,"b":1},"value":"1.5","action":"purchase","currency":"EUR"}"#, false),
        (r#"{"event_id":"e","value":1.5,"action":"purchase"}"#, false),
        (r#"{"event_id":"e","properties":{"a":2,"b":1},"value":1.5,"action":"purchase","ref_code":"R"}"#, false),
        (r#"{"event_id":"e","properties":{"a":2,"b":1},"value":1.5,"action":"purchase","occurred_at":1}"#, false),
        (r#"{"event_id":"e","properties":{"b":1,"a":2},"value":1.5,"action":"purchase","items":[]}"#, true),
        (
            r#"{"event_id":"e","properties":{"b":1,"a":2},"value":1.5,"action":"purchase","items":[{"sku":"a","value":1}]}"#,
            false,
        ),
    ] {
        assert_eq!(good(row).payload_hash == hash, same, "{row}");
    }
}

#[test]
fn an_event_goes_where_its_strongest_evidence_lives() {
    use schemas::id::{ClickId, JourneyId};
    use schemas::token::ClickToken;
    let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
    let token = keys.sign_token(ClickToken { click: ClickId([1; 16]), journey: JourneyId([2; 16]) });
    let event = good(&format!(
        r#"{{"action":"signup","event_id":"e","ref_code":"R","landing_url":"https://a.example/?click_id={token}"}}"#
    ));
    assert_eq!(event.key(), format!("default/acme/j/{}", JourneyId([2; 16])));
    let event = good(r#"{"action":"signup","event_id":"e","ref_code":"R","customer_id":"c@example.com"}"#);
    assert_eq!(event.key(), format!("default/acme/u/{}", event.customer.expect("a customer")));
    let event = good(r#"{"action":"signup","event_id":"e","ref_code":"R"}"#);
    assert_eq!(event.key(), format!("default/acme/c/{}", event.conversion_id));
}

#[test]
fn a_refusal_keeps_the_id_that_the_event_gave_itself() {
    for (row, event_id) in [
        (r#"{"action":"purchase","event_id":"e","value":-1}"#, Some("e")),
        (r#"{"action":"purchase","event_id":"","value":1}"#, None),
        (r#"{"action":"purchase"}"#, None),
        ("7", None),
    ] {
        let refused = refusal_or_event(row, None, None).expect_err(row);
        assert_eq!(refused.event_id.as_deref(), event_id, "{row}");
        assert!(!refused.errors.is_empty());
    }
}
