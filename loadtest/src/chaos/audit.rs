//! Reads everything that the processor committed and holds it against the plan: each decision and journal entry once,
//! none missing, every one right.

use super::books::Books;
use super::site::Installation;
use super::stream::{Plan, publisher_name};
use super::verdicts::Verdicts;
use crate::error::Error;
use kafka::range;
use schemas::codec::{self, Record};
use schemas::decimal::{Amount, Currency};
use schemas::id::ConversionId;
use schemas::record::attribution::{Attribution, Model};
use schemas::record::decision::{Decision, Outcome};
use schemas::record::journal::JournalEntry;
use schemas::record::state::BalanceState;
use schemas::topic::Topic;
use std::collections::BTreeMap;
use std::fmt;

/// So many are told; the rest is counted.
const EXAMPLES: usize = 20;
/// The mark before a balance's key in settle's changelog.
const BALANCE_MARK: u8 = b'b';

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    pub lost: u64,
    pub doubled: u64,
    pub wrong: u64,
    pub examples: Vec<String>,
    pub decisions: u64,
    pub entries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Lost,
    Doubled,
    Wrong,
}

impl Findings {
    pub fn clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.wrong == 0
    }

    pub(super) fn add(&mut self, kind: Kind, count: u64, what: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        match kind {
            Kind::Lost => self.lost += count,
            Kind::Doubled => self.doubled += count,
            Kind::Wrong => self.wrong += count,
        }
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("{kind:?}: {}", what()));
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} decisions, {} journal entries: {} lost, {} doubled, {} wrong",
            self.decisions, self.entries, self.lost, self.doubled, self.wrong
        )?;
        self.examples.iter().try_for_each(|example| write!(out, "\n  {example}"))
    }
}

/// Holds what is committed now against the plan.
pub fn audit(installation: &Installation, plan: &Plan) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let mut verdicts = Verdicts::default();
    each(installation, Topic::Decisions, |_, decision: Decision| {
        findings.decisions += 1;
        verdicts.enter(&decision);
    })?;
    verdicts.close(plan, &mut findings);
    let mut books = Books::default();
    each(installation, Topic::Journal, |place, entry: JournalEntry| {
        findings.entries += 1;
        books.enter(&entry, place, &mut findings);
    })?;
    books.close(plan, &mut findings);
    attributions(installation, plan, &mut findings)?;
    balances(installation, plan, &mut findings)?;
    raw(installation, Topic::DeadLetters, |place, key, _| {
        let key = String::from_utf8_lossy(key).into_owned();
        findings.add(Kind::Lost, 1, || format!("{key} went to dead-letters, {place}"));
        Ok(())
    })?;
    Ok(findings)
}

/// Each row of a revision once; over all revisions one credit of the paying model for whom the plan says, none else.
fn attributions(installation: &Installation, plan: &Plan, findings: &mut Findings) -> Result<(), Error> {
    /// How often each revision and sign was seen, and the sum of signs that the paying model has.
    type Rows = (BTreeMap<(i32, i32), u64>, i64);
    let mut rows: BTreeMap<(ConversionId, u8), Rows> = BTreeMap::new();
    each(installation, Topic::Attributions, |_, row: Attribution| {
        let number = row.publisher.as_str().strip_prefix('p').and_then(|number| number.parse().ok());
        let (seen, net) = rows.entry((row.conversion_id, number.unwrap_or(u8::MAX))).or_default();
        *seen.entry((row.revision, row.sign)).or_default() += 1;
        if row.credits.iter().any(|credit| credit.model == Model::Last) {
            *net += i64::from(row.sign);
        }
    })?;
    for (id, expected) in &plan.conversions {
        if let (Outcome::Attributed, Some(publisher)) = (expected.outcome, expected.publisher) {
            rows.entry((*id, publisher)).or_default().1 -= 1;
        }
    }
    for ((id, publisher), (seen, net)) in rows {
        let again: u64 = seen.values().map(|times| times - 1).sum();
        let shown = || format!("attributions of conversion {id}, publisher {publisher}: {seen:?} (revision, sign)");
        findings.add(Kind::Doubled, again, shown);
        findings.add(Kind::Lost, u64::try_from(-net).unwrap_or(0), shown);
        findings.add(Kind::Doubled, u64::try_from(net).unwrap_or(0), shown);
    }
    Ok(())
}

/// What settle holds for each publisher, from its changelog, and what it must be.
fn balances(installation: &Installation, plan: &Plan, findings: &mut Findings) -> Result<(), Error> {
    let mut held: BTreeMap<String, (Amount, i64)> = BTreeMap::new();
    raw(installation, Topic::SettleChangelog, |_, key, value| {
        let (Some((&BALANCE_MARK, key)), Some(value)) = (key.split_first(), value) else { return Ok(()) };
        let balance =
            codec::decode::<BalanceState>(value).map_err(|error| unreadable(Topic::SettleChangelog, &error))?;
        // Tenant, publisher, currency.
        let account = String::from_utf8_lossy(key).split('\0').skip(1).collect::<Vec<_>>().join(" ");
        held.insert(account, (balance.held, balance.conversions));
        Ok(())
    })?;
    let mut due: BTreeMap<String, (Amount, i64)> = BTreeMap::new();
    for expected in plan.conversions.values().filter(|expected| !expected.money.payout.is_zero()) {
        let of = due.entry(account(expected.publisher.unwrap_or(u8::MAX), expected.currency)).or_default();
        of.0 += expected.money.payout;
        of.1 += 1;
    }
    // An account that was emptied again is held at nothing.
    held.retain(|account, (amount, conversions)| due.contains_key(account) || !amount.is_zero() || *conversions != 0);
    for account in due.keys().chain(held.keys().filter(|account| !due.contains_key(*account))) {
        let (held, due) = (held.get(account), due.get(account));
        if held != due {
            findings.add(Kind::Wrong, 1, || format!("balance of {account}: expected {due:?}, held {held:?}"));
        }
    }
    Ok(())
}

fn account(publisher: u8, currency: Currency) -> String {
    format!("{} {currency}", publisher_name(publisher))
}

/// Every committed record of a topic, decoded, with its place.
fn each<T: Record>(installation: &Installation, topic: Topic, mut take: impl FnMut(&str, T)) -> Result<(), Error> {
    raw(installation, topic, |place, _, value| {
        let record = codec::decode::<T>(value.unwrap_or_default()).map_err(|error| unreadable(topic, &error))?;
        take(place, record);
        Ok(())
    })
}

fn raw(
    installation: &Installation,
    topic: Topic,
    mut take: impl FnMut(&str, &[u8], Option<&[u8]>) -> Result<(), Error>,
) -> Result<(), Error> {
    let places = installation.places(topic);
    let extents = range::extents(&installation.kafka, &places)?;
    for (place, extent) in places.iter().zip(extents) {
        let each = |record: kafka::queue::Record<'_>| {
            let place = format!("{} {}/{}", topic.name(), record.partition, record.offset.0);
            take(&place, record.key.unwrap_or_default(), record.value)
        };
        range::read::<Error>(&installation.kafka, place, extent.first, extent.end, each, || Ok(()))?;
    }
    Ok(())
}

fn unreadable(topic: Topic, error: &codec::DecodeError) -> Error {
    Error::Chaos { doing: "read what the processor wrote", reason: format!("{}: {error}", topic.name()) }
}

#[cfg(test)]
mod tests;
