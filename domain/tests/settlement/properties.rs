//! What holds for any entries, runs and commands in any log (P2, P3, P5), held against an oracle that keeps all entries
//! and adds up anew, in cents.

use crate::books::*;
use proptest::prelude::*;
use schemas::id::{PayoutId, RunId, StatementId};
use schemas::record::payout::{PayoutState, PayoutStep};
use schemas::record::settlement::Minimum;
use std::collections::{BTreeMap, HashMap};

const PUBLISHERS: [&str; 2] = ["alpha", "beta"];
const ORDERS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
const CURRENCIES: [&str; 2] = ["EUR", "USD"];
const STEPS: [PayoutStep; 4] = [PayoutStep::Approve, PayoutStep::Sent, PayoutStep::Settled, PayoutStep::Failed];
const MINIMUM: i64 = 500;

#[derive(Clone, Debug)]
enum Act {
    /// The order now earns this in this currency, and nothing in the other.
    Earn { order: usize, currency: usize, cents: i64, hold: i64 },
    /// As of its day; with a minimum for USD of its own, or not.
    Run { day: i64, lower: bool },
    /// About the payout of an earlier run, counted back.
    Step { run: usize, publisher: usize, currency: usize, step: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let earn = (0..ORDERS.len(), 0..2_usize, prop_oneof![Just(0), 0..3000_i64], 0..20_i64)
        .prop_map(|(order, currency, cents, hold)| Act::Earn { order, currency, cents, hold });
    let run = (0..20_i64, any::<bool>()).prop_map(|(day, lower)| Act::Run { day, lower });
    let step = (0..3_usize, 0..2_usize, 0..2_usize, 0..STEPS.len())
        .prop_map(|(run, publisher, currency, step)| Act::Step { run, publisher, currency, step });
    proptest::collection::vec(prop_oneof![5 => earn, 2 => run, 5 => step], 0..40)
}

/// An order is one publisher's, so that its entries can change its currency.
fn of(order: usize) -> &'static str {
    PUBLISHERS[order % 2]
}

fn payout_id(run: usize, of: &str, code: &str) -> PayoutId {
    let run = RunId::of(&tenant(), &format!("R{run}"));
    PayoutId::of(StatementId::new(run, &tenant(), &publisher(of), currency(code)))
}

#[derive(Clone, Debug)]
enum Said {
    Entry { order: usize, currency: usize, revision: i32, cents: i64, hold: i64 },
    Run { day: i64, lower: bool },
    Step { payout: PayoutId, step: PayoutStep },
}

/// The acts as records of the log, and what the oracle is told of each.
fn log(acts: &[Act]) -> Vec<(Vec<u8>, Said)> {
    let (mut revisions, mut earning, mut runs) = (HashMap::<usize, i32>::new(), HashMap::new(), 0_usize);
    let mut log = Vec::new();
    for act in acts {
        match *act {
            Act::Earn { order, currency: now, cents: amount, hold } => {
                let revision = revisions.entry(order).or_default();
                *revision += 1;
                let mut say = |currency: usize, amount, hold| {
                    let (code, name) = (crate::books::currency(CURRENCIES[currency]), ORDERS[order]);
                    let record = entry(of(order), name, *revision, cents(amount), code, day(hold));
                    log.push((record, Said::Entry { order, currency, revision: *revision, cents: amount, hold }));
                };
                if earning.insert(order, now).is_some_and(|before| before != now) {
                    say(1 - now, 0, 0);
                }
                say(now, amount, hold);
            }
            Act::Run { day: as_of, lower } => {
                let minimum = Minimum { currency: currency("USD"), amount: cents(MINIMUM) };
                let minimums = if lower { vec![minimum] } else { Vec::new() };
                log.push((run(&format!("R{runs}"), day(as_of), minimums), Said::Run { day: as_of, lower }));
                runs += 1;
            }
            Act::Step { run, publisher, currency, step } => {
                let payout = payout_id(runs.saturating_sub(run + 1), PUBLISHERS[publisher], CURRENCIES[currency]);
                let record = command(payout, PUBLISHERS[publisher], STEPS[step], day(30));
                log.push((record, Said::Step { payout, step: STEPS[step] }));
            }
        }
    }
    log
}

