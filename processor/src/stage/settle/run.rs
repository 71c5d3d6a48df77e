//! A run of settlement in one partition: months that are over are corrected, then each account of the tenant is settled.
//!
//! All of it is one record's work, so one transaction: the accounts of a partition and their lines are in memory at once.

use super::{Place, budget, in_tenant, payout, put, read};
use crate::stage;
use crate::state::{Store, StoreError, Table, keys};
use crate::task::{Output, StageError, Surroundings, Task};
use domain::settle::month::{self, Terms};
use domain::settle::run::{Account, Settlement, Tally};
use domain::settle::{self, run};
use schemas::catalog::{AsOf, Catalog};
use schemas::codec;
use schemas::id::ConversionId;
use schemas::key;
use schemas::name::PublisherId;
use schemas::record::settlement::{RunDone, SettlementRun};
use schemas::record::state::{BalanceState, MonthState, SettledState};
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::HashMap;

/// Takes a run, once.
pub fn take<S: Store>(
    task: &mut Task<S>,
    run: &SettlementRun,
    partition: i32,
    around: &dyn Surroundings,
) -> Result<(), StageError> {
    let run_key = keys::run(run.run_id);
    if task.overlay.get(&task.store, Table::Runs, &run_key)?.is_some() {
        return Ok(());
    }
    correct_months(task, run, around)?;
    budget::report_rest(task, &run.tenant)?;
    let mut tally = Tally::default();
    for balance_key in in_tenant(task, Table::Balances, &run.tenant)? {
        settle_account(task, run, balance_key, &mut tally)?;
    }
    let done: RunDone = tally.done(run, partition);
    let framed = codec::encode(&done);
    task.outbox.push(Output {
        topic: Topic::Payouts,
        key: key::run(&run.tenant, run.run_id, partition),
        value: framed.clone(),
    });
    task.overlay.put(Table::Runs, run_key, framed);
    Ok(())
}

/// Brings the corrections of months that are over and have changed up to date. The entry is booked here and written to
/// `journal`; what comes back from there says nothing new.
fn correct_months<S: Store>(
    task: &mut Task<S>,
    run: &SettlementRun,
    around: &dyn Surroundings,
) -> Result<(), StageError> {
    let changed = in_tenant(task, Table::MonthsChanged, &run.tenant)?;
    if changed.is_empty() {
        return Ok(());
    }
    let catalog = stage::catalog(around, run.catalog_offset)?;
    for month_key in changed {
        let Some(mut month) = read::<S, MonthState>(task, Table::Months, &month_key)? else { continue };
        if month.month.end() > run.as_of {
            continue;
        }
        let publisher = keys::publisher_of_month(&month_key)?;
        let as_of = month::terms_as_of(&month, run);
        let Some(terms) = terms_of(&catalog, run, as_of, &publisher, &month) else { continue };
        let conversion = ConversionId::of_month(&run.tenant, &publisher, &month.campaign, month.month);
        let held_key = keys::settled(&run.tenant, &publisher, conversion, month.currency);
        let booked: Option<SettledState> = read(task, Table::Settled, &held_key)?;
        let entry = month::correct((&run.tenant, &publisher), &month, &terms, booked.as_ref(), run);
        if let Some(entry) = entry {
            super::entry(task, &entry, around)?;
            let key = key::publisher(&entry.tenant, &entry.publisher);
            task.outbox.push(Output { topic: Topic::Journal, key, value: codec::encode(&entry) });
        }
        month.catalog_offset = Some(as_of.offset);
        task.overlay.put(Table::Months, month_key.clone(), codec::encode(&month));
        task.overlay.delete(Table::MonthsChanged, month_key);
    }
    Ok(())
}

/// The terms at the month's end, of the publisher's own contract where it has one; none where there is no such campaign then.
fn terms_of<'c>(
    catalog: &'c Catalog,
    run: &SettlementRun,
    as_of: AsOf,
    publisher: &PublisherId,
    month: &MonthState,
) -> Option<Terms<'c>> {
    let campaign = catalog.campaign(&run.tenant, &month.campaign, as_of)?.body;
    let own = campaign.publisher_contracts.iter().find(|own| own.publisher == *publisher);
    let contract = own.map_or(&campaign.contract, |own| &own.contract);
    let found = catalog.contract(&run.tenant, contract, as_of)?;
    Some(Terms {
        contract,
        contract_version: found.number,
        tiers: &found.body.tiers,
        platform_share: found.body.platform_share_ppm,
        hold_days: found.body.hold_days,
    })
}

fn settle_account<S: Store>(
    task: &mut Task<S>,
    run: &SettlementRun,
    balance_key: Vec<u8>,
    tally: &mut Tally,
) -> Result<(), StoreError> {
    let (publisher, currency) = keys::account_of_balance(&balance_key)?;
    let account = Account { tenant: &run.tenant, publisher: &publisher, currency };
    let balance: BalanceState = read(task, Table::Balances, &balance_key)?.unwrap_or_default();
    let due = due(task, run, account, &balance_key)?;
    let was: HashMap<_, _> = due.iter().map(|(conversion, settled)| (*conversion, settle::due(settled))).collect();
    let settlement = run::settle(account, run, &balance, due);
    tally.add(currency, settlement.as_ref().map_or(&balance, |made| &made.balance), settlement.as_ref());
    let Some(Settlement { balance, settled, statement, payout }) = settlement else { return Ok(()) };
    for (conversion, after) in settled {
        let key = keys::settled(&run.tenant, &publisher, conversion, currency);
        put(task, Place { key, balance_key: &balance_key, conversion }, was[&conversion], &after);
    }
    task.overlay.put(Table::Balances, balance_key, codec::encode(&balance));
    for part in &statement {
        let key = key::publisher(&run.tenant, &publisher);
        task.outbox.push(Output { topic: Topic::Payouts, key, value: codec::encode(part) });
    }
    if let Some(payout) = payout {
        payout::put(task, &payout);
    }
    Ok(())
}

/// What the index has up to the run's date; places where nothing is due are taken out of it.
fn due<S: Store>(
    task: &mut Task<S>,
    run: &SettlementRun,
    account: Account<'_>,
    balance_key: &[u8],
) -> Result<Vec<(ConversionId, SettledState)>, StoreError> {
    let from = keys::due(balance_key, Micros(0), ConversionId([0; 16]));
    let to = keys::after(&keys::due(balance_key, run.as_of, ConversionId([0xff; 16])));
    let mut places = Vec::new();
    task.overlay.scan(&task.store, Table::Due, &from, &to, &mut |key, _| {
        places.push(key.to_vec());
        true
    })?;
    let mut due = Vec::with_capacity(places.len());
    for place in places {
        let conversion = keys::due_conversion(&place)?;
        let key = keys::settled(account.tenant, account.publisher, conversion, account.currency);
        let settled: Option<SettledState> = read(task, Table::Settled, &key)?;
        let stands =
            |at: &SettledState| settle::due(at).is_some_and(|at| keys::due(balance_key, at, conversion) == place);
        match settled.filter(stands) {
            Some(settled) => due.push((conversion, settled)),
            None => task.overlay.delete(Table::Due, place),
        }
    }
    Ok(due)
}
