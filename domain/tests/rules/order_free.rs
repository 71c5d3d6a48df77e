//! P3: any order and any repetition of the same clicks and events ends in the same decisions and books.

use crate::pipeline::{Ending, Input, Pipeline};
use crate::shop::*;
use proptest::prelude::*;
use schemas::decimal::{Amount, AttributedValue, Credit};
use schemas::id::ConversionId;
use schemas::limits::LATENESS_MICROS;
use schemas::offset::Offset;
use schemas::record::attribution::{Attribution, Model};
use schemas::record::candidates::Touch;
use schemas::record::command::{ConversionCommand, Verb};
use schemas::record::decision::Outcome;
use schemas::record::event::{Action, Event, EvidenceSource};
use std::collections::BTreeMap;

const JOURNEYS: u8 = 3;
const CLICKS: u8 = 9;

/// The journey of a click never changes.
fn journey_of(click: u8) -> u8 {
    click % JOURNEYS + 1
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![9 => Just(OPENED), 3 => Just(RAISED), 1 => Just(Offset(6))]
}

fn a_click(number: u8) -> impl Strategy<Value = Touch> {
    let campaigns = [
        "summer", "summer", "autumn", "guarded", "guarded", "winter", "tokens", "short", "closed", "orphan", "coupons",
    ];
    let before = prop_oneof![6 => 0..20 * DAY, 1 => 20 * DAY..40 * DAY, 2 => -15 * MINUTE..0, 1 => Just(30 * DAY)];
    let named =
        (proptest::sample::select(vec!["alpha", "beta", "gamma"]), proptest::sample::select(campaigns.to_vec()));
    let marks =
        proptest::sample::select(vec!["", "", "bot_user_agent=curl/", "datacentre=a;velocity=61", "velocity=x"]);
    (named, before, offset(), marks).prop_map(move |((of, campaign), before, catalog_offset, marks)| Touch {
        marks: marks.into(),
        catalog_offset,
        ..click(number, journey_of(number), of, campaign, before)
    })
}

fn an_event() -> impl Strategy<Value = Event> {
    let id = proptest::sample::select(vec!["e-1", "e-2", "e-3", "e-4"]);
    let order = prop_oneof![2 => Just(None), 3 => Just(Some("O-1")), 2 => Just(Some("O-2"))];
    let value = proptest::sample::select(vec!["100", "19.99", "0.333333", "0", "-4", "123456.789"]);
    let currency = prop_oneof![4 => Just("USD"), 1 => Just("EUR"), 1 => Just("JPY")];
    let delay = prop_oneof![8 => 0..DAY, 1 => Just(LATENESS_MICROS), 1 => Just(LATENESS_MICROS + 1)];
    let said = proptest::collection::vec((0..8_u8, 0..CLICKS), 0..3);
    let action = prop_oneof![9 => Just(Action::Purchase), 1 => Just(Action::Signup), 1 => Just(Action::AddToCart)];
    let times = (-HOUR..HOUR, delay, offset());
    let who = prop_oneof![2 => Just(None), 1 => Just(Some(1)), 1 => Just(Some(2))];
    let what = (value, currency, who);
    (id, order, what, times, said, action).prop_map(|(id, order, what, times, said, action)| {
        let (at, delay, catalog_offset) = times;
        let (value, currency, number) = what;
        let event = said.into_iter().fold(sale(id), |event, (what, click)| match what {
            0..=3 => event.token(click + 1, journey_of(click + 1)),
            4 => event.says(token(EvidenceSource::LandingUrl, click + 1, journey_of(click + 1))),
            5 => event.coupon(["SAVE10", "ANY", "OLD", "TOKENS", "NOON"][usize::from(click) % 5]),
            6 => event.ref_code(["L-alpha", "L-beta", "L-off"][usize::from(click) % 3]),
            _ => event,
        });
        let event = order
            .into_iter()
            .fold(Event { action, catalog_offset, customer: number.map(customer), ..event }, Say::order);
        event.value(value, currency).after(at).delayed(delay)
    })
}

/// About one of the orders, or of the events without one; ids are given twice with different words.
fn a_command() -> impl Strategy<Value = ConversionCommand> {
    let order = |id: &str| ConversionId::of_order(&tenant(), &acme(), id);
    let event = |id: &str| ConversionId::of_event(&tenant(), &acme(), id);
    let about = proptest::sample::select(vec![order("O-1"), order("O-2"), event("e-1")]);
    let verb = prop_oneof![2 => Just(Verb::Release), 1 => Just(Verb::Reject)];
    let id = proptest::sample::select(vec!["c-1", "c-2"]);
    (about, verb, id, 0..3_i64).prop_map(|(conversion_id, verb, id, minutes)| ConversionCommand {
        command_id: id.into(),
        tenant: tenant(),
        advertiser: acme(),
        conversion_id,
        verb,
        by: "ana".into(),
        why: "asked".into(),
        issued_at: NOON.plus(minutes * MINUTE),
        catalog_offset: OPENED,
    })
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let clicks: Vec<_> = (1..=CLICKS).map(a_click).collect();
    let clicks = (clicks, 0..=usize::from(CLICKS)).prop_map(|(clicks, count)| clicks.into_iter().take(count));
    let commands = proptest::collection::vec(a_command(), 0..3);
    (clicks, proptest::collection::vec(an_event(), 1..7), commands).prop_map(|(clicks, events, commands)| {
        let events = events.into_iter().map(|event| Input::Event(Box::new(event)));
        clicks.map(Input::Click).chain(events).chain(commands.into_iter().map(Input::Command)).collect()
    })
}

