//! What a conversion costs its advertiser, and how that is shared: commission = publisher payout + platform fee (P5).

use super::apportion::apportion;
use super::explain::money;
use super::models;
use super::ruling::Earned;
use schemas::decimal::{Amount, Credit, Currency, Fixed};
use schemas::name::PublisherId;
use schemas::record::catalog::Contract;
use schemas::record::decision::PublisherShare;
use schemas::record::event::Event;
use std::collections::BTreeMap;

pub(super) struct Earnings {
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
    /// Of those whom the paying model credits, by publisher.
    pub shares: Vec<PublisherShare>,
    pub arithmetic: String,
}

impl Earnings {
    pub fn of(event: &Event, earned: &Earned) -> Self {
        let contract = earned.terms.body;
        let commission = commission(event, contract);
        let shares = shares(commission, &paid_credits(earned), contract, event.currency);
        Earnings {
            commission,
            payout: shares.iter().map(|share| share.payout).sum(),
            platform_fee: shares.iter().map(|share| share.platform_fee).sum(),
            arithmetic: arithmetic(event, contract, commission, &shares),
            shares,
        }
    }
}

/// What is not sold is not paid for: a value of zero or less costs nothing.
fn commission(event: &Event, contract: &Contract) -> Amount {
    event.value.max(Amount::ZERO).rate(contract.commission_rate_ppm, event.currency)
}

fn paid_credits(earned: &Earned) -> BTreeMap<PublisherId, Credit> {
    let times: Vec<_> = earned.touches.iter().map(|touch| touch.at).collect();
    let credits = models::credits(earned.terms.body.paying_model, &times);
    let mut of_publisher: BTreeMap<PublisherId, Credit> = BTreeMap::new();
    for (touch, credit) in earned.touches.iter().zip(credits).filter(|(_, credit)| !credit.is_zero()) {
        *of_publisher.entry(touch.publisher.clone()).or_default() += credit;
    }
    of_publisher
}

/// Splits the commission in whole minor units, so that the shares sum to it.
fn shares(
    commission: Amount,
    credits: &BTreeMap<PublisherId, Credit>,
    contract: &Contract,
    currency: Currency,
) -> Vec<PublisherShare> {
    let minor_unit = 10_u128.pow(6 - currency.minor_digits());
    let weights: Vec<u128> = credits.values().map(|credit| credit.0.unsigned_abs()).collect();
    let parts = apportion(commission.0.unsigned_abs() / minor_unit, &weights);
    let share = |(publisher, part): (&PublisherId, u128)| {
        let commission: Amount = Fixed((part * minor_unit) as i128);
        let platform_fee = commission.rate(contract.platform_share_ppm, currency);
        PublisherShare { publisher: publisher.clone(), commission, payout: commission - platform_fee, platform_fee }
    };
    credits.keys().zip(parts).map(share).collect()
}

/// `100.00 USD x 10 % = 10.00; platform 30 % = 3.00; publisher alpha 7.00`
fn arithmetic(event: &Event, contract: &Contract, commission: Amount, shares: &[PublisherShare]) -> String {
    let show = |amount| money(amount, event.currency);
    if event.value <= Amount::ZERO {
        return format!(
            "{} {} is nothing to pay for: commission {}",
            show(event.value),
            event.currency,
            show(commission)
        );
    }
    let list = |amount: fn(&PublisherShare) -> Amount| {
        let each = shares.iter().map(|share| format!("{} {}", share.publisher, show(amount(share))));
        each.collect::<Vec<_>>().join(", ")
    };
    let split = match shares {
        [_] => String::new(),
        _ => format!(" by {}: {}", contract.paying_model.name(), list(|share| share.commission)),
    };
    let fees: Vec<_> = shares.iter().map(|share| show(share.platform_fee)).collect();
    let fee = match fees.as_slice() {
        [fee] => fee.clone(),
        _ => format!("{} = {}", fees.join(" + "), show(shares.iter().map(|share| share.platform_fee).sum())),
    };
    format!(
        "{} {} x {} = {}{split}; platform {} = {fee}; publisher {}",
        show(event.value),
        event.currency,
        contract.commission_rate_ppm,
        show(commission),
        contract.platform_share_ppm,
        list(|share| share.payout),
    )
}