/// Per account: publisher and currency.
type PerAccount<T> = BTreeMap<(usize, usize), T>;

/// Keeps every entry; amounts in cents.
#[derive(Default)]
struct Oracle {
    entries: BTreeMap<(usize, usize), BTreeMap<i32, (i64, i64)>>,
    stated: BTreeMap<(usize, usize), i64>,
    paid_out: PerAccount<i64>,
    payouts: BTreeMap<PayoutId, (i64, PayoutState, (usize, usize))>,
    runs: usize,
}

impl Oracle {
    fn hear(&mut self, said: &Said) {
        match *said {
            Said::Entry { order, currency, revision, cents, hold } => {
                self.entries.entry((order, currency)).or_default().insert(revision, (cents, hold));
            }
            Said::Run { day, lower } => self.run(day, lower),
            Said::Step { payout, step } => self.step(payout, step),
        }
    }

    fn run(&mut self, day: i64, lower: bool) {
        for (key, revisions) in &self.entries {
            let (_, &(cents, hold)) = revisions.last_key_value().expect("an entry");
            let stated = self.stated.entry(*key).or_default();
            if cents < *stated || hold <= day {
                *stated = cents;
            }
        }
        for account in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let minimum = if lower && account.1 == 1 { MINIMUM } else { 1000 };
            let balance = self.stated_of(account) - self.paid_out.get(&account).copied().unwrap_or_default();
            if balance >= minimum {
                *self.paid_out.entry(account).or_default() += balance;
                let id = payout_id(self.runs, PUBLISHERS[account.0], CURRENCIES[account.1]);
                self.payouts.insert(id, (balance, PayoutState::Draft, account));
            }
        }
        self.runs += 1;
    }

    fn step(&mut self, payout: PayoutId, step: PayoutStep) {
        let Some((amount, state, account)) = self.payouts.get_mut(&payout) else { return };
        let next = match step {
            PayoutStep::Approve => (*state == PayoutState::Draft).then_some(PayoutState::Approved),
            PayoutStep::Sent => (*state == PayoutState::Approved).then_some(PayoutState::Sent),
            PayoutStep::Settled => (*state == PayoutState::Sent).then_some(PayoutState::Settled),
            PayoutStep::Failed => (*state != PayoutState::Failed).then_some(PayoutState::Failed),
        };
        if let Some(next) = next {
            *state = next;
            if next == PayoutState::Failed {
                *self.paid_out.get_mut(account).expect("it was paid out") -= *amount;
            }
        }
    }

    fn sum(&self, account: (usize, usize), of: impl Fn(&(usize, usize)) -> i64) -> i64 {
        let keys = self.entries.keys().filter(|(order, currency)| (order % 2, *currency) == account);
        keys.map(of).sum()
    }

    fn stated_of(&self, account: (usize, usize)) -> i64 {
        self.sum(account, |key| self.stated.get(key).copied().unwrap_or_default())
    }

    /// Held, clawback, payable, in payment, paid.
    fn balance(&self, account: (usize, usize)) -> [i64; 5] {
        let open = |key: &(usize, usize)| {
            let earned = self.entries[key].last_key_value().expect("an entry").1.0;
            earned - self.stated.get(key).copied().unwrap_or_default()
        };
        let in_state = |settled: bool| {
            let counts = |state: PayoutState| match state {
                PayoutState::Draft | PayoutState::Approved | PayoutState::Sent => !settled,
                PayoutState::Settled => settled,
                PayoutState::Failed => false,
            };
            let payouts = self.payouts.values().filter(|(_, state, of)| *of == account && counts(*state));
            payouts.map(|(amount, _, _)| amount).sum()
        };
        let payable = self.stated_of(account) - self.paid_out.get(&account).copied().unwrap_or_default();
        let held = self.sum(account, |key| open(key).max(0));
        [held, self.sum(account, |key| (-open(key)).max(0)), payable, in_state(false), in_state(true)]
    }

    fn booked(&self, account: (usize, usize)) -> i64 {
        self.sum(account, |key| self.entries[key].last_key_value().expect("an entry").1.0)
    }
}

