//! What a conversion costs its advertiser, and how that is shared: commission = publisher payout + platform fee (P5).

use super::apportion::apportion;
use super::explain::money;
use super::facts::Facts;
use super::models;
use super::rates::{self, Priced};
use super::ruling::{Earned, Terms};
use super::sold::Sold;
use schemas::decimal::{Amount, Credit, Currency, Fixed};
use schemas::name::PublisherId;
use schemas::record::decision::{PublisherShare, Status};
use std::collections::BTreeMap;

pub(super) struct Earnings {
    /// Before refunds, chargebacks and status.
    pub full: Amount,
    /// What is due.
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
    /// Of those whom the paying model credits, by publisher.
    pub shares: Vec<PublisherShare>,
    /// Of those whose contract has tiers: what of the value that is left counts for their months, split as commissions are.
    pub tier_values: BTreeMap<PublisherId, Amount>,
    pub arithmetic: String,
}

impl Earnings {
    pub fn of(facts: &Facts, sold: &Sold, status: Status, earned: &Earned) -> Self {
        let credits = paid_credits(earned);
        let mut sum =
            Sum { credits: &credits, status, currency: sold.currency, full: Amount::ZERO, shares: Vec::new() };
        let mut tier_values = BTreeMap::new();
        let mut sentences = Vec::with_capacity(1);
        for terms in distinct_terms(earned, &credits) {
            let priced = rates::price(facts, sold, terms.body);
            let mine = |publisher: &PublisherId| std::ptr::eq(earned.terms_of(publisher).body, terms.body);
            let shares = sum.add(terms, &priced, mine, earned);
            if !terms.body.tiers.is_empty() {
                let values = credits.keys().cloned().zip(sum.split(sold.left().max(Amount::ZERO)));
                tier_values.extend(values.filter(|(publisher, _)| mine(publisher)));
            }
            let sentence = arithmetic(&priced, terms, earned, &shares, sold.currency);
            sentences.push(match std::ptr::eq(terms.body, earned.terms.body) {
                true => sentence,
                false => format!("by contract {}, version {}: {sentence}", terms.contract, terms.version),
            });
            sum.shares.extend(shares);
        }
        match status {
            Status::Pending => sentences.push("pending: nothing is due yet".into()),
            Status::Rejected => sentences.push("rejected: nothing is due".into()),
            Status::Approved | Status::PartlyRefunded | Status::Refunded | Status::ChargedBack => {}
        }
        let Sum { full, mut shares, .. } = sum;
        shares.sort_by(|a, b| a.publisher.cmp(&b.publisher));
        Earnings {
            full,
            commission: shares.iter().map(|share| share.commission).sum(),
            payout: shares.iter().map(|share| share.payout).sum(),
            platform_fee: shares.iter().map(|share| share.platform_fee).sum(),
            arithmetic: sentences.join("; "),
            shares,
            tier_values,
        }
    }
}

/// The campaign's terms and those of single publishers, each once, as far as they pay anybody.
fn distinct_terms<'e, 'c>(earned: &'e Earned<'c>, credits: &BTreeMap<PublisherId, Credit>) -> Vec<&'e Terms<'c>> {
    let mut distinct: Vec<&Terms> = Vec::with_capacity(1);
    for publisher in credits.keys() {
        let terms = earned.terms_of(publisher);
        if !distinct.iter().any(|known| std::ptr::eq(known.body, terms.body)) {
            distinct.push(terms);
        }
    }
    distinct
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

struct Sum<'e> {
    credits: &'e BTreeMap<PublisherId, Credit>,
    status: Status,
    currency: Currency,
    full: Amount,
    shares: Vec<PublisherShare>,
}

impl Sum<'_> {
    /// The shares of those who are paid by these terms. Each set of terms is split among all who are credited, as if
    /// all were paid by it, so that nobody's share depends on another's contract.
    fn add(
        &mut self,
        terms: &Terms,
        priced: &Priced,
        mine: impl Fn(&PublisherId) -> bool,
        earned: &Earned,
    ) -> Vec<PublisherShare> {
        let due = match self.status {
            Status::Pending | Status::Rejected => Amount::ZERO,
            Status::Approved | Status::PartlyRefunded | Status::Refunded | Status::ChargedBack => priced.left,
        };
        let full = self.split(priced.full);
        let parts = if due == priced.full { full.clone() } else { self.split(due) };
        let mut shares = Vec::with_capacity(1);
        for ((publisher, full), commission) in self.credits.keys().zip(full).zip(parts) {
            if !mine(publisher) {
                continue;
            }
            self.full += full;
            let platform_fee = commission.rate(terms.body.platform_share_ppm, self.currency);
            let own = earned.own_terms_of(publisher);
            shares.push(PublisherShare {
                publisher: publisher.clone(),
                commission,
                payout: commission - platform_fee,
                platform_fee,
                contract: own.map(|own| own.contract.clone()),
                contract_version: own.map(|own| own.version),
            });
        }
        shares
    }

    /// By publisher, in whole minor units, so that the parts sum to the commission.
    fn split(&self, commission: Amount) -> Vec<Amount> {
        let minor_unit = 10_u128.pow(6 - self.currency.minor_digits());
        let weights: Vec<u128> = self.credits.values().map(|credit| credit.0.unsigned_abs()).collect();
        let parts = apportion(commission.0.unsigned_abs() / minor_unit, &weights);
        parts.into_iter().map(|part| Fixed((part * minor_unit) as i128)).collect()
    }
}

/// `100.00 USD x 10 % = 10.00; platform 30 % = 3.00; publisher alpha 7.00`
fn arithmetic(
    priced: &Priced,
    terms: &Terms,
    earned: &Earned,
    shares: &[PublisherShare],
    currency: Currency,
) -> String {
    if priced.full.is_zero() {
        return priced.arithmetic.clone();
    }
    let show = |amount| money(amount, currency);
    let list = |amount: fn(&PublisherShare) -> Amount| {
        let each = shares.iter().map(|share| format!("{} {}", share.publisher, show(amount(share))));
        each.collect::<Vec<_>>().join(", ")
    };
    let shared = shares.len() > 1 || earned.own_terms.iter().any(|(_, own)| !std::ptr::eq(own.body, terms.body));
    let split = match shared {
        false => String::new(),
        true => format!(" by {}: {}", earned.terms.body.paying_model.name(), list(|share| share.commission)),
    };
    let fees: Vec<_> = shares.iter().map(|share| show(share.platform_fee)).collect();
    let fee = match fees.as_slice() {
        [fee] => fee.clone(),
        _ => format!("{} = {}", fees.join(" + "), show(shares.iter().map(|share| share.platform_fee).sum())),
    };
    let share = terms.body.platform_share_ppm;
    format!("{}{split}; platform {share} = {fee}; publisher {}", priced.arithmetic, list(|share| share.payout))
}
