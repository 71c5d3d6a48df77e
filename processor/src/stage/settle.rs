//! settle: what each publisher account holds, per conversion and in all; what runs make of it (`run`), and what becomes of
//! payouts (`payout`), and what of budgets is spent (`budget`).

mod budget;
mod payout;
mod run;

use crate::state::{Store, StoreError, Table, keys};
use crate::task::{Poison, StageError, Surroundings, Task};
use domain::settle;
use domain::settle::month;
use kafka::queue::Record;
use schemas::codec;
use schemas::decimal::Amount;
use schemas::id::ConversionId;
use schemas::limits::AMOUNT_UNITS;
use schemas::name::{PublisherId, TenantId};
use schemas::record::journal::{JournalEntry, JournalRecord};
use schemas::record::state::{BalanceState, MonthState, SettledState};
use schemas::time::Micros;

pub fn input<S: Store>(task: &mut Task<S>, record: &Record<'_>, around: &dyn Surroundings) -> Result<(), StageError> {
    match JournalRecord::read(record.value.ok_or(Poison::Empty)?)? {
        JournalRecord::Entry(entry) => self::entry(task, &entry, around),
        JournalRecord::Run(run) => run::take(task, &run, record.partition, around),
        JournalRecord::Payout(command) => payout::step(task, &command),
    }
}

/// A journal entry: its cumulative amounts minus what is held already; a repeated entry books nothing.
fn entry<S: Store>(task: &mut Task<S>, entry: &JournalEntry, around: &dyn Surroundings) -> Result<(), StageError> {
    let cumulative = [entry.cumulative_commission, entry.cumulative_payout, entry.cumulative_platform_fee];
    if let Some(amount) = cumulative.into_iter().find(|amount| amount.0.abs() > AMOUNT_UNITS * Amount::ONE.0) {
        return Err(Poison::Amount(amount).into());
    }
    let held_key = keys::settled(&entry.tenant, &entry.publisher, entry.conversion_id, entry.currency);
    let balance_key = keys::balance(&entry.tenant, &entry.publisher, entry.currency);
    let held: Option<SettledState> = read(task, Table::Settled, &held_key)?;
    let balance: BalanceState = read(task, Table::Balances, &balance_key)?.unwrap_or_default();
    let Some(booking) = settle::book(held.as_ref(), &balance, entry) else { return Ok(()) };
    count(task, (&entry.tenant, &entry.publisher), held.as_ref(), &booking.settled)?;
    budget::count(task, entry, held.as_ref(), &booking.settled, around)?;
    let place = Place { key: held_key, balance_key: &balance_key, conversion: entry.conversion_id };
    put(task, place, held.as_ref().and_then(settle::due), &booking.settled);
    task.overlay.put(Table::Balances, balance_key, codec::encode(&booking.balance));
    Ok(())
}

/// Where a conversion stands in an account.
struct Place<'a> {
    key: Vec<u8>,
    balance_key: &'a [u8],
    conversion: ConversionId,
}

/// Keeps a conversion, and its place among those that are due; `was` is when it was due before.
fn put<S>(task: &mut Task<S>, place: Place<'_>, was: Option<Micros>, after: &SettledState) {
    let is = settle::due(after);
    if was != is {
        let at = |due| keys::due(place.balance_key, due, place.conversion);
        was.into_iter().for_each(|due| task.overlay.delete(Table::Due, at(due)));
        is.into_iter().for_each(|due| task.overlay.put(Table::Due, at(due), Vec::new()));
    }
    task.overlay.put(Table::Settled, place.key, codec::encode(after));
}

/// What a conversion counts for its month's tiers: nearly always nothing.
fn count<S: Store>(
    task: &mut Task<S>,
    (tenant, publisher): (&TenantId, &PublisherId),
    before: Option<&SettledState>,
    after: &SettledState,
) -> Result<(), StoreError> {
    let (was, is) = (before.and_then(month::counted), month::counted(after));
    if was == is {
        return Ok(());
    }
    if let Some(was) = was {
        let key = keys::month(tenant, publisher, &was);
        let mut month: MonthState = read(task, Table::Months, &key)?.ok_or_else(|| StoreError::Corrupt {
            what: "a month",
            reason: "a conversion was counted in it, and it is not there".into(),
        })?;
        month::take_back(&mut month, &was);
        put_month(task, key, &month);
    }
    if let Some(is) = is {
        let key = keys::month(tenant, publisher, &is);
        let month = month::add(read(task, Table::Months, &key)?, &is);
        put_month(task, key, &month);
    }
    Ok(())
}

fn put_month<S>(task: &mut Task<S>, key: Vec<u8>, month: &MonthState) {
    task.overlay.put(Table::MonthsChanged, key.clone(), Vec::new());
    task.overlay.put(Table::Months, key, codec::encode(month));
}

/// A tenant's keys of a table, in order.
fn in_tenant<S: Store>(task: &Task<S>, table: Table, tenant: &TenantId) -> Result<Vec<Vec<u8>>, StoreError> {
    let prefix = keys::tenant(tenant);
    let mut found = Vec::new();
    task.overlay.scan(&task.store, table, &prefix, &keys::after(&prefix), &mut |key, _| {
        found.push(key.to_vec());
        true
    })?;
    Ok(found)
}

fn read<S: Store, T: codec::Record>(task: &Task<S>, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
    let Some(framed) = task.overlay.get(&task.store, table, key)? else { return Ok(None) };
    let corrupt = |error: codec::DecodeError| StoreError::Corrupt { what: table.name(), reason: error.to_string() };
    codec::decode(&framed).map(Some).map_err(corrupt)
}
