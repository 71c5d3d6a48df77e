//! `cases.txt`, read and held against the rules: each line that is not an expectation is done, and what comes of it must
//! be the `=` lines behind it.

use crate::books::*;
use schemas::decimal::{Amount, Currency};
use schemas::id::{PayoutId, RunId, StatementId};
use schemas::record::payout::{Payout, PayoutStep};
use schemas::record::settlement::Minimum;
use schemas::record::statement::Statement;
use schemas::time::Micros;
use std::collections::BTreeMap;

const CASES: &str = include_str!("cases.txt");

#[derive(Default)]
struct Case {
    books: Books,
    revisions: BTreeMap<(String, String), i32>,
    orders: Vec<String>,
    log: Vec<Vec<u8>>,
}

#[test]
fn the_cases_come_out_as_written() {
    let (mut case, mut title, mut waiting) = (Case::default(), "", Vec::new());
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in CASES.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(expected) = line.trim_start().strip_prefix("= ") {
            match waiting.is_empty() {
                true => wrong.push(format!("{title}: nothing where {expected:?} is expected")),
                false => {
                    let is: String = waiting.remove(0);
                    if is != expected {
                        wrong.push(format!("{title}:\n  is       {is}\n  expected {expected}"));
                    }
                }
            }
            continue;
        }
        wrong.extend(waiting.drain(..).map(|more| format!("{title}: not expected: {more}")));
        match line.strip_prefix("case ") {
            Some(name) => (case, title, cases) = (Case::default(), name, cases + 1),
            None => waiting = case.act(line),
        }
    }
    wrong.extend(waiting.drain(..).map(|more| format!("{title}: not expected: {more}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 15, "{cases} cases");
}

impl Case {
    fn act(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["earn", of, order, amount, code, "hold", until] => self.earn(of, order, amount, code, time(until)),
            ["run", label, as_of, minimums @ ..] => {
                let minimum = |pair: &[&str]| Minimum { currency: currency(pair[2]), amount: money(pair[1]) };
                self.send(run(label, time(as_of), minimums.chunks(3).map(minimum).collect()))
            }
            [step @ ("approve" | "sent" | "settled" | "failed"), label, of, code, at] => {
                let statement =
                    StatementId::new(RunId::of(&tenant(), label), &tenant(), &publisher(of), currency(code));
                self.send(command(PayoutId::of(statement), of, named(step), time(at)))
            }
            ["again"] => self.log.clone().into_iter().flat_map(|record| self.send(record)).collect(),
            ["balance", of, code] => vec![self.balance(of, currency(code))],
            _ => panic!("not understood: {line}"),
        }
    }

    fn earn(&mut self, of: &str, order: &str, amount: &str, code: &str, hold_until: Micros) -> Vec<String> {
        let revision = self.revisions.entry((of.into(), order.into())).or_default();
        *revision += 1;
        self.orders.push(order.to_owned());
        let record = entry(of, order, *revision, money(amount), currency(code), hold_until);
        self.send(record)
    }

    fn send(&mut self, record: Vec<u8>) -> Vec<String> {
        let sent = self.books.take(&record);
        self.log.push(record);
        let lines = |sent: Vec<Sent>| sent.iter().flat_map(|sent| self.shown(sent)).collect();
        sent.map_or_else(|refusal| vec![format!("refused: {refusal}")], lines)
    }

    fn shown(&self, sent: &Sent) -> Vec<String> {
        match sent {
            Sent::Statement(statement) => self.statement(statement),
            Sent::Payout(payout) => vec![life(payout)],
            Sent::Done(_) => Vec::new(),
        }
    }

    fn statement(&self, of: &Statement) -> Vec<String> {
        let show = |amount| money_of(amount, of.currency);
        let mut lines = vec![format!(
            "{} statement {}: {} + returned {} + lines {} = payout {} + carry {} {}",
            of.publisher,
            of.number,
            show(of.opening),
            show(of.returned),
            show(of.lines_total),
            show(of.payout),
            show(of.closing),
            of.currency
        )];
        lines.extend(of.lines.iter().map(|line| {
            let order = self.orders.iter().find(|order| conversion(order) == line.conversion_id).expect("earned here");
            format!("{order} {} {} (before {})", line.kind.name(), show(line.amount), show(line.stated_before))
        }));
        // By order, as a person looks for them; orders of one time stand by their hashes.
        lines[1..].sort();
        lines
    }

    fn balance(&self, of: &str, currency: Currency) -> String {
        let of = self.books.balances.get(&(publisher(of), currency)).cloned().unwrap_or_default();
        let show = |amount| money_of(amount, currency);
        format!(
            "held {}, to claw back {}, payable {}, in payment {}, paid {}",
            show(of.held),
            show(of.clawback),
            show(of.payable),
            show(of.in_payment),
            show(of.paid)
        )
    }
}

fn life(payout: &Payout) -> String {
    let reason = payout.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let amount = money_of(payout.amount, payout.currency);
    format!("{} payout {amount} {} is {}{reason}", payout.publisher, payout.currency, payout.state.name())
}

fn time(day: &str) -> Micros {
    Micros::parse(&format!("{day}T00:00:00Z")).expect("a day")
}

fn money(text: &str) -> Amount {
    Amount::parse(text).expect("an amount")
}

fn money_of(amount: Amount, currency: Currency) -> String {
    let text = amount.to_string();
    let places = match currency.minor_digits() {
        0 => 7,
        digits => 6 - digits as usize,
    };
    text[..text.len() - places].to_owned()
}

fn named(step: &str) -> PayoutStep {
    match step {
        "approve" => PayoutStep::Approve,
        "sent" => PayoutStep::Sent,
        "settled" => PayoutStep::Settled,
        "failed" => PayoutStep::Failed,
        other => panic!("no step: {other}"),
    }
}
