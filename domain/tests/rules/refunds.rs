//! What refunds, their like and commands leave, against sums done here in whole cents (P2, P3, P5, P7).

use crate::pipeline::{Input, Pipeline};
use crate::shop::*;
use proptest::prelude::*;
use schemas::decimal::{Amount, Fixed};
use schemas::id::ConversionId;
use schemas::name::AdvertiserId;
use schemas::record::command::{ConversionCommand, Verb};
use schemas::record::decision::{Decision, Outcome, Status};
use schemas::record::event::{Action, Event};
use schemas::record::journal::Cause;

/// What is booked for a conversion in all: advertiser's cost, payouts, fees.
fn booked(pipeline: &Pipeline) -> [i128; 3] {
    let mut sums = [0; 3];
    for posting in pipeline.entries.iter().flat_map(|entry| &entry.postings) {
        let account = match posting.account.split(':').next() {
            Some("advertiser") => 0,
            Some("publisher") => 1,
            _ => 2,
        };
        sums[account] += if account == 0 { posting.amount.0 } else { -posting.amount.0 };
    }
    sums
}

fn run(events: impl IntoIterator<Item = Event>) -> Pipeline {
    Pipeline::run(catalog(), events.into_iter().map(|event| Input::Event(Box::new(event))))
}

fn decided(pipeline: &Pipeline, id: ConversionId) -> Decision {
    pipeline.decision(id).expect("decided")
}

fn cents(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A tenth of so many cents, in cents, ties to even: by the remainder, as one does on paper.
fn tenth(cents: i64) -> i64 {
    let (whole, rest) = (cents / 10, cents % 10);
    if rest > 5 || (rest == 5 && whole % 2 == 1) { whole + 1 } else { whole }
}

proptest! {
    /// P3, P5: whatever the order of a sale and its refunds, and however often each is told, the rest is a tenth of what
    /// was not refunded, and the books balance.
    #[test]
    fn p5_a_refund_sequence_leaves_exactly_the_right_rest(
        sold in 1_i64..1_000_000,
        refunds in proptest::collection::vec(1_i64..300_000, 0..8),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 12),
    ) {
        let sale = sale("e").order("O").coupon("SAVE10").value(&cents(sold), "USD");
        let mut events = vec![sale.clone()];
        events.extend(refunds.iter().enumerate().map(|(number, refund)| {
            adjustment(Action::Refund, &format!("r-{number}")).order("O").value(&cents(*refund), "USD")
        }));
        let mut arriving: Vec<Event> = order.iter().map(|at| at.get(&events).clone()).collect();
        arriving.extend(events);
        let pipeline = run(arriving);
        let left = (sold - refunds.iter().sum::<i64>()).max(0);
        let commission = i128::from(tenth(left)) * 10_000;
        let [cost, payout, fee] = booked(&pipeline);
        prop_assert_eq!(cost, commission);
        prop_assert_eq!(payout + fee, cost);
        prop_assert!(payout >= 0 && fee >= 0);
        let decision = decided(&pipeline, sale.conversion_id);
        prop_assert_eq!(decision.commission, Fixed(commission));
        let refunded = decision.refunded.unwrap_or(Amount::ZERO);
        prop_assert_eq!(refunded, Fixed(i128::from(sold - left) * 10_000));
        let expected = match (left, left == sold) {
            (_, true) => Status::Approved,
            (0, _) => Status::Refunded,
            _ => Status::PartlyRefunded,
        };
        prop_assert_eq!(decision.status, expected);
    }

    /// P5: refunding every piece of every item leaves nothing, one piece at a time, whatever the items cost.
    #[test]
    fn p5_refunding_all_pieces_leaves_nothing(
        items in proptest::collection::vec((1_i32..5, 1_i64..10_000), 1..5),
        coupon in proptest::sample::select(vec!["RICH", "SAVE10"]),
        backwards in any::<bool>(),
    ) {
        let skus = ["mug", "atlas", "pen", "cup"];
        let value: i64 = items.iter().map(|(_, value)| value).sum();
        let mut sale = sale("e").order("O").coupon(coupon).value(&cents(value), "USD");
        let mut pieces = Vec::new();
        for ((quantity, value), sku) in items.iter().zip(skus) {
            let category = Some("books").filter(|_| sku == "atlas");
            sale = sale.item(item(sku, category, *quantity, &cents(*value)));
            pieces.extend((0..*quantity).map(|piece| {
                adjustment(Action::Refund, &format!("{sku}-{piece}")).order("O").item(item(sku, None, 1, "0"))
            }));
        }
        if backwards {
            pieces.reverse();
        }
        let last = pieces.pop().expect("a piece");
        let mut pipeline = run([sale.clone()].into_iter().chain(pieces));
        let before = decided(&pipeline, sale.conversion_id);
        prop_assert!(before.status != Status::Refunded);
        let full = before.full_commission.unwrap_or(before.commission);
        prop_assert!(before.commission <= full && full > Amount::ZERO);
        pipeline.arrive(Input::Event(Box::new(last)));
        prop_assert_eq!(booked(&pipeline), [0; 3]);
        prop_assert_eq!(decided(&pipeline, sale.conversion_id).status, Status::Refunded);
    }
}

