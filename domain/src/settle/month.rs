//! Monthly tiers: from so many conversions, or so much value of them, in a month on, another rate holds for all of it.
//!
//! A function of the closed month by event time. It is booked as one correction, like a conversion of its own that has the
//! month's id; where late events change a month that was corrected, the next run books the difference as its next
//! revision. Settle writes the entry to `journal` and books it at once; the copy that comes back says nothing new.
//!
//! Leaves to the shell to find the months that changed since their correction, and the terms in the catalog.

use schemas::catalog::AsOf;
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::id::{ConversionId, EntryId};
use schemas::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use schemas::record::catalog::Tier;
use schemas::record::journal::{Cause, JournalEntry, Posting};
use schemas::record::settlement::SettlementRun;
use schemas::record::state::{MonthState, SettledState};
use schemas::time::{MICROS_PER_DAY, Month};

/// What one conversion counts for its month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub advertiser: AdvertiserId,
    pub campaign: CampaignId,
    pub currency: Currency,
    pub month: Month,
    value: Amount,
    commission: Amount,
}

/// What a conversion counts; None under a contract without tiers, and where nothing is left of it.
pub fn counted(settled: &SettledState) -> Option<Counted> {
    let value = settled.tier_value.filter(|_| !settled.commission.is_zero())?;
    Some(Counted {
        advertiser: settled.advertiser.clone()?,
        campaign: settled.campaign.clone()?,
        currency: settled.currency,
        month: Month::of(settled.occurred_at),
        value,
        commission: settled.commission,
    })
}

/// Adds a conversion to its month.
pub fn add(month: Option<MonthState>, counted: &Counted) -> MonthState {
    let mut month = month.unwrap_or_else(|| MonthState {
        advertiser: counted.advertiser.clone(),
        campaign: counted.campaign.clone(),
        currency: counted.currency,
        month: counted.month,
        count: 0,
        revenue: Amount::ZERO,
        commission: Amount::ZERO,
        catalog_offset: None,
    });
    month.count += 1;
    month.revenue += counted.value;
    month.commission += counted.commission;
    month
}

/// Takes back what `add` added.
pub fn take_back(month: &mut MonthState, counted: &Counted) {
    month.count -= 1;
    month.revenue = month.revenue - counted.value;
    month.commission = month.commission - counted.commission;
}

/// What the contract says of a month.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    pub contract: &'a ContractId,
    pub contract_version: i32,
    pub tiers: &'a [Tier],
    pub platform_share: Ppm,
    pub hold_days: i32,
}

/// Where the catalog is asked for a month's terms: as of its last microsecond, and as the run that first closed it knew it.
pub fn terms_as_of(month: &MonthState, run: &SettlementRun) -> AsOf {
    AsOf { offset: month.catalog_offset.unwrap_or(run.catalog_offset), time: month.month.end().plus(-1) }
}

/// The entry that brings a month's correction up to date; None where it is, and while the month is not over as of the run.
///
/// `booked` is what the account holds for the month's conversion (`ConversionId::of_month`) in its currency. The shell then
/// keeps the month with `catalog_offset` of `terms_as_of`.
pub fn correct(
    account: (&TenantId, &PublisherId),
    month: &MonthState,
    terms: &Terms<'_>,
    booked: Option<&SettledState>,
    run: &SettlementRun,
) -> Option<JournalEntry> {
    if month.month.end() > run.as_of {
        return None;
    }
    let commission = correction(month, terms.tiers);
    let platform_fee = commission.rate(terms.platform_share, month.currency);
    let payout = commission - platform_fee;
    let zero = Amount::ZERO;
    let before = booked.map_or([zero; 3], |booked| [booked.commission, booked.payout, booked.platform_fee]);
    if before == [commission, payout, platform_fee] {
        return None;
    }
    let (tenant, publisher) = account;
    let conversion_id = ConversionId::of_month(tenant, publisher, &month.campaign, month.month);
    let revision = booked.map_or(0, |booked| booked.revision) + 1;
    let last = month.month.end().plus(-1);
    Some(JournalEntry {
        entry_id: EntryId::new(conversion_id, publisher, revision, month.currency),
        tenant: tenant.clone(),
        publisher: publisher.clone(),
        advertiser: month.advertiser.clone(),
        campaign: month.campaign.clone(),
        conversion_id,
        revision,
        cause: Cause::Correction,
        occurred_at: last,
        received_at: run.as_of,
        currency: month.currency,
        contract: terms.contract.clone(),
        contract_version: terms.contract_version,
        postings: vec![
            Posting { account: format!("advertiser:{}", month.advertiser), amount: commission - before[0] },
            Posting { account: format!("publisher:{publisher}"), amount: -(payout - before[1]) },
            Posting { account: "platform".into(), amount: -(platform_fee - before[2]) },
        ],
        cumulative_commission: commission,
        cumulative_payout: payout,
        cumulative_platform_fee: platform_fee,
        hold_until: last.plus(i64::from(terms.hold_days).saturating_mul(MICROS_PER_DAY)),
        cause_event: None,
        tier_value: None,
    })
}

/// What the month's commission lacks to the best rate that it has reached; negative where it is too much.
fn correction(month: &MonthState, tiers: &[Tier]) -> Amount {
    let reached = |tier: &&Tier| {
        tier.from_count.is_none_or(|from| month.count >= from)
            && tier.from_revenue.is_none_or(|from| month.revenue >= from)
    };
    let best = tiers.iter().filter(reached).map(|tier| tier.rate_ppm).max();
    best.map_or(Amount::ZERO, |rate| month.revenue.rate(rate, month.currency) - month.commission)
}
