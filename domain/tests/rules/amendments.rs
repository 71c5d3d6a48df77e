//! Terms adjusted for what is past: what is booked follows them, refunds that come later too, in any order of arrival.

use crate::pipeline::{Input, Pipeline};
use crate::shop::{HOUR, NOON, Say, acme, adjustment, catalog, click, sale, tenant, terms};
use domain::decide;
use domain::whatif::{self, Sum};
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::name::AdvertiserId;
use schemas::record::amendment::{AmendedContract, Amendment};
use schemas::record::attribution::Model;
use schemas::record::catalog::Contract;
use schemas::record::event::{Action, EvidenceSource};
use schemas::record::journal::Cause;
use std::collections::BTreeMap;

/// Contract `standard` at so many percent, for the sale `e` in order `O`.
fn amendment(id: &str, contract: &str, percent: i64, issued_after: i64) -> Amendment {
    let order = EvidenceSource::DEFAULT_ORDER.to_vec();
    let body = Contract::percentage(Ppm(percent * 10_000), Ppm(300_000), Model::Last, 30, order);
    Amendment {
        amendment_id: id.into(),
        tenant: tenant(),
        advertiser: acme(),
        conversion_id: sale("e").order("O").conversion_id,
        contracts: vec![AmendedContract::new(&terms(contract, body))],
        by: "ana".into(),
        why: "promised in May".into(),
        issued_at: NOON.plus(issued_after),
    }
}

fn sold() -> Vec<Input> {
    let sale = sale("e").order("O").token(1, 1);
    vec![Input::Click(click(1, 1, "alpha", "summer", HOUR)), Input::Event(Box::new(sale))]
}

fn refund(id: &str, value: &str) -> Input {
    Input::Event(Box::new(adjustment(Action::Refund, id).order("O").value(value, "USD")))
}

/// `alpha 7.00` of each entry with its cause and the event behind it.
fn booked(pipeline: &Pipeline) -> Vec<(Cause, Option<String>, String)> {
    let of_publisher = |entry: &schemas::record::journal::JournalEntry| {
        let of = entry.postings.iter().find(|posting| posting.account == "publisher:alpha");
        of.map_or(String::new(), |posting| (-posting.amount).to_string())
    };
    let entries = pipeline.entries.iter();
    entries.map(|entry| (entry.cause, entry.cause_event.clone(), of_publisher(entry))).collect()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).expect("an amount")
}

#[test]
fn what_is_adjusted_is_booked_as_a_correction_and_refunds_take_their_part_of_it() {
    let mut inputs = sold();
    inputs.extend([refund("r-1", "30"), Input::Amendment(amendment("a-1", "standard", 20, HOUR)), refund("r-2", "20")]);
    inputs.push(Input::Event(Box::new(adjustment(Action::Refund, "r-3").order("O"))));
    let pipeline = Pipeline::run(catalog(), inputs);
    // 100.00 at 10 %, less 30 % for the platform, is 7.00; of 70.00 4.90, at 20 % 9.80; of 50.00 7.00; of nothing nothing.
    let row = |cause, event: Option<&str>, amount: &str| (cause, event.map(str::to_owned), amount.to_owned());
    assert_eq!(
        booked(&pipeline),
        [
            row(Cause::Conversion, None, "7.000000"),
            row(Cause::Refund, Some("r-1"), "-2.100000"),
            row(Cause::Correction, Some("a-1"), "4.900000"),
            row(Cause::Refund, Some("r-2"), "-2.800000"),
            row(Cause::Refund, Some("r-3"), "-7.000000"),
        ]
    );
    let decision = pipeline.decision(sale("e").order("O").conversion_id).expect("decided");
    let note = decision.deliveries.iter().find(|note| note.event_id == "a-1").expect("the amendment is named");
    assert_eq!((note.reason.as_str(), note.value.as_str()), ("amended", "contract standard by ana: promised in May"));
}

#[test]
fn any_order_and_repetition_of_amendments_and_refunds_ends_the_same() {
    let mut inputs = sold();
    inputs.extend([
        refund("r-1", "30"),
        Input::Amendment(amendment("a-1", "standard", 20, HOUR)),
        Input::Amendment(amendment("a-2", "standard", 5, 2 * HOUR)),
        Input::Amendment(amendment("a-0", "standard", 50, -HOUR)),
    ]);
    let expected = Pipeline::run(catalog(), inputs.clone()).ending();
    // The latest amendment holds: 5 % of 70.00 is 3.50, of which the platform keeps 1.05.
    assert_eq!(expected.accounts[&("publisher:alpha".to_owned(), Currency::USD)], amount("-2.45"));
    let mut orders = vec![Vec::new()];
    for at in 0..inputs.len() {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..=order.len()).map(move |place| {
                    let mut longer = order.clone();
                    longer.insert(place, at);
                    longer
                })
            })
            .collect();
    }
    assert_eq!(orders.len(), 720);
    for order in orders {
        let twice = order.iter().chain(&order[..2]).map(|at| inputs[*at].clone());
        assert_eq!(Pipeline::run(catalog(), twice).ending(), expected, "{order:?}");
    }
}

#[test]
fn an_amendment_of_another_account_or_of_a_contract_that_does_not_pay_changes_nothing() {
    let expected = Pipeline::run(catalog(), sold()).ending();
    let rival =
        Amendment { advertiser: AdvertiserId::new("rival").expect("a name"), ..amendment("a-1", "standard", 20, HOUR) };
    for other in [rival, amendment("a-1", "even", 20, HOUR)] {
        let mut inputs = sold();
        inputs.push(Input::Amendment(other));
        assert_eq!(Pipeline::run(catalog(), inputs).ending(), expected);
    }
}

#[test]
fn a_what_if_is_the_difference_that_the_amendment_then_books() {
    let mut inputs = sold();
    inputs.push(refund("r-1", "30"));
    let before = Pipeline::run(catalog(), inputs.clone());
    let state = &before.states[&sale("e").order("O").conversion_id];
    let tried = amendment("a-1", "standard", 20, HOUR);
    let compared = whatif::compare(state, &tried, &catalog()).expect("decodes").expect("decided");
    let mut sums = BTreeMap::new();
    whatif::add(&mut sums, &compared);
    let [((publisher, _), Sum { conversions: 1, now, then })] = &sums.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one publisher")
    };
    assert_eq!((publisher.as_str(), now.payout, then.payout), ("alpha", amount("4.90"), amount("9.80")));
    assert_eq!((now.commission, then.commission), (amount("7"), amount("14")));
    assert_eq!(decide::afresh(state, &catalog()).expect("decodes").map(|decision| decision.payout), Some(now.payout));

    inputs.push(Input::Amendment(tried.clone()));
    let after = Pipeline::run(catalog(), inputs);
    let state = &after.states[&tried.conversion_id];
    let again = Amendment { issued_at: whatif::issue_at(state, NOON), ..tried };
    let compared = whatif::compare(state, &again, &catalog()).expect("decodes").expect("decided");
    assert!(!compared.differs(), "what is adjusted is not adjusted again");
    assert_eq!(compared.now.payout, then.payout);
}