/// What `events` after a sale of 100.00 leave of its commission of 10.00, and in what state.
fn check(events: &[Event], status: Status, commission: &str) {
    let sale = sale("e").order("O").coupon("SAVE10");
    for sale_first in [true, false] {
        let mut arriving: Vec<Event> = events.iter().map(|event| event.clone().order("O")).collect();
        arriving.insert(if sale_first { 0 } else { arriving.len() }, sale.clone());
        let decision = decided(&run(arriving), sale.conversion_id);
        assert_eq!((decision.status, decision.commission), (status, Amount::parse(commission).expect("an amount")));
    }
}

#[test]
fn the_later_word_counts_whichever_came_first() {
    let said = |action, id: &str, minutes: i64| adjustment(action, id).after(minutes * MINUTE);
    let refund = |amount: &str| said(Action::Refund, "r", 5).value(amount, "USD");
    let (charged, won) = (said(Action::Chargeback, "c", 10), said(Action::ChargebackWon, "w", 20));
    let (rejected, approved) = (said(Action::Rejected, "n", 10), said(Action::Approved, "y", 20));
    let again = said(Action::Chargeback, "d", 30);
    check(&[], Status::Approved, "10");
    check(&[refund("30")], Status::PartlyRefunded, "7");
    check(&[refund("100")], Status::Refunded, "0");
    check(&[refund("250")], Status::Refunded, "0");
    check(&[said(Action::Refund, "r", 5)], Status::Refunded, "0");
    check(std::slice::from_ref(&charged), Status::ChargedBack, "0");
    check(&[charged.clone().value("40", "USD")], Status::PartlyRefunded, "6");
    check(&[charged.clone(), won.clone()], Status::Approved, "10");
    check(&[won.clone(), charged.clone()], Status::Approved, "10");
    check(&[charged.clone(), won.clone(), again.clone()], Status::ChargedBack, "0");
    check(&[refund("30"), charged.clone()], Status::ChargedBack, "0");
    check(&[refund("30"), charged, won], Status::PartlyRefunded, "7");
    check(&[refund("100"), again], Status::Refunded, "0");
    check(std::slice::from_ref(&rejected), Status::Rejected, "0");
    check(&[rejected.clone(), approved.clone()], Status::Approved, "10");
    check(&[approved, rejected.clone()], Status::Approved, "10");
    check(&[rejected, said(Action::Approved, "y", 10)], Status::Rejected, "0");
    check(&[refund("30").value("30", "EUR")], Status::Approved, "10");
    check(&[refund("30").delayed(60 * DAY)], Status::PartlyRefunded, "7");
    check(&[refund("30").delayed(60 * DAY + 1)], Status::Approved, "10");
}

