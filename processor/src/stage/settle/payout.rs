//! Commands on payouts: each step changes the payout and its account's balance together.

use super::read;
use crate::state::{Store, Table, keys};
use crate::task::{Output, Poison, StageError, Task};
use domain::settle::payout::{self, Stepped};
use schemas::codec;
use schemas::key;
use schemas::record::payout::{Payout, PayoutCommand};
use schemas::record::state::BalanceState;
use schemas::topic::Topic;

/// # Errors
/// `Poison::Payout` for a step that is out of turn, or of nobody's payout.
pub fn step<S: Store>(task: &mut Task<S>, command: &PayoutCommand) -> Result<(), StageError> {
    let payout_key = keys::payout(command.payout_id);
    let known: Option<Payout> = read(task, Table::Payouts, &payout_key)?;
    let balance_key = known.as_ref().map(|payout| keys::balance(&payout.tenant, &payout.publisher, payout.currency));
    let balance: Option<BalanceState> = match &balance_key {
        Some(key) => read(task, Table::Balances, key)?,
        None => None,
    };
    match payout::step(known.as_ref(), &balance.unwrap_or_default(), command) {
        Stepped::Unchanged => {}
        Stepped::Refused(refusal) => return Err(Poison::Payout { payout: command.payout_id, refusal }.into()),
        Stepped::Moved { payout, balance } => {
            task.overlay.put(Table::Balances, balance_key.unwrap_or_default(), codec::encode(&balance));
            put(task, &payout);
        }
    }
    Ok(())
}

/// Keeps a payout as it now stands, and says so.
pub fn put<S>(task: &mut Task<S>, payout: &Payout) {
    let framed = codec::encode(payout);
    let key = key::publisher(&payout.tenant, &payout.publisher);
    task.outbox.push(Output { topic: Topic::Payouts, key, value: framed.clone() });
    task.overlay.put(Table::Payouts, keys::payout(payout.payout_id), framed);
}
