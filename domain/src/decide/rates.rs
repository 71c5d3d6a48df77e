//! What a contract pays for what was sold, before anybody shares it: the first rate that fits each part, then the
//! contract's minimum and maximum, then what refunds leave.

use super::exact::Exact;
use super::explain::money;
use super::facts::Facts;
use super::sold::{Part, Sold};
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::record::catalog::{Contract, CustomerKind, Rate};

/// Parts that an explanation shows; an order can have hundreds.
const SHOWN_PARTS: usize = 5;

pub(super) struct Priced {
    /// Before refunds and chargebacks.
    pub full: Amount,
    /// What they leave; the rest of it is taken back.
    pub left: Amount,
    /// `100.00 USD x 10 % = 10.00`.
    pub arithmetic: String,
}

#[derive(Clone, Copy)]
enum Pay {
    Percent(Ppm),
    /// Once, whatever the event has sold.
    OfEvent(Amount),
    OfPiece(Amount),
}

/// One term of the sum.
struct Line<'s> {
    /// The item that it is about, where it is about one.
    sku: Option<&'s str>,
    pay: Pay,
    pieces: i64,
    value: Amount,
    left: Amount,
}

pub(super) fn price(facts: &Facts, sold: &Sold, contract: &Contract) -> Priced {
    if let Some(currency) = contract.currency.filter(|currency| *currency != sold.currency) {
        let arithmetic = format!(
            "{} {}, but the contract pays in {currency} only: 0",
            money(sold.value, sold.currency),
            sold.currency
        );
        return Priced { full: Amount::ZERO, left: Amount::ZERO, arithmetic };
    }
    let lines = lines(sold, contract, facts.customer());
    let sum = lines.iter().fold(Exact::ZERO, |sum, line| sum + line.full());
    let left = lines.iter().fold(Exact::ZERO, |sum, line| sum + line.left());
    let full = bounded(sum, contract);
    let left = match sold.nothing_left() {
        true => Exact::ZERO,
        false => left.part(sold.left_by_items() - sold.of_all, sold.left_by_items()).scaled(full, sum),
    };
    let (full, left) = (full.posted(sold.currency), left.posted(sold.currency));
    let arithmetic = explained(sold, contract, &lines, (sum.posted(sold.currency), full, left));
    Priced { full, left, arithmetic }
}

/// Who earns nothing gets no minimum: then nothing was sold.
fn bounded(sum: Exact, contract: &Contract) -> Exact {
    if sum == Exact::ZERO {
        return sum;
    }
    let at_least = contract.minimum.map_or(sum, |minimum| sum.max(Exact::flat(minimum, 1)));
    contract.maximum.map_or(at_least, |maximum| at_least.min(Exact::flat(maximum, 1)))
}

/// Of each event its items that have a rate of their own, then all the rest of it together.
fn lines<'s>(sold: &'s Sold<'_>, contract: &Contract, customer: Option<CustomerKind>) -> Vec<Line<'s>> {
    let mut lines: Vec<Line> = Vec::with_capacity(1);
    for parts in sold.parts.chunk_by(|a, b| std::ptr::eq(a.event, b.event)) {
        // A value below zero sells nothing, whatever a contract pays for the event.
        if parts[0].event.value < Amount::ZERO {
            continue;
        }
        let mut rest: Option<Line> = None;
        for part in parts {
            let (pay, of_items) = pay(part, contract, customer);
            let left = part.value - part.gone;
            if of_items {
                let sku = part.item.map(|item| item.sku.as_str());
                lines.push(Line { sku, pay, pieces: part.pieces(), value: part.value, left });
            } else {
                let rest =
                    rest.get_or_insert(Line { sku: None, pay, pieces: 1, value: Amount::ZERO, left: Amount::ZERO });
                rest.value += part.value;
                rest.left += left;
            }
        }
        lines.extend(rest);
    }
    lines
}

/// What a part is paid, and whether by a rate for items. Those that are not for items all fit an event alike.
fn pay(part: &Part, contract: &Contract, customer: Option<CustomerKind>) -> (Pay, bool) {
    let fits = |rate: &&Rate| {
        let action = rate.action.is_none_or(|action| part.event.action.paid_as() == Some(action));
        let sku = rate.sku.as_ref().is_none_or(|sku| part.item.is_some_and(|item| item.sku == *sku));
        let of_category = |category: &String| part.item.is_some_and(|item| item.category.as_ref() == Some(category));
        action
            && sku
            && rate.category.as_ref().is_none_or(of_category)
            && rate.customer.is_none_or(|kind| customer == Some(kind))
    };
    match contract.rates.iter().find(fits) {
        Some(rate) => match (rate.flat, rate.of_items()) {
            (None, of_items) => (Pay::Percent(rate.rate_ppm), of_items),
            (Some(flat), true) => (Pay::OfPiece(flat), true),
            (Some(flat), false) => (Pay::OfEvent(flat), false),
        },
        None => (contract.flat.map_or(Pay::Percent(contract.commission_rate_ppm), Pay::OfEvent), false),
    }
}

impl Line<'_> {
    fn full(&self) -> Exact {
        match self.pay {
            Pay::Percent(rate) => Exact::percent(self.value, rate),
            Pay::OfEvent(flat) => Exact::flat(flat, 1),
            Pay::OfPiece(flat) => Exact::flat(flat, self.pieces),
        }
    }

    fn left(&self) -> Exact {
        match self.pay {
            Pay::Percent(rate) => Exact::percent(self.left, rate),
            Pay::OfEvent(_) | Pay::OfPiece(_) => self.full().part(self.left, self.value),
        }
    }

    /// `100.00 USD x 10 %`, `mug: 2 x 1.50 USD flat`.
    fn shown(&self, currency: Currency) -> String {
        let of = self.sku.map_or(String::new(), |sku| format!("{sku}: "));
        match self.pay {
            Pay::Percent(rate) => format!("{of}{} {currency} x {rate}", money(self.value, currency)),
            Pay::OfPiece(flat) if self.pieces != 1 => {
                format!("{of}{} x {} {currency} flat", self.pieces, money(flat, currency))
            }
            Pay::OfEvent(flat) | Pay::OfPiece(flat) => format!("{of}{} {currency} flat", money(flat, currency)),
        }
    }
}

fn explained(sold: &Sold, contract: &Contract, lines: &[Line], (sum, full, left): (Amount, Amount, Amount)) -> String {
    let currency = sold.currency;
    let show = |amount| money(amount, currency);
    if sum.is_zero() && sold.value <= Amount::ZERO {
        return format!("{} {currency} is nothing to pay for: commission {}", show(sold.value), show(full));
    }
    let mut terms: Vec<String> = lines.iter().take(SHOWN_PARTS).map(|line| line.shown(currency)).collect();
    if lines.len() > SHOWN_PARTS {
        terms.push(format!("{} parts more", lines.len() - SHOWN_PARTS));
    }
    let mut text = format!("{} = {}", terms.join(" + "), show(sum));
    if full != sum {
        let bound = if Some(full) == contract.maximum { "at most" } else { "at least" };
        text.push_str(&format!(", {bound} {}", show(full)));
    }
    if !sold.refunded.is_zero() || sold.nothing_left() && sold.refunded_whole {
        text.push_str(&format!(", {} refunded", show(sold.refunded)));
    }
    if !sold.charged_back.is_zero() || sold.nothing_left() && !sold.refunded_whole {
        text.push_str(&format!(", {} charged back", show(sold.charged_back)));
    }
    if left != full || !sold.taken_back().is_zero() {
        text.push_str(&format!(", leaves {}", show(left)));
    }
    text
}
