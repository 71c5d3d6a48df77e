//! The comparison of what was acknowledged with what ClickHouse holds. Pure: facts in, verdict out.

use crate::oracle::{self, Model, Money};
use crate::reference;
use crate::verify::credits::{self, ChannelTotals};
use crate::verify::recorded::{Conversion, Recorded};
use crate::verify::warehouse::{DecisionRow, Found, PostingRow};
use schemas::decimal::Amount;
use schemas::id::ConversionId;
use std::collections::{BTreeMap, HashMap};

/// Of one kind of mismatch so many are shown; the rest is counted.
const SHOWN: u64 = 5;

/// Kinds of mismatches whose counts are figures of the report.
pub const CLICK_LOST: &str = "lost clicks";
pub const CLICK_DOUBLED: &str = "doubled clicks";
pub const CONVERSION_LOST: &str = "lost conversions";
pub const CONVERSION_DOUBLED: &str = "doubled conversions";
pub const REFERENCE: &str = "figures that differ from the reference";

/// What is wrong, by kind.
#[derive(Debug, Default)]
pub struct Mismatches {
    counts: BTreeMap<&'static str, u64>,
    shown: Vec<String>,
}

impl Mismatches {
    pub fn add(&mut self, kind: &'static str, text: impl FnOnce() -> String) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= SHOWN {
            self.shown.push(format!("{kind}: {}", text()));
        }
    }

    fn add_many(&mut self, kind: &'static str, count: u64, text: impl FnOnce() -> String) {
        if count > 0 {
            self.add(kind, text);
            *self.counts.entry(kind).or_default() += count - 1;
        }
    }

    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub fn none(&self) -> bool {
        self.counts.is_empty()
    }

    /// One line each, the hidden ones as a count.
    pub fn lines(&self) -> Vec<String> {
        let hidden = self.counts.iter().filter(|(_, count)| **count > SHOWN);
        let hidden = hidden.map(|(kind, count)| format!("{kind}: {count} in all"));
        self.shown.iter().cloned().chain(hidden).collect()
    }
}

#[derive(Debug, Default)]
pub struct Verdict {
    pub mismatches: Mismatches,
    /// Rows of this run.
    pub clicks: u64,
    pub conversions: u64,
    /// Conversions whose journeys have unknown clicks, so that their credits were not judged.
    pub not_judged: u64,
    pub channels: BTreeMap<String, ChannelTotals>,
    /// Per publisher, as posted and as expected of the judged conversions.
    pub money: BTreeMap<String, PublisherMoney>,
    /// Whether the reference applies.
    pub whole_file: bool,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct PublisherMoney {
    pub posted: Money,
    pub expected: Money,
    pub conversions: u64,
}

/// `whole_file`: the run must have been the whole file without a single error; else the reference applies if it was.
pub fn judge(recorded: &Recorded, found: &Found, whole_file: bool) -> Verdict {
    let mut verdict = Verdict::default();
    let run = &recorded.run;
    let undisturbed = run.complete && run.clicks.failed() == 0 && run.events.refused + run.events.given_up == 0;
    verdict.whole_file = whole_file || (run.planned == reference::WHOLE_FILE && undisturbed);
    judge_clicks(recorded, found, &mut verdict);
    let current = judge_conversions(recorded, found, &mut verdict);
    credits::judge(recorded, found, &current, &mut verdict);
    judge_money(recorded, found, &current, &mut verdict);
    judge_books(found, &mut verdict.mismatches);
    if verdict.whole_file {
        if run.planned != reference::WHOLE_FILE || !undisturbed {
            verdict
                .mismatches
                .add("not the whole file", || format!("{:?}, {:?}, {:?}", run.planned, run.clicks, run.events));
        }
        credits::judge_reference(&mut verdict);
    }
    verdict
}

/// Every acknowledged click is there once; what else is there was answered without a token, or not at all.
fn judge_clicks(recorded: &Recorded, found: &Found, verdict: &mut Verdict) {
    let mut unique = found.clicks.clone();
    unique.dedup();
    let mismatches = &mut verdict.mismatches;
    for lost in recorded.clicks.iter().filter(|click| unique.binary_search(click).is_err()) {
        mismatches.add(CLICK_LOST, || format!("{lost} was acknowledged and is not in clicks"));
    }
    let repeated = (found.clicks.len() - unique.len()) as u64;
    let (rows, ids) = (found.clicks.len(), unique.len());
    mismatches.add_many(CLICK_DOUBLED, repeated, || format!("{rows} rows hold {ids} click ids"));
    let extra = unique.iter().filter(|click| recorded.clicks.binary_search(click).is_err()).count() as u64;
    let unknown = recorded.unknown_clicks;
    mismatches.add_many("clicks that nobody made", extra.saturating_sub(unknown), || {
        format!("{extra} were never acknowledged, and only {unknown} got no or no clear answer")
    });
    verdict.clicks = rows as u64;
}

/// Every acknowledged event has one current decision under the id that was acknowledged. Returns it by conversion.
fn judge_conversions<'a>(
    recorded: &Recorded,
    found: &'a Found,
    verdict: &mut Verdict,
) -> HashMap<ConversionId, &'a DecisionRow> {
    let mut by_event: HashMap<&str, Vec<&DecisionRow>> = HashMap::new();
    for row in &found.decisions {
        by_event.entry(&row.event_id).or_default().push(row);
    }
    let mismatches = &mut verdict.mismatches;
    let repeats = found.repeated_decisions;
    mismatches.add_many(CONVERSION_DOUBLED, repeats, || format!("{repeats} rows of decisions repeat a revision"));
    let mut current = HashMap::new();
    for acknowledged in &recorded.conversions {
        let Conversion { event_id, conversion, value, .. } = acknowledged;
        let rows = by_event.remove(event_id.as_str()).unwrap_or_default();
        let Some(row) = rows.first() else {
            mismatches.add(CONVERSION_LOST, || format!("{event_id} was acknowledged and has no decision"));
            continue;
        };
        mismatches.add_many(CONVERSION_DOUBLED, rows.len() as u64 - 1, || {
            format!("{event_id} has {} current decisions", rows.len())
        });
        if (row.conversion, row.value) != (*conversion, *value) {
            mismatches.add("conversions that are not what was acknowledged", || {
                format!("{event_id} is {} of {}, acknowledged was {conversion} of {value}", row.conversion, row.value)
            });
        }
        let nobody = acknowledged.certain && acknowledged.touches.is_empty();
        let expected = if nobody { "unattributed" } else { "attributed" };
        if acknowledged.certain && row.outcome != expected {
            mismatches.add("wrong outcomes", || format!("{event_id} is {}, expected {expected}", row.outcome));
        }
        current.insert(row.conversion, *row);
    }
    for event_id in by_event.keys().filter(|event_id| !recorded.unknown_events.contains(**event_id)) {
        mismatches.add("conversions that nobody reported", || (*event_id).to_owned());
    }
    verdict.conversions = found.decisions.len() as u64;
    current
}

