//! A partition of settle as its shell drives it, without a broker: records of `journal` in, books and outputs out. The
//! index by due date is kept and read as decision 20 says.

use domain::settle::payout::{self, Stepped};
use domain::settle::run::{self, Account, Tally};
use domain::settle::{self};
use schemas::codec;
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::id::{ConversionId, EntryId, PayoutId, RunId};
use schemas::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::journal::{Cause, JournalEntry, JournalRecord};
use schemas::record::payout::{Payout, PayoutCommand, PayoutStep};
use schemas::record::settlement::{Minimum, RunDone, SettlementRun};
use schemas::record::state::{BalanceState, SettledState};
use schemas::record::statement::Statement;
use schemas::time::{MICROS_PER_DAY, Micros};
use std::collections::{BTreeMap, BTreeSet};

/// What goes to `payouts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Statement(Statement),
    Payout(Payout),
    Done(RunDone),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    settled: BTreeMap<(PublisherId, Currency, ConversionId), SettledState>,
    due: BTreeSet<(PublisherId, Currency, Micros, ConversionId)>,
    pub balances: BTreeMap<(PublisherId, Currency), BalanceState>,
    pub payouts: BTreeMap<PayoutId, Payout>,
    runs: BTreeSet<RunId>,
}

impl Books {
    /// Takes a record as it stands in `journal`; returns what is sent, or why a command was refused.
    pub fn take(&mut self, framed: &[u8]) -> Result<Vec<Sent>, String> {
        match JournalRecord::read(framed).expect("encoded here") {
            JournalRecord::Entry(entry) => {
                self.book(&entry);
                Ok(Vec::new())
            }
            JournalRecord::Run(run) => Ok(self.run(&run)),
            JournalRecord::Payout(command) => self.step(&command),
        }
    }

    fn book(&mut self, entry: &JournalEntry) {
        let key = (entry.publisher.clone(), entry.currency, entry.conversion_id);
        let balance = self.balances.entry((entry.publisher.clone(), entry.currency)).or_default();
        let held = self.settled.get(&key);
        let Some(booking) = settle::book(held, balance, entry) else { return };
        *balance = stored(&booking.balance);
        let due_before = held.and_then(settle::due);
        self.put(key, due_before, booking.settled);
    }

    fn put(&mut self, key: (PublisherId, Currency, ConversionId), due_before: Option<Micros>, settled: SettledState) {
        let place = |due| (key.0.clone(), key.1, due, key.2);
        due_before.map(|due| self.due.remove(&place(due)));
        settle::due(&settled).map(|due| self.due.insert(place(due)));
        self.settled.insert(key, stored(&settled));
    }

    fn run(&mut self, run: &SettlementRun) -> Vec<Sent> {
        let mut sent = Vec::new();
        if !self.runs.insert(run.run_id) {
            return sent;
        }
        let mut tally = Tally::default();
        for ((publisher, currency), balance) in self.balances.clone() {
            let from = (publisher.clone(), currency, Micros(0), ConversionId([0; 16]));
            let to = (publisher.clone(), currency, run.as_of, ConversionId([255; 16]));
            let due: Vec<_> = self
                .due
                .range(from..=to)
                .map(|(_, _, _, conversion)| *conversion)
                .map(|conversion| (conversion, self.settled[&(publisher.clone(), currency, conversion)].clone()))
                .collect();
            let before: BTreeMap<_, _> = due.iter().map(|(id, settled)| (*id, settle::due(settled))).collect();
            let account = Account { tenant: &run.tenant, publisher: &publisher, currency };
            let settlement = run::settle(account, run, &balance, due);
            tally.add(currency, settlement.as_ref().map_or(&balance, |made| &made.balance), settlement.as_ref());
            let Some(settlement) = settlement else { continue };
            let lines = settlement.statement.iter().map(|part| part.lines.len()).sum::<usize>();
            assert_eq!(lines, before.len(), "a run reads what it states and nothing else");
            for (conversion, settled) in settlement.settled {
                self.put((publisher.clone(), currency, conversion), before[&conversion], settled);
            }
            self.balances.insert((publisher, currency), stored(&settlement.balance));
            sent.extend(settlement.statement.iter().map(|part| Sent::Statement(stored(part))));
            if let Some(payout) = settlement.payout {
                self.payouts.insert(payout.payout_id, payout.clone());
                sent.push(Sent::Payout(stored(&payout)));
            }
        }
        sent.push(Sent::Done(stored(&tally.done(run, 0))));
        sent
    }

