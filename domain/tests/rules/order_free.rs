//! P3 (`p3_...`): any order and any repetition of the same clicks and events ends in the same decisions and books.

use crate::pipeline::{Ending, Input, Pipeline};
use crate::shop::*;
use proptest::prelude::*;
use schemas::decimal::{Amount, AttributedValue, Credit};
use schemas::id::ConversionId;
use schemas::limits::LATENESS_MICROS;
use schemas::offset::Offset;
use schemas::record::attribution::{Attribution, Model};
use schemas::record::candidates::{FirstOrder, Touch};
use schemas::record::command::{ConversionCommand, Verb};
use schemas::record::decision::{Outcome, Status};
use schemas::record::event::{Action, Event, EvidenceSource, Item};
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
        "spring", "spring", "friends", "friends", "flats", "leads",
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
    let action = prop_oneof![
        9 => Just(Action::Purchase),
        1 => Just(Action::Signup),
        1 => Just(Action::AddToCart),
        1 => Just(Action::Lead),
        1 => Just(Action::Sale),
        1 => Just(Action::Rebill),
    ];
    let times = (-HOUR..HOUR, delay, offset());
    let who = prop_oneof![2 => Just(None), 1 => Just(Some(1)), 1 => Just(Some(2))];
    let (what, about) = ((value, currency, who), (action, items()));
    (id, order, what, times, said, about).prop_map(|(id, order, what, times, said, about)| {
        let ((at, delay, catalog_offset), (action, items)) = (times, about);
        let (value, currency, number) = what;
        let event = said.into_iter().fold(sale(id), |event, (what, click)| match what {
            0..=3 => event.token(click + 1, journey_of(click + 1)),
            4 => event.says(token(EvidenceSource::LandingUrl, click + 1, journey_of(click + 1))),
            5 => event.coupon(COUPONS[usize::from(click) % COUPONS.len()]),
            6 => event.ref_code(["L-alpha", "L-beta", "L-off"][usize::from(click) % 3]),
            _ => event,
        });
        let event = order
            .into_iter()
            .fold(Event { action, catalog_offset, customer: number.map(customer), ..event }, Say::order);
        items.into_iter().fold(event, Say::item).value(value, currency).after(at).delayed(delay)
    })
}

const COUPONS: [&str; 8] = ["SAVE10", "ANY", "OLD", "TOKENS", "NOON", "FLAT", "RICH", "LEAD"];

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

fn items() -> impl Strategy<Value = Vec<Item>> {
    let names = proptest::sample::select(vec![("mug", None), ("atlas", Some("books")), ("pen", None)]);
    let one = (names, 0..4, proptest::sample::select(vec!["0", "7.50", "19.99", "60"]));
    let one = one.prop_map(|((sku, category), quantity, value)| item(sku, category, quantity, value));
    prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(one, 1..4)]
}

/// Refunds, chargebacks and statuses about the same orders and event ids; some under their sale's own id.
fn an_adjustment() -> impl Strategy<Value = Event> {
    let action = proptest::sample::select(vec![
        Action::Refund,
        Action::Refund,
        Action::Refund,
        Action::Chargeback,
        Action::ChargebackWon,
        Action::Approved,
        Action::Rejected,
    ]);
    let id = proptest::sample::select(vec!["r-1", "r-2", "r-3", "r-4", "e-1"]);
    let about = proptest::sample::select(vec![None, Some("e-1"), Some("e-2"), Some("e-3")]);
    let order = prop_oneof![2 => Just(None), 3 => Just(Some("O-1")), 2 => Just(Some("O-2"))];
    let value = proptest::sample::select(vec!["0", "0", "10", "33.33", "0.01", "100"]);
    let currency = prop_oneof![8 => Just("USD"), 1 => Just("JPY")];
    let at = -HOUR..3 * HOUR;
    let delay = prop_oneof![8 => 0..DAY, 1 => Just(LATENESS_MICROS + 1)];
    (action, id, (about, order), value, currency, (at, delay), items()).prop_map(
        |(action, id, (about, order), value, currency, (at, delay), items)| {
            let event = about.into_iter().fold(adjustment(action, id), Say::about);
            let event = order.into_iter().fold(event, Say::order);
            items.into_iter().fold(event, Say::item).value(value, currency).after(at).delayed(delay)
        },
    )
}

