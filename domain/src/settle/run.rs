//! A run of settlement on one account in one currency: what has become due goes on a statement, and what the account
//! then has is paid out from the minimum on, else carried on.
//!
//! Leaves to the shell which accounts there are, and that a run's id is taken once in a partition.

use crate::settle;
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::id::{ConversionId, PayoutId, RunId, StatementId};
use schemas::name::{PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::payout::{Payout, PayoutState};
use schemas::record::settlement::{Minimum, RunDone, RunTotal, SettlementRun};
use schemas::record::state::{BalanceState, SettledState};
use schemas::record::statement::{LineKind, Statement, StatementLine};
use schemas::time::{MICROS_PER_DAY, Micros};
use std::collections::BTreeMap;

/// From 10.00 on, in any currency, is paid out where the run says nothing else: below it a bank's fee eats the payout.
pub const DEFAULT_MINIMUM: Amount = Fixed(10_000_000);

/// A line has up to 250 bytes (two names of 64, an id, two amounts), so a part has at most 2.5 MB: Kafka's records end at
/// `limits::RECORD_BYTES`.
pub const LINES_PER_PART: usize = 10_000;

#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    pub tenant: &'a TenantId,
    pub publisher: &'a PublisherId,
    pub currency: Currency,
}

/// What a run made of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub balance: BalanceState,
    /// The conversions of the statement's lines, as they then are; none of them is due any more.
    pub settled: Vec<(ConversionId, SettledState)>,
    /// In parts.
    pub statement: Vec<Statement>,
    pub payout: Option<Payout>,
}

/// Settles an account. `due` are the conversions whose `settle::due` is not after the run's as-of date; others among them
/// change nothing. None where there is nothing to say: no line, nothing returned, nothing to pay.
pub fn settle(
    account: Account<'_>,
    run: &SettlementRun,
    balance: &BalanceState,
    due: Vec<(ConversionId, SettledState)>,
) -> Option<Settlement> {
    let is_due = |settled: &SettledState| settle::due(settled).is_some_and(|due| due <= run.as_of);
    let mut settled: Vec<_> = due.into_iter().filter(|(_, settled)| is_due(settled)).collect();
    settled.sort_by_key(|(conversion, settled)| (settled.occurred_at, *conversion));
    let lines: Vec<_> = settled.iter().map(|(conversion, settled)| line(*conversion, settled)).collect();

    let (opening, lines_total) = (balance.payable - balance.returned, lines.iter().map(|line| line.amount).sum());
    let total = balance.payable + lines_total;
    // A minimum of nothing must not pay nothing, and nobody is paid a debt.
    let pays = total > Amount::ZERO && total >= minimum(run, account.currency);
    let payout = if pays { total } else { Amount::ZERO };
    if lines.is_empty() && balance.returned.is_zero() && !pays {
        return None;
    }
    let raised: Amount = lines.iter().map(|line| line.amount.max(Amount::ZERO)).sum();
    let statement_id = StatementId::new(run.run_id, account.tenant, account.publisher, account.currency);
    let statement = Statement {
        statement_id,
        run_id: run.run_id,
        tenant: account.tenant.clone(),
        publisher: account.publisher.clone(),
        currency: account.currency,
        number: balance.statements + 1,
        as_of: run.as_of,
        part: 1,
        parts: 1,
        opening,
        returned: balance.returned,
        lines_total,
        lines: Vec::new(),
        payout_id: pays.then(|| PayoutId::of(statement_id)),
        payout,
        closing: total - payout,
    };
    settled.iter_mut().for_each(|(_, settled)| settled.stated = settled.payout);
    Some(Settlement {
        balance: BalanceState {
            held: balance.held - raised,
            clawback: balance.clawback - (raised - lines_total),
            conversions: balance.conversions,
            payable: statement.closing,
            in_payment: balance.in_payment + payout,
            paid: balance.paid,
            returned: Amount::ZERO,
            statements: statement.number,
        },
        settled,
        payout: pays.then(|| draft(&statement, run)),
        statement: parts(statement, lines),
    })
}