    fn step(&mut self, command: &PayoutCommand) -> Result<Vec<Sent>, String> {
        let payout = self.payouts.get(&command.payout_id);
        let key = payout.map(|payout| (payout.publisher.clone(), payout.currency));
        let balance = key.as_ref().map_or_else(BalanceState::default, |key| self.balances[key].clone());
        match payout::step(payout, &balance, command) {
            Stepped::Unchanged => Ok(Vec::new()),
            Stepped::Refused(refusal) => Err(refusal.to_string()),
            Stepped::Moved { payout, balance } => {
                self.balances.insert(key.expect("it is known"), stored(&balance));
                let moved = stored(&*payout);
                self.payouts.insert(payout.payout_id, *payout);
                Ok(vec![Sent::Payout(moved)])
            }
        }
    }
}

/// What the log or a changelog gives back.
fn stored<T: codec::Record>(record: &T) -> T {
    codec::decode(&codec::encode(record)).expect("encoded here")
}

pub fn tenant() -> TenantId {
    TenantId::new("default").expect("a name")
}

pub fn publisher(name: &str) -> PublisherId {
    PublisherId::new(name).expect("a name")
}

pub fn currency(code: &str) -> Currency {
    Currency::parse(code).expect("a code")
}

pub fn cents(amount: i64) -> Amount {
    Fixed(i128::from(amount) * 10_000)
}

pub fn day(day: i64) -> Micros {
    Micros(day * MICROS_PER_DAY)
}

pub fn conversion(name: &str) -> ConversionId {
    ConversionId::of_order(&tenant(), &AdvertiserId::new("acme").expect("a name"), name)
}

/// An entry that leaves a payout of so much; commission and fee as a platform share of 30 % has them, roughly.
pub fn journal_entry(
    of: &str,
    order: &str,
    revision: i32,
    payout: Amount,
    currency: Currency,
    hold_until: Micros,
) -> JournalEntry {
    let (conversion_id, fee) = (conversion(order), Fixed(payout.0 / 7 * 3));
    JournalEntry {
        entry_id: EntryId::new(conversion_id, &publisher(of), revision, currency),
        tenant: tenant(),
        publisher: publisher(of),
        advertiser: AdvertiserId::new("acme").expect("a name"),
        campaign: CampaignId::new("summer").expect("a name"),
        conversion_id,
        revision,
        cause: if revision == 1 { Cause::Conversion } else { Cause::Correction },
        occurred_at: Micros(1),
        received_at: Micros(2),
        currency,
        contract: ContractId::new("standard").expect("a name"),
        contract_version: 1,
        postings: Vec::new(),
        cumulative_commission: payout + fee,
        cumulative_payout: payout,
        cumulative_platform_fee: fee,
        hold_until,
        cause_event: None,
        tier_value: None,
    }
}

/// As it stands in the log.
pub fn entry(of: &str, order: &str, revision: i32, payout: Amount, currency: Currency, hold_until: Micros) -> Vec<u8> {
    codec::encode(&journal_entry(of, order, revision, payout, currency, hold_until))
}

pub fn run(label: &str, as_of: Micros, minimums: Vec<Minimum>) -> Vec<u8> {
    codec::encode(&SettlementRun {
        run_id: RunId::of(&tenant(), label),
        tenant: tenant(),
        label: label.into(),
        as_of,
        minimums,
        catalog_offset: Offset(0),
    })
}

pub fn command(payout_id: PayoutId, of: &str, step: PayoutStep, at: Micros) -> Vec<u8> {
    let (by, reason) = ("ann".to_owned(), (step == PayoutStep::Failed).then(|| "account closed".to_owned()));
    let (tenant, publisher) = (tenant(), publisher(of));
    codec::encode(&PayoutCommand { payout_id, tenant, publisher, step, at, by, reference: None, reason })
}
