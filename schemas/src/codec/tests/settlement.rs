//! The records of settlement, and the topic that has several kinds of them.

use super::{event, there_and_back, touch};
use crate::codec::*;
use crate::decimal::{Currency, Fixed};
use crate::id::{ConversionId, EntryId, PayoutId, RunId, StatementId};
use crate::name::ContractId;
use crate::offset::Offset;
use crate::record::journal::{Cause, JournalRecord, Posting};
use crate::record::payout::{PayoutState, PayoutStep};
use crate::record::settlement::{Minimum, RunTotal};
use crate::record::statement::{LineKind, StatementLine};
use crate::time::{Micros, Month};

fn settlement_run() -> SettlementRun {
    SettlementRun {
        run_id: RunId([1; 16]),
        tenant: event().tenant,
        label: "2026-W47".into(),
        as_of: Micros(9),
        minimums: vec![Minimum { currency: Currency::USD, amount: Fixed(10_000_000) }],
        catalog_offset: Offset(4),
    }
}

fn payout_command() -> PayoutCommand {
    PayoutCommand {
        payout_id: PayoutId([2; 16]),
        tenant: event().tenant,
        publisher: touch().publisher,
        step: PayoutStep::Failed,
        at: Micros(10),
        by: "ann".into(),
        reference: None,
        reason: Some("account closed".into()),
    }
}

fn journal_entry() -> JournalEntry {
    JournalEntry {
        entry_id: EntryId([7; 16]),
        tenant: event().tenant,
        publisher: touch().publisher,
        advertiser: event().advertiser,
        campaign: touch().campaign,
        conversion_id: ConversionId([3; 16]),
        revision: 2,
        cause: Cause::Correction,
        occurred_at: Micros(1),
        received_at: Micros(2),
        currency: Currency::USD,
        contract: ContractId::new("standard").expect("a name"),
        contract_version: 1,
        postings: vec![Posting { account: "platform".into(), amount: Fixed(0) }],
        cumulative_commission: Fixed(10),
        cumulative_payout: Fixed(7),
        cumulative_platform_fee: Fixed(3),
        hold_until: Micros(3),
        cause_event: None,
        tier_value: None,
    }
}

fn settled_state() -> SettledState {
    SettledState {
        revision: 3,
        currency: Currency::USD,
        commission: Fixed(10),
        payout: Fixed(7),
        platform_fee: Fixed(3),
        hold_until: Micros(5),
        stated: Fixed(0),
        advertiser: None,
        campaign: None,
        occurred_at: Micros(0),
        tier_value: None,
    }
}

#[test]
fn records_of_settlement_go_there_and_back() {
    there_and_back(&settlement_run());
    there_and_back(&payout_command());
    there_and_back(&Statement {
        statement_id: StatementId([3; 16]),
        run_id: RunId([1; 16]),
        tenant: event().tenant,
        publisher: touch().publisher,
        currency: Currency::USD,
        number: 1,
        as_of: Micros(9),
        part: 1,
        parts: 1,
        opening: Fixed(-1),
        returned: Fixed(0),
        lines_total: Fixed(3),
        lines: vec![StatementLine {
            conversion_id: ConversionId([3; 16]),
            advertiser: Some(event().advertiser),
            campaign: None,
            occurred_at: Micros(1),
            revision: 2,
            kind: LineKind::Raised,
            stated_before: Fixed(1),
            amount: Fixed(3),
        }],
        payout_id: Some(PayoutId([2; 16])),
        payout: Fixed(2),
        closing: Fixed(0),
    });
    there_and_back(&Payout {
        payout_id: PayoutId([2; 16]),
        statement_id: StatementId([3; 16]),
        run_id: RunId([1; 16]),
        tenant: event().tenant,
        publisher: touch().publisher,
        currency: Currency::USD,
        amount: Fixed(2),
        as_of: Micros(9),
        state: PayoutState::Sent,
        revision: 3,
        changed_at: Micros(10),
        by: "ann".into(),
        reference: Some("B-1".into()),
        reason: None,
    });
    let amount = Fixed(1);
    let currency = Currency::USD;
    there_and_back(&RunDone {
        run_id: RunId([1; 16]),
        tenant: event().tenant,
        partition: 3,
        as_of: Micros(9),
        totals: vec![RunTotal {
            currency,
            accounts: 2,
            statements: 1,
            payouts: 1,
            paid_out: amount,
            carried: amount,
            owed: amount,
        }],
    });
    there_and_back(&MonthState {
        advertiser: event().advertiser,
        campaign: touch().campaign,
        currency,
        month: Month(24_000),
        count: 1,
        revenue: amount,
        commission: amount,
        catalog_offset: Some(Offset(1)),
    });
    there_and_back(&BudgetSpent {
        tenant: event().tenant,
        campaign: touch().campaign,
        publisher: None,
        currency,
        from: Micros(0),
        account: touch().publisher,
        spent: amount,
        reported: amount,
        revision: 1,
    });
    there_and_back(&SettledState { stated: Fixed(7), tier_value: Some(Fixed(100)), ..settled_state() });
}

#[test]
fn a_journal_of_several_kinds_is_told_apart() {
    let read = |framed: Vec<u8>| JournalRecord::read(&framed).expect("one of the three");
    assert_eq!(read(encode(&settlement_run())), JournalRecord::Run(settlement_run()));
    assert_eq!(read(encode(&payout_command())), JournalRecord::Payout(payout_command()));
    assert_eq!(read(encode(&journal_entry())), JournalRecord::Entry(Box::new(journal_entry())));
    let other = JournalRecord::read(&encode(&event())).expect_err("none of the three").to_string();
    assert!(other.ends_with("is a Event, expected a JournalEntry"), "{other}");
}

/// The fields of version 1 are the first ones of version 2, so its bodies are the beginnings of these.
#[test]
fn settles_state_of_version_1_is_read_as_one_without_statements() {
    let first = |framed: Vec<u8>, id: u8, body: usize| [&[0, 0, 0, 0, id], &framed[5..5 + body]].concat();
    let balance = BalanceState { held: Fixed(7), conversions: 3, ..BalanceState::default() };
    assert_eq!(decode::<BalanceState>(&first(encode(&balance), 111, 17)).expect("version 1"), balance);
    // Revision, currency, three amounts, hold.
    let body = 1 + 4 + 48 + 1;
    assert_eq!(
        decode::<SettledState>(&first(encode(&settled_state()), 101, body)).expect("version 1"),
        settled_state()
    );
}