#[test]
fn a_refund_finds_its_sale_by_whatever_both_name() {
    let refund = || adjustment(Action::Refund, "r").value("30", "USD");
    let own_id = Event { event_id: "e".into(), ..refund() }.about("e");
    for (sale, refund) in [
        (sale("e").order("O"), refund().order("O")),
        (sale("e").order("O"), refund().about("e")),
        (sale("e").order("O"), refund().about("e").order("O")),
        (sale("e"), refund().about("e")),
        (sale("e"), refund().about("e").order("O")),
        (sale("e"), own_id.clone()),
        (sale("e").order("O"), own_id),
    ] {
        let sale = sale.coupon("SAVE10");
        for events in [[sale.clone(), refund.clone()], [refund.clone(), sale.clone()]] {
            let pipeline = run(events);
            let decision = decided(&pipeline, sale.conversion_id);
            assert_eq!(
                (decision.status, decision.commission),
                (Status::PartlyRefunded, Fixed(7_000_000)),
                "{refund:?}"
            );
            assert_eq!(booked(&pipeline), [7_000_000, 4_900_000, 2_100_000], "once");
        }
    }
    let alone = run([refund().order("O")]);
    assert!(alone.entries.is_empty() && alone.ending().decisions.is_empty(), "a refund alone is no conversion");
}

#[test]
fn each_change_is_an_entry_with_its_cause() {
    let of_order = |event: Event| event.order("O");
    let said = |action, id: &str, hours: i64| of_order(adjustment(action, id).after(hours * HOUR));
    let pipeline = run([
        of_order(sale("e").coupon("LEAD")),
        said(Action::Approved, "y", 1),
        said(Action::Refund, "r", 2).value("30", "USD"),
        said(Action::Chargeback, "c", 3),
        said(Action::ChargebackWon, "w", 4),
        of_order(Event { action: Action::Rebill, ..sale("b") }.value("50", "USD").after(5 * HOUR)),
        said(Action::Rejected, "n", 6),
    ]);
    let seen: Vec<_> = pipeline
        .entries
        .iter()
        .map(|entry| (entry.cause, entry.cause_event.as_deref(), entry.cumulative_commission.0 / 10_000))
        .collect();
    assert_eq!(
        seen,
        [
            (Cause::Approved, Some("y"), 1000),
            (Cause::Refund, Some("r"), 700),
            (Cause::Chargeback, Some("c"), 0),
            (Cause::ChargebackWon, Some("w"), 700),
            (Cause::Rebill, Some("b"), 1200),
            (Cause::Rejected, Some("n"), 0),
        ]
    );
    let mut earning = pipeline.entries.iter().filter(|entry| !entry.cumulative_commission.is_zero());
    assert!(earning.all(|entry| entry.hold_until == NOON.plus(30 * DAY)), "held from the sale's receipt");
    assert_eq!(pipeline.entries[1].received_at, NOON.plus(2 * HOUR));
}

/// P7: who may command the conversions of one account has no say in another's, whatever id is named.
#[test]
fn p7_a_command_of_another_account_is_not_heard() {
    let sale = sale("e").order("O").coupon("SAVE10");
    let rejected = |advertiser: &str| ConversionCommand {
        command_id: "c".into(),
        tenant: tenant(),
        advertiser: AdvertiserId::new(advertiser).expect("a name"),
        conversion_id: sale.conversion_id,
        verb: Verb::Reject,
        by: "eve".into(),
        why: "I can".into(),
        issued_at: NOON,
        catalog_offset: OPENED,
    };
    for (advertiser, outcome) in [("rival", Outcome::Attributed), ("acme", Outcome::Rejected)] {
        let inputs = [Input::Event(Box::new(sale.clone())), Input::Command(rejected(advertiser))];
        let decision = decided(&Pipeline::run(catalog(), inputs), sale.conversion_id);
        assert_eq!((decision.outcome, decision.command.is_some()), (outcome, advertiser == "acme"), "{advertiser}");
    }
}