/// Who knows the customer tells of earlier orders again and again: of which event, since when, whether of itself.
fn a_first_order() -> impl Strategy<Value = (proptest::sample::Index, i64, bool)> {
    (any::<proptest::sample::Index>(), 0..3_i64, any::<bool>())
}

fn told(event: &Event, hours: i64, own: bool) -> Input {
    let conversion_id = if own { event.conversion_id } else { sale("first").conversion_id };
    Input::FirstOrder(Box::new(event.clone()), FirstOrder { at: NOON.plus(-hours * HOUR), conversion_id })
}

pub fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let clicks: Vec<_> = (1..=CLICKS).map(a_click).collect();
    let clicks = (clicks, 0..=usize::from(CLICKS)).prop_map(|(clicks, count)| clicks.into_iter().take(count));
    let events = proptest::collection::vec(an_event(), 1..7);
    let adjustments = proptest::collection::vec(an_adjustment(), 0..5);
    let first_orders = proptest::collection::vec(a_first_order(), 0..4);
    let commands = proptest::collection::vec(a_command(), 0..3);
    (clicks, events, adjustments, first_orders, commands).prop_map(
        |(clicks, events, adjustments, first_orders, commands)| {
            let first_orders = first_orders.into_iter().map(|(at, hours, own)| told(at.get(&events), hours, own));
            let first_orders: Vec<Input> = first_orders.collect();
            let events = events.into_iter().chain(adjustments).map(|event| Input::Event(Box::new(event)));
            let others = first_orders.into_iter().chain(commands.into_iter().map(Input::Command));
            clicks.map(Input::Click).chain(events).chain(others).collect()
        },
    )
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
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn p3_any_order_any_repetition_and_any_delay_end_the_same((inputs, shuffled) in twice()) {
        let straight = Pipeline::run(catalog(), inputs);
        let mut other = Pipeline::run(catalog(), shuffled);
        check_books(&straight);
        check_books(&other);
        prop_assert_eq!(straight.ending(), other.ending());
        other.replay_journal();
        prop_assert_eq!(straight.ending(), other.ending());
    }
}

proptest! {
    /// P3: 15 % where the earliest order that anybody told of is the conversion's own, else 10 %.
    #[test]
    fn p3_a_customer_is_new_or_not_whatever_was_told_first(
        said in proptest::collection::vec((0..5_i64, any::<bool>()), 1..6),
        sale_at in any::<proptest::sample::Index>(),
    ) {
        let sale = sale("e").coupon("RICH");
        let mut arriving: Vec<Input> = said.iter().map(|(hours, own)| told(&sale, *hours, *own)).collect();
        arriving.insert(sale_at.index(arriving.len() + 1), Input::Event(Box::new(sale.clone())));
        let decision = Pipeline::run(catalog(), arriving).decision(sale.conversion_id).expect("decided");
        // The most hours ago is the earliest; of two at one time the lesser id.
        let own_is_less = sale.conversion_id < super::shop::sale("first").conversion_id;
        let first = said.iter().max_by_key(|(hours, own)| (*hours, *own == own_is_less)).expect("one");
        let expected = if first.1 { "15" } else { "10" };
        prop_assert_eq!(decision.commission, Amount::parse(expected).expect("an amount"));
    }
}

/// The accounting equations that hold after any inputs.
pub fn check_books(pipeline: &Pipeline) {
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

pub fn check_decisions(ending: &Ending) {
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
        assert!(
            decision.commission <= decision.full_commission.unwrap_or(decision.commission),
            "never more than in full"
        );
        let taken_back = decision.refunded.unwrap_or_default() + decision.charged_back.unwrap_or_default();
        assert!(taken_back <= decision.value.max(Amount::ZERO), "no more is taken back than was sold");
        let due = match decision.status {
            Status::Approved | Status::PartlyRefunded => true,
            Status::Pending | Status::Rejected | Status::Refunded | Status::ChargedBack => false,
        };
        assert!(due || decision.commission.is_zero(), "{:?} pays nothing", decision.status);
        let earned = paid || withheld;
        assert_eq!(decision.evidence.iter().filter(|verdict| verdict.used).count(), usize::from(earned));
        assert_eq!(decision.touches.iter().any(|verdict| verdict.kept), earned);
        assert!(!decision.reason.is_empty() && !decision.arithmetic.is_empty());
    }
}

pub fn check_attributions(pipeline: &Pipeline, ending: &Ending) {
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