fn balances(books: &Books) -> PerAccount<[i64; 5]> {
    let mut found = PerAccount::new();
    for ((of, code), balance) in &books.balances {
        let at = |names: &[&str], name: &str| names.iter().position(|other| *other == name).expect("one of ours");
        let parts = [balance.held, balance.clawback, balance.payable, balance.in_payment, balance.paid];
        let cents = parts.map(|amount| i64::try_from(amount.0 / 10_000).expect("small"));
        found.insert((at(&PUBLISHERS, of.as_str()), at(&CURRENCIES, code.code())), cents);
    }
    found
}

/// Statements chain without a gap, add up, and pay nothing that is not more than zero.
fn check_sent(sent: &[Sent]) {
    let mut last = HashMap::new();
    for sent in sent {
        match sent {
            Sent::Statement(statement) => {
                let key = (statement.publisher.clone(), statement.currency);
                let (number, closing) = last.insert(key, (statement.number, statement.closing)).unwrap_or_default();
                assert_eq!((statement.number, statement.opening), (number + 1, closing), "statements chain");
                assert_eq!(
                    statement.lines.iter().map(|line| line.amount).sum::<schemas::decimal::Amount>(),
                    statement.lines_total
                );
                let has = statement.opening + statement.returned + statement.lines_total;
                assert_eq!(has, statement.payout + statement.closing, "a statement adds up");
                assert!(statement.payout >= cents(0) && (statement.payout.is_zero() == statement.payout_id.is_none()));
            }
            Sent::Payout(payout) => assert!(payout.amount > cents(0), "no negative payout"),
            Sent::Done(done) => {
                for total in &done.totals {
                    assert!(total.carried >= cents(0) && total.owed <= cents(0) && total.statements >= total.payouts);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn p5_the_books_balance_and_are_those_of_the_oracle(acts in acts()) {
        let (mut books, mut oracle, mut sent) = (Books::default(), Oracle::default(), Vec::new());
        for (record, said) in log(&acts) {
            sent.extend(books.take(&record).unwrap_or_default());
            oracle.hear(&said);
            for (account, parts) in balances(&books) {
                prop_assert_eq!(parts, oracle.balance(account));
                let [held, clawback, payable, in_payment, paid] = parts;
                prop_assert_eq!(held - clawback + payable + in_payment + paid, oracle.booked(account), "P5");
                prop_assert_eq!(payable + in_payment + paid, oracle.stated_of(account), "payouts + carry = approved");
                prop_assert!(held >= 0 && clawback >= 0 && in_payment >= 0 && paid >= 0);
            }
        }
        check_sent(&sent);
        let states: BTreeMap<_, _> = books.payouts.values().map(|payout| (payout.payout_id, payout.state)).collect();
        let expected: BTreeMap<_, _> = oracle.payouts.iter().map(|(id, (_, state, _))| (*id, *state)).collect();
        prop_assert_eq!(states, expected);
    }

    #[test]
    fn p3_entries_between_two_cuts_may_come_in_any_order(
        acts in acts(),
        places in proptest::collection::vec(any::<u64>(), 80),
    ) {
        let log = log(&acts);
        let (mut straight, mut shuffled) = (Books::default(), Books::default());
        for (record, _) in &log {
            let _ = straight.take(record);
        }
        let entry = |said: &Said| matches!(said, Said::Entry { .. });
        for stretch in log.chunk_by(|(_, one), (_, other)| entry(one) && entry(other)) {
            let mut stretch: Vec<_> = stretch.iter().zip(&places).collect();
            stretch.sort_by_key(|(_, place)| **place);
            for ((record, _), _) in stretch {
                let _ = shuffled.take(record);
            }
        }
        prop_assert_eq!(straight, shuffled);
    }

    #[test]
    fn p2_what_is_delivered_again_at_any_later_place_changes_nothing(
        acts in acts(),
        again in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..20),
    ) {
        let log = log(&acts);
        prop_assume!(!log.is_empty());
        let (mut once, mut often, mut sent) = (Books::default(), Books::default(), Vec::new());
        for (record, _) in &log {
            sent.extend(once.take(record).unwrap_or_default());
        }
        let mut twice = Vec::new();
        for (place, (record, _)) in log.iter().enumerate() {
            twice.extend(often.take(record).unwrap_or_default());
            // Only what has effects once has them once: a command that is refused may be followed later.
            let taken = |at: &usize| *at <= place && !matches!(log[*at].1, Said::Step { .. });
            for (_, what) in again.iter().filter(|(after, _)| after.index(log.len()) == place) {
                if let Some(at) = Some(what.index(log.len())).filter(taken) {
                    twice.extend(often.take(&log[at].0).unwrap_or_default());
                }
            }
        }
        prop_assert_eq!(&once, &often);
        prop_assert_eq!(&sent, &twice);
        let commands = |log: &[(Vec<u8>, Said)]| log.iter().filter(|(_, said)| matches!(said, Said::Step { .. })).count();
        let mut first = Books::default();
        for (record, said) in &log {
            let done = first.take(record);
            let after = first.clone();
            if matches!(said, Said::Run { .. }) || done.is_ok() {
                prop_assert_eq!(first.take(record), if done.is_ok() { Ok(Vec::new()) } else { done });
                prop_assert_eq!(&first, &after, "at once again, of {} commands", commands(&log));
            }
        }
    }

    #[test]
    fn p5_a_refund_after_the_payout_comes_back_exactly(
        sold in proptest::collection::vec((1000..5000_i64, 0..=100_i64), 1..6),
        later in proptest::collection::vec(1..4000_i64, 0..12),
    ) {
        let mut books = Books::default();
        let mut take = |record: Vec<u8>| books.take(&record).expect("in turn");
        let usd = currency("USD");
        for (number, (amount, _)) in (0..).zip(&sold) {
            take(entry("alpha", &format!("S{number}"), 1, cents(*amount), usd, day(number)));
        }
        take(run("first", day(10), Vec::new()));
        let first = PayoutId::of(StatementId::new(RunId::of(&tenant(), "first"), &tenant(), &publisher("alpha"), usd));
        for step in [PayoutStep::Approve, PayoutStep::Sent, PayoutStep::Settled] {
            take(command(first, "alpha", step, day(11)));
        }
        let mut rest = 0;
        for (number, (amount, percent)) in sold.iter().enumerate() {
            let kept = amount * percent / 100;
            rest += kept;
            take(entry("alpha", &format!("S{number}"), 2, cents(kept), usd, day(0)));
        }
        let mut paid = sold.iter().map(|(amount, _)| amount).sum::<i64>();
        for (week, amount) in (0..).zip(&later) {
            take(entry("alpha", &format!("L{week}"), 1, cents(*amount), usd, day(12 + week)));
            for sent in take(run(&format!("week {week}"), day(12 + week), Vec::new())) {
                if let Sent::Payout(payout) = sent {
                    paid += i64::try_from(payout.amount.0 / 10_000).expect("small");
                }
            }
            rest += amount;
        }
        take(run("last", day(100), Vec::new()));
        let [held, clawback, carried, in_payment, settled] = balances(&books)[&(0, 1)];
        prop_assert_eq!((held, clawback), (0, 0));
        prop_assert_eq!(settled + in_payment + carried, rest, "what was paid and what is carried is what is left of all sales");
        // The last run pays no refund twice; below the minimum it pays nothing.
        prop_assert!(carried < 1000 && paid <= settled + in_payment);
    }
}

#[test]
fn a_statement_with_many_lines_is_several_records() {
    use domain::settle::run::LINES_PER_PART;
    let mut books = Books::default();
    for number in 0..=LINES_PER_PART {
        let record = entry("alpha", &format!("N{number}"), 1, cents(1), currency("USD"), day(1));
        books.take(&record).expect("an entry");
    }
    let sent = books.take(&run("R", day(1), Vec::new())).expect("a run");
    let parts: Vec<_> = sent
        .iter()
        .filter_map(|sent| match sent {
            Sent::Statement(part) => Some((part.part, part.parts, part.lines.len())),
            Sent::Payout(_) | Sent::Done(_) => None,
        })
        .collect();
    assert_eq!(parts, [(1, 2, LINES_PER_PART), (2, 2, 1)]);
}
