//! settle: what each publisher account holds, per conversion and in all.

use crate::state::{Store, StoreError, Table, keys};
use crate::task::{Poison, StageError, Task};
use domain::settle;
use kafka::queue::Record;
use schemas::codec;
use schemas::decimal::Amount;
use schemas::limits::AMOUNT_UNITS;
use schemas::record::journal::JournalEntry;
use schemas::record::state::{BalanceState, SettledState};

/// A journal entry: its cumulative amounts minus what is held already; a repeated entry books nothing.
pub fn entry<S: Store>(task: &mut Task<S>, record: &Record<'_>) -> Result<(), StageError> {
    let entry: JournalEntry = codec::decode(record.value.ok_or(Poison::Empty)?)?;
    let cumulative = [entry.cumulative_commission, entry.cumulative_payout, entry.cumulative_platform_fee];
    if let Some(amount) = cumulative.into_iter().find(|amount| amount.0.abs() > AMOUNT_UNITS * Amount::ONE.0) {
        return Err(Poison::Amount(amount).into());
    }
    let currency = entry.currency.code();
    let held_key = keys::settled(&entry.tenant, &entry.publisher, entry.conversion_id, currency);
    let balance_key = keys::balance(&entry.tenant, &entry.publisher, currency);
    let held = read::<S, SettledState>(task, Table::Settled, &held_key)?;
    let balance = read::<S, BalanceState>(task, Table::Balances, &balance_key)?.unwrap_or_default();
    if let Some(booking) = settle::book(held.as_ref(), &balance, &entry) {
        task.overlay.put(Table::Settled, held_key, codec::encode(&booking.settled));
        task.overlay.put(Table::Balances, balance_key, codec::encode(&booking.balance));
    }
    Ok(())
}

fn read<S: Store, T: codec::Record>(task: &Task<S>, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
    let Some(framed) = task.overlay.get(&task.store, table, key)? else { return Ok(None) };
    let corrupt = |error: codec::DecodeError| StoreError::Corrupt { what: table.name(), reason: error.to_string() };
    codec::decode(&framed).map(Some).map_err(corrupt)
}