/// What the last touch's publisher must get for each conversion, to the cent, and nobody else anything.
fn judge_money(
    recorded: &Recorded,
    found: &Found,
    current: &HashMap<ConversionId, &DecisionRow>,
    verdict: &mut Verdict,
) {
    let mut posted: HashMap<ConversionId, Vec<&PostingRow>> = HashMap::new();
    for row in &found.postings {
        posted.entry(row.conversion).or_default().push(row);
        let money = &mut verdict.money.entry(row.publisher.clone()).or_default().posted;
        match row.kind.as_str() {
            "advertiser" => money.commission += row.amount,
            "publisher" => money.payout += -row.amount,
            "platform" => money.platform_fee += -row.amount,
            other => verdict.mismatches.add("postings to accounts of an unknown kind", || other.to_owned()),
        }
    }
    for conversion in recorded.conversions.iter().filter(|one| one.certain && current.contains_key(&one.conversion)) {
        let mut expected: BTreeMap<(&str, &str, &str), Amount> = BTreeMap::new();
        for part in oracle::parts(Model::Last, &conversion.touches) {
            let money = Money::of(conversion.value);
            let publisher = recorded.publishers[usize::from(part.publisher)].as_str();
            let sum = verdict.money.entry(publisher.to_owned()).or_default();
            sum.expected += money;
            sum.conversions += 1;
            expected.insert((publisher, "advertiser", "USD"), money.commission);
            expected.insert((publisher, "platform", "USD"), -money.platform_fee);
            expected.insert((publisher, "publisher", "USD"), -money.payout);
        }
        expected.retain(|_, amount| !amount.is_zero());
        let rows = posted.remove(&conversion.conversion).unwrap_or_default();
        let rows: BTreeMap<(&str, &str, &str), Amount> =
            rows.iter().map(|row| ((&*row.publisher, &*row.kind, &*row.currency), row.amount)).collect();
        if rows != expected {
            let id = &conversion.event_id;
            verdict.mismatches.add("wrong money", || format!("{id} has postings {rows:?}, expected {expected:?}"));
        }
    }
}

/// P5, and that the views say what the tables say.
fn judge_books(found: &Found, mismatches: &mut Mismatches) {
    for row in found.books.iter().filter(|row| row.debits != row.credits) {
        let (debits, credits) = (row.debits, row.credits);
        mismatches.add("books that do not balance", || format!("{}: debits {debits}, credits {credits}", row.currency));
    }
    if found.balances != found.posted_balances {
        mismatches.add("balances that are not the journal's", || {
            format!("publisher_balances {:?}, journal {:?}", found.balances, found.posted_balances)
        });
    }
    for pair in found.hourly.iter().filter(|pair| pair.table != pair.hourly) {
        let (table, hourly) = (&pair.table, &pair.hourly);
        mismatches.add("hourly figures that differ", || format!("{}: tables {table}, hourly {hourly}", pair.name));
    }
}

#[cfg(test)]
mod tests;