/// The inputs once in order, and again shuffled with some of them repeated.
fn twice() -> impl Strategy<Value = (Vec<Input>, Vec<Input>)> {
    inputs().prop_flat_map(|inputs| {
        let repeats = proptest::collection::vec(0..inputs.len(), 0..6);
        let again = repeats.prop_flat_map({
            let inputs = inputs.clone();
            move |repeats| {
                let repeated = repeats.iter().map(|at| inputs[*at].clone());
                Just(inputs.iter().cloned().chain(repeated).collect::<Vec<_>>()).prop_shuffle()
            }
        });
        (Just(inputs), again)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_order_and_any_repetition_ends_the_same((inputs, shuffled) in twice()) {
        let straight = Pipeline::run(catalog(), inputs);
        let mut other = Pipeline::run(catalog(), shuffled);
        check_books(&straight);
        check_books(&other);
        prop_assert_eq!(straight.ending(), other.ending());
        other.replay_journal();
        prop_assert_eq!(straight.ending(), other.ending());
    }
}

/// The accounting equations that hold after any inputs.
fn check_books(pipeline: &Pipeline) {
    let ending = pipeline.ending();
    check_decisions(&ending);
    check_attributions(pipeline, &ending);
    for entry in &pipeline.entries {
        assert_eq!(entry.postings.iter().map(|posting| posting.amount).sum::<Amount>(), Amount::ZERO, "balanced");
        assert!(entry.postings.iter().any(|posting| !posting.amount.is_zero()), "not empty");
        assert!(entry.cumulative_payout >= Amount::ZERO && entry.cumulative_platform_fee >= Amount::ZERO);
        assert_eq!(entry.cumulative_commission, entry.cumulative_payout + entry.cumulative_platform_fee);
    }
    let mut decided: BTreeMap<_, Amount> = BTreeMap::new();
    for decision in &ending.decisions {
        for share in &decision.shares {
            let mut add = |account: String, amount| *decided.entry((account, decision.currency)).or_default() += amount;
            add(format!("advertiser:{}", decision.advertiser), share.commission);
            add(format!("publisher:{}", share.publisher), -share.payout);
            add("platform".into(), -share.platform_fee);
        }
    }
    decided.retain(|_, amount| !amount.is_zero());
    assert_eq!(ending.accounts, decided, "what is booked is what is decided");
    for ((publisher, currency), (held, _)) in &ending.balances {
        let account = (format!("publisher:{publisher}"), *currency);
        assert_eq!(-*held, ending.accounts[&account], "the balance is the account");
    }
}

fn check_decisions(ending: &Ending) {
    for decision in &ending.decisions {
        let sum =
            |amount: fn(&schemas::record::decision::PublisherShare) -> Amount| decision.shares.iter().map(amount).sum();
        let shares: [Amount; 3] =
            [sum(|share| share.commission), sum(|share| share.payout), sum(|share| share.platform_fee)];
        assert_eq!(shares, [decision.commission, decision.payout, decision.platform_fee]);
        assert_eq!(decision.commission, decision.payout + decision.platform_fee);
        let withheld = matches!(decision.outcome, Outcome::Held | Outcome::Rejected);
        assert!(!withheld || decision.commission.is_zero(), "what is withheld books nothing");
        let score = decision.fraud.as_ref().map_or(0, |fraud| fraud.findings.iter().map(|found| found.score).sum());
        assert_eq!(score, decision.fraud.as_ref().map_or(0, |fraud| fraud.score));
        let released = decision.command.as_ref().is_some_and(|command| command.effect == "released");
        let paid = decision.outcome == Outcome::Attributed;
        assert!(!paid || released || score < 40, "what scores too much is not paid");
        let earned = paid || withheld;
        assert_eq!(decision.evidence.iter().filter(|verdict| verdict.used).count(), usize::from(earned));
        assert_eq!(decision.touches.iter().any(|verdict| verdict.kept), earned);
        assert!(!decision.reason.is_empty() && !decision.arithmetic.is_empty());
    }
}

fn check_attributions(pipeline: &Pipeline, ending: &Ending) {
    let mut signed: BTreeMap<_, i32> = BTreeMap::new();
    for row in &pipeline.attributions {
        let same = Attribution { sign: 0, ..row.clone() };
        *signed.entry(format!("{same:?}")).or_default() += row.sign;
    }
    assert!(signed.values().all(|sum| (0..=1).contains(sum)), "rows are taken back as they were");
    let current = signed.values().filter(|sum| **sum == 1).count();
    assert_eq!(current, ending.attributions.len(), "signed rows sum to the current ones");
    for decision in ending.decisions.iter().filter(|decision| decision.outcome == Outcome::Attributed) {
        let rows = ending.attributions.iter().filter(|row| row.conversion_id == decision.conversion_id);
        let credits: Vec<_> = rows.flat_map(|row| &row.credits).collect();
        for model in Model::ALL {
            let of_model = || credits.iter().filter(|row| row.model == model);
            assert_eq!(of_model().map(|row| row.credit).sum::<Credit>(), Credit::ONE);
            let value = of_model().map(|row| row.attributed_value).sum::<AttributedValue>();
            assert_eq!(value, decision.value.times(Credit::ONE), "attributed values sum to the value");
        }
    }
}
