//! `journal`: one row per posting of an entry; commands of settlement have none.

use crate::rows::{Decimal, Position, Table, Uuid};
use clickhouse::Row;
use schemas::codec::DecodeError;
use schemas::decimal::Currency;
use schemas::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use schemas::record::journal::{JournalEntry, JournalRecord};
use schemas::time::Micros;
use serde::Serialize;

pub(crate) enum Journal {}

#[derive(Row, Serialize)]
pub(crate) struct PostingRow {
    entry_id: Uuid,
    /// The posting's place in its entry.
    posting: u32,
    account: String,
    account_kind: String,
    amount: Decimal,
    currency: Currency,
    tenant: TenantId,
    publisher: PublisherId,
    advertiser: AdvertiserId,
    campaign: CampaignId,
    conversion_id: Uuid,
    revision: i32,
    cause: &'static str,
    occurred_at: Micros,
    received_at: Micros,
    contract: ContractId,
    contract_version: i32,
    cumulative_commission: Decimal,
    cumulative_payout: Decimal,
    cumulative_platform_fee: Decimal,
    hold_until: Micros,
    cause_event: String,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for Journal {
    const NAME: &'static str = "journal";
    type Record = JournalEntry;
    type Row = PostingRow;

    fn read(value: &[u8]) -> Result<Option<JournalEntry>, DecodeError> {
        match JournalRecord::read(value)? {
            JournalRecord::Entry(entry) => Ok(Some(*entry)),
            JournalRecord::Run(_) | JournalRecord::Payout(_) => Ok(None),
        }
    }

    fn rows(entry: JournalEntry, at: Position, rows: &mut Vec<PostingRow>) {
        rows.extend((0..).zip(entry.postings).map(|(number, posting)| PostingRow {
            entry_id: entry.entry_id.0.into(),
            posting: number,
            account_kind: kind(&posting.account).to_owned(),
            account: posting.account,
            amount: posting.amount.into(),
            currency: entry.currency,
            tenant: entry.tenant.clone(),
            publisher: entry.publisher.clone(),
            advertiser: entry.advertiser.clone(),
            campaign: entry.campaign.clone(),
            conversion_id: entry.conversion_id.0.into(),
            revision: entry.revision,
            cause: entry.cause.name(),
            occurred_at: entry.occurred_at,
            received_at: entry.received_at,
            contract: entry.contract.clone(),
            contract_version: entry.contract_version,
            cumulative_commission: entry.cumulative_commission.into(),
            cumulative_payout: entry.cumulative_payout.into(),
            cumulative_platform_fee: entry.cumulative_platform_fee.into(),
            hold_until: entry.hold_until,
            cause_event: entry.cause_event.clone().unwrap_or_default(),
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        }));
    }
}

/// `publisher:alpha` is an account of the kind `publisher`.
fn kind(account: &str) -> &str {
    account.split_once(':').map_or(account, |(kind, _)| kind)
}
