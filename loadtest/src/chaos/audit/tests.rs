//! The auditor audited: what was tampered with is found, and called by its name.

use super::super::expectation::{Expected, Money, Shop};
use super::*;
use schemas::decimal::Fixed;
use schemas::id::EntryId;
use schemas::name::{CampaignId, ContractId, PublisherId};
use schemas::record::decision::{PublisherShare, Status};
use schemas::record::journal::{Cause, Posting};
use schemas::time::Micros;

fn amount(cents: i128) -> Amount {
    Fixed(cents * 10_000)
}

fn money(cents: i128) -> Money {
    Money { commission: amount(cents), payout: amount(cents - 1), platform_fee: amount(1) }
}

/// One conversion, for which p3 earns a dollar.
fn plan() -> Plan {
    let expected = Expected {
        outcome: Outcome::Attributed,
        publisher: Some(3),
        value: amount(800),
        currency: Currency::USD,
        money: money(100),
    };
    let conversions = [(ConversionId([7; 16]), expected)].into();
    Plan { seed: 1, visits: 1, clicks: 1, deliveries: 2, conversions }
}

fn publisher(number: u8) -> PublisherId {
    PublisherId::new(&publisher_name(number)).expect("a name")
}

fn decision(revision: i32, number: u8, cents: i128) -> Decision {
    let Shop { tenant, advertiser } = Shop::open().expect("a shop");
    let Money { commission, payout, platform_fee } = money(cents);
    Decision {
        conversion_id: ConversionId([7; 16]),
        revision,
        tenant,
        advertiser,
        campaign: None,
        event_id: "e".into(),
        order_id: None,
        action: "purchase".into(),
        outcome: Outcome::Attributed,
        reason: String::new(),
        reason_value: String::new(),
        occurred_at: Micros(0),
        received_at: Micros(0),
        value: amount(800),
        currency: Currency::USD,
        contract: None,
        contract_version: None,
        paying_model: None,
        commission_rate_ppm: None,
        platform_share_ppm: None,
        commission,
        payout,
        platform_fee,
        shares: vec![PublisherShare {
            publisher: publisher(number),
            commission,
            payout,
            platform_fee,
            contract: None,
            contract_version: None,
        }],
        arithmetic: String::new(),
        evidence: Vec::new(),
        touches: Vec::new(),
        touches_not_listed: 0,
        deliveries: Vec::new(),
        clock_ahead_micros: 0,
        catalog_offset: schemas::offset::Offset(1),
        same_as: None,
        fraud: None,
        command: None,
        status: Status::Approved,
        full_commission: None,
        refunded: None,
        charged_back: None,
    }
}

/// From `before` to `after` for a publisher, both in cents; 0 is nothing at all.
fn entry(revision: i32, number: u8, before: i128, after: i128) -> JournalEntry {
    let Shop { tenant, advertiser } = Shop::open().expect("a shop");
    let of = |cents| if cents == 0 { Money::default() } else { money(cents) };
    let (was, is) = (of(before), of(after));
    let posting = |account: &str, amount| Posting { account: account.into(), amount };
    JournalEntry {
        entry_id: EntryId::default(),
        tenant,
        publisher: publisher(number),
        advertiser,
        campaign: CampaignId::new("storm").expect("a name"),
        conversion_id: ConversionId([7; 16]),
        revision,
        cause: Cause::Conversion,
        occurred_at: Micros(0),
        received_at: Micros(0),
        currency: Currency::USD,
        contract: ContractId::new("standard").expect("a name"),
        contract_version: 1,
        postings: vec![
            posting("advertiser:chaos", is.commission - was.commission),
            posting("publisher:p", was.payout - is.payout),
            posting("platform", was.platform_fee - is.platform_fee),
        ],
        cumulative_commission: is.commission,
        cumulative_payout: is.payout,
        cumulative_platform_fee: is.platform_fee,
        hold_until: Micros(0),
        cause_event: None,
        tier_value: None,
    }
}

/// Lost, doubled, wrong.
fn counts(findings: &Findings) -> [u64; 3] {
    [findings.lost, findings.doubled, findings.wrong]
}

#[test]
fn a_decision_that_is_missing_repeated_or_another_is_found() {
    for (what, decisions, expected) in [
        ("as planned", vec![decision(1, 3, 100)], [0, 0, 0]),
        ("revised, out of order", vec![decision(2, 3, 100), decision(1, 5, 100)], [0, 0, 0]),
        ("none", vec![], [1, 0, 0]),
        ("a gap", vec![decision(1, 3, 100), decision(3, 3, 100)], [1, 0, 0]),
        ("twice", vec![decision(1, 3, 100), decision(1, 3, 100)], [0, 1, 0]),
        ("another publisher in the end", vec![decision(1, 3, 100), decision(2, 5, 100)], [0, 0, 1]),
        ("another amount", vec![decision(1, 3, 101)], [0, 0, 1]),
        ("shares that are not the whole", vec![Decision { commission: amount(99), ..decision(1, 3, 100) }], [0, 0, 1]),
        (
            "of a conversion that nobody planned",
            vec![decision(1, 3, 100), Decision { conversion_id: ConversionId([8; 16]), ..decision(1, 3, 100) }],
            [0, 0, 1],
        ),
    ] {
        let (mut verdicts, mut findings) = (Verdicts::default(), Findings::default());
        decisions.iter().for_each(|decision| verdicts.enter(decision));
        verdicts.close(&plan(), &mut findings);
        assert_eq!(counts(&findings), expected, "{what}: {findings}");
    }
}

#[test]
fn an_entry_that_is_missing_repeated_or_another_is_found() {
    let crooked = JournalEntry {
        postings: vec![Posting { account: "advertiser:chaos".into(), amount: amount(100) }],
        ..entry(1, 3, 0, 100)
    };
    for (what, entries, expected) in [
        ("as planned", vec![entry(1, 3, 0, 100)], [0, 0, 0]),
        ("moved", vec![entry(1, 5, 0, 100), entry(2, 5, 100, 0), entry(2, 3, 0, 100)], [0, 0, 0]),
        ("none", vec![], [1, 0, 0]),
        ("a part", vec![entry(1, 3, 0, 50)], [1, 0, 0]),
        ("twice", vec![entry(1, 3, 0, 100), entry(1, 3, 0, 100)], [0, 1, 0]),
        ("twice, under another revision", vec![entry(1, 3, 0, 100), entry(2, 3, 0, 100)], [0, 1, 0]),
        ("moved, not taken back", vec![entry(1, 5, 0, 100), entry(2, 3, 0, 100)], [0, 1, 0]),
        (
            "the sum said is another",
            vec![JournalEntry { cumulative_payout: amount(1), ..entry(1, 3, 0, 100) }],
            [0, 0, 1],
        ),
        ("does not balance", vec![crooked], [0, 0, 2]),
    ] {
        let (mut books, mut findings) = (Books::default(), Findings::default());
        entries.iter().for_each(|entry| books.enter(entry, "journal 0/0", &mut findings));
        books.close(&plan(), &mut findings);
        assert_eq!(counts(&findings), expected, "{what}: {findings}");
    }
}