/// The run of the week that ended last: as of Monday, midnight UTC, called by ISO 8601 (`2026-W47`). Asked for at any time
/// of the following week it is the same run.
pub fn weekly(tenant: &TenantId, now: Micros, minimums: Vec<Minimum>, catalog_offset: Offset) -> SettlementRun {
    let today = now.0.div_euclid(MICROS_PER_DAY);
    // 1970-01-01 was a Thursday.
    let monday = today - (today + 3).rem_euclid(7);
    let midnight = |day: i64| Micros(day * MICROS_PER_DAY);
    // A week belongs to the year of its Thursday.
    let thursday = monday - 4;
    let (year, _, _) = midnight(thursday).date();
    let week = midnight(thursday).since(Micros::midnight(year, 1, 1)) / (7 * MICROS_PER_DAY) + 1;
    let label = format!("{year:04}-W{week:02}");
    SettlementRun {
        run_id: RunId::of(tenant, &label),
        tenant: tenant.clone(),
        label,
        as_of: midnight(monday),
        minimums,
        catalog_offset,
    }
}

/// What a run pays from.
pub fn minimum(run: &SettlementRun, currency: Currency) -> Amount {
    let named = run.minimums.iter().find(|minimum| minimum.currency == currency);
    named.map_or(DEFAULT_MINIMUM, |minimum| minimum.amount)
}

fn line(conversion_id: ConversionId, settled: &SettledState) -> StatementLine {
    let amount = settled.payout - settled.stated;
    let kind = match (amount < Amount::ZERO, settled.stated.is_zero()) {
        (true, _) => LineKind::Clawback,
        (false, true) => LineKind::Earned,
        (false, false) => LineKind::Raised,
    };
    StatementLine {
        conversion_id,
        advertiser: settled.advertiser.clone(),
        campaign: settled.campaign.clone(),
        occurred_at: settled.occurred_at,
        revision: settled.revision,
        kind,
        stated_before: settled.stated,
        amount,
    }
}

fn parts(statement: Statement, lines: Vec<StatementLine>) -> Vec<Statement> {
    if lines.len() <= LINES_PER_PART {
        return vec![Statement { lines, ..statement }];
    }
    let chunks: Vec<_> = lines.chunks(LINES_PER_PART).collect();
    let parts = chunks.len() as i32;
    let part =
        |(part, lines): (i32, &[StatementLine])| Statement { part, parts, lines: lines.to_vec(), ..statement.clone() };
    (1..).zip(chunks).map(part).collect()
}

fn draft(statement: &Statement, run: &SettlementRun) -> Payout {
    Payout {
        payout_id: PayoutId::of(statement.statement_id),
        statement_id: statement.statement_id,
        run_id: run.run_id,
        tenant: statement.tenant.clone(),
        publisher: statement.publisher.clone(),
        currency: statement.currency,
        amount: statement.payout,
        as_of: run.as_of,
        state: PayoutState::Draft,
        revision: 1,
        changed_at: run.as_of,
        by: format!("run {}", run.label),
        reference: None,
        reason: None,
    }
}

/// What a run did in one partition, counted while it goes through the accounts.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<Currency, RunTotal>);

impl Tally {
    /// Takes an account: its balance after the run, and what the run made of it.
    pub fn add(&mut self, currency: Currency, balance: &BalanceState, settlement: Option<&Settlement>) {
        let zero = Amount::ZERO;
        let nothing =
            RunTotal { currency, accounts: 0, statements: 0, payouts: 0, paid_out: zero, carried: zero, owed: zero };
        let total = self.0.entry(currency).or_insert(nothing);
        let payout = settlement.and_then(|settlement| settlement.payout.as_ref());
        total.accounts += 1;
        total.statements += i64::from(settlement.is_some());
        total.payouts += i64::from(payout.is_some());
        total.paid_out += payout.map_or(zero, |payout| payout.amount);
        total.carried += balance.payable.max(zero);
        total.owed += balance.payable.min(zero);
    }

    /// After the last account of the run's tenant in the partition.
    pub fn done(self, run: &SettlementRun, partition: i32) -> RunDone {
        RunDone {
            run_id: run.run_id,
            tenant: run.tenant.clone(),
            partition,
            as_of: run.as_of,
            totals: self.0.into_values().collect(),
        }
    }
}
