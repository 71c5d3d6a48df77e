//! A contract in a catalog file: what it pays for what, all problems at once.
//!
//! Amounts are written with their currency, `50.00 USD`; all of a contract's are in one.

use super::fields::{Fields, Noted, one_of};
use super::fraud;
use super::sections::{Notes, evidence_order};
use super::terms::{Commission, commission, hold_days, money, percent, whole_number};
use super::tree::Node;
use crate::catalog::problem::Problem;
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::limits::FOREIGN_ID_BYTES;
use schemas::record::attribution::Model;
use schemas::record::catalog::{Approval, Contract, CustomerKind, Rate, Tier};
use schemas::record::event::Action;

pub const KNOWN: [&str; 14] = [
    "id",
    "commission",
    "platform_share",
    "paying_model",
    "hold_days",
    "evidence_order",
    "currency",
    "rates",
    "minimum",
    "maximum",
    "approval",
    "tiers",
    "fraud",
    "effective_from",
];
const RATE: [&str; 5] = ["event", "sku", "category", "customer", "commission"];
const TIER: [&str; 3] = ["from_count", "from_revenue", "commission"];

/// What the platform keeps where a contract does not say.
const PLATFORM_SHARE: Ppm = Ppm(300_000);
/// Rates are tried one by one for each article.
const RATES: usize = 200;
/// Kinds of events that a contract can have a rate for.
const EVENTS: [Action; 5] = [Action::Purchase, Action::Signup, Action::Lead, Action::Custom, Action::Rebill];

/// An amount with where it stands.
struct Money<'a> {
    line: u64,
    field: String,
    shown: &'a str,
    currency: Currency,
}

pub fn contract(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Contract, Noted> {
    // All fields are read before the first is asked for, so that all problems are found.
    let problems = &mut *notes.problems;
    let mut amounts = Vec::new();
    let commission = fields.required("commission", problems, commission);
    if let Ok(Commission::Flat(_, currency)) = commission {
        amounts.extend(money_at(fields, "commission", currency));
    }
    let platform_share = fields.optional("platform_share", problems, percent);
    let paying_model = fields.required("paying_model", problems, |text| one_of(text, &Model::ALL, Model::name));
    let hold_days = fields.required("hold_days", problems, hold_days);
    let evidence_order = evidence_order(fields, problems);
    let currency = fields.optional("currency", problems, |text| {
        Currency::parse(text).map_err(|_| "expected an ISO 4217 code, like USD".into())
    });
    let rates = rates(fields, problems, &mut amounts);
    let minimum = amount(fields, "minimum", problems, &mut amounts);
    let maximum = amount(fields, "maximum", problems, &mut amounts);
    if let (Ok(Some(minimum)), Ok(Some(maximum))) = (minimum, maximum)
        && minimum > maximum
    {
        note(fields, "minimum", "more than the maximum", problems);
    }
    let approval = fields.optional("approval", problems, |text| one_of(text, &Approval::ALL, Approval::name));
    let tiers = tiers(fields, problems, &mut amounts);
    let fraud = fraud::terms(fields, problems);
    let currency = one_currency(currency?, &amounts, problems)?;
    let (commission_rate_ppm, flat) = commission?.parts();
    Ok(Contract {
        commission_rate_ppm,
        platform_share_ppm: platform_share?.unwrap_or(PLATFORM_SHARE),
        paying_model: paying_model?,
        hold_days: hold_days?,
        evidence_order: evidence_order?,
        fraud: fraud?,
        currency,
        flat,
        rates: rates?,
        minimum: minimum?,
        maximum: maximum?,
        approval: approval?.unwrap_or(Approval::Automatic),
        tiers: tiers?,
    })
}

fn note(fields: &Fields<'_>, field: &str, reason: &str, problems: &mut Vec<Problem>) {
    let shown = fields.get(field).map_or("", Node::shown);
    problems.push(Problem::new(fields.line_of(field), fields.path(field), shown, reason));
}

fn money_at<'a>(fields: &Fields<'a>, field: &str, currency: Currency) -> Option<Money<'a>> {
    let shown = fields.get(field)?.shown();
    Some(Money { line: fields.line_of(field), field: fields.path(field), shown, currency })
}

fn amount<'a>(
    fields: &Fields<'a>,
    field: &str,
    problems: &mut Vec<Problem>,
    amounts: &mut Vec<Money<'a>>,
) -> Result<Option<Amount>, Noted> {
    let Some((amount, currency)) = fields.optional(field, problems, money)? else { return Ok(None) };
    amounts.extend(money_at(fields, field, currency));
    Ok(Some(amount))
}

/// The contract's, else that of its first amount: money of two currencies does not add.
fn one_currency(
    given: Option<Currency>,
    amounts: &[Money<'_>],
    problems: &mut Vec<Problem>,
) -> Result<Option<Currency>, Noted> {
    let Some(currency) = given.or_else(|| amounts.first().map(|first| first.currency)) else { return Ok(None) };
    let others: Vec<&Money> = amounts.iter().filter(|amount| amount.currency != currency).collect();
    for Money { line, field, shown, .. } in &others {
        let reason = format!("the contract's currency is {currency}");
        problems.push(Problem::new(*line, field.clone(), shown, reason));
    }
    if others.is_empty() { Ok(Some(currency)) } else { Err(Noted) }
}

fn rates<'a>(
    fields: &Fields<'a>,
    problems: &mut Vec<Problem>,
    amounts: &mut Vec<Money<'a>>,
) -> Result<Vec<Rate>, Noted> {
    let items = fields.list("rates", problems)?.unwrap_or_default();
    let noted_before = problems.len();
    if items.len() > RATES {
        note(fields, "rates", &format!("{} rates; at most {RATES}", items.len()), problems);
    }
    let mut rates: Vec<(u64, Rate)> = Vec::new();
    for item in items {
        let Some(fields) = Fields::open(item, "contracts.rates", &RATE, problems) else { continue };
        let Ok(rate) = rate(&fields, problems, amounts) else { continue };
        if let Some((line, _)) = rates.iter().find(|(_, earlier)| fits_wherever(earlier, &rate)) {
            let reason = format!("never reached: the rate in line {line} fits wherever this one does");
            problems.push(Problem::without_value(fields.line, "contracts.rates", reason));
        }
        rates.push((fields.line, rate));
    }
    if problems.len() == noted_before { Ok(rates.into_iter().map(|(_, rate)| rate).collect()) } else { Err(Noted) }
}

fn rate<'a>(fields: &Fields<'a>, problems: &mut Vec<Problem>, amounts: &mut Vec<Money<'a>>) -> Result<Rate, Noted> {
    let action = fields.optional("event", problems, |text| one_of(text, &EVENTS, Action::name));
    let sku = fields.optional("sku", problems, article);
    let category = fields.optional("category", problems, article);
    let customer = fields.optional("customer", problems, |text| one_of(text, &CustomerKind::ALL, CustomerKind::name));
    let commission = fields.required("commission", problems, commission);
    if let Ok(Commission::Flat(_, currency)) = commission {
        amounts.extend(money_at(fields, "commission", currency));
    }
    let (rate_ppm, flat) = commission?.parts();
    let rate = Rate { action: action?, sku: sku?, category: category?, customer: customer?, rate_ppm, flat };
    if rate.action.is_none() && rate.sku.is_none() && rate.category.is_none() && rate.customer.is_none() {
        let reason = "names no event, sku, category or customer; what always holds is the contract's own commission";
        problems.push(Problem::without_value(fields.line, "contracts.rates", reason));
        return Err(Noted);
    }
    Ok(rate)
}

/// Whether all that one rate asks for is asked for by another too.
fn fits_wherever(one: &Rate, other: &Rate) -> bool {
    fn asks_no_more<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || one == other
    }
    asks_no_more(one.action, other.action)
        && asks_no_more(one.sku.as_ref(), other.sku.as_ref())
        && asks_no_more(one.category.as_ref(), other.category.as_ref())
        && asks_no_more(one.customer, other.customer)
}

/// As shops name articles and categories: events carry the same.
fn article(text: &str) -> Result<String, String> {
    let good = (1..=FOREIGN_ID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if good { Ok(text.to_owned()) } else { Err(format!("expected 1 to {FOREIGN_ID_BYTES} printable bytes")) }
}

fn tiers<'a>(
    fields: &Fields<'a>,
    problems: &mut Vec<Problem>,
    amounts: &mut Vec<Money<'a>>,
) -> Result<Vec<Tier>, Noted> {
    let items = fields.list("tiers", problems)?.unwrap_or_default();
    let noted_before = problems.len();
    let mut tiers: Vec<Tier> = Vec::new();
    for item in items {
        let Some(fields) = Fields::open(item, "contracts.tiers", &TIER, problems) else { continue };
        let from_count = fields.optional("from_count", problems, whole_number);
        let from_revenue = amount(&fields, "from_revenue", problems, amounts);
        let rate_ppm = fields.required("commission", problems, percent);
        let (Ok(from_count), Ok(from_revenue), Ok(rate_ppm)) = (from_count, from_revenue, rate_ppm) else { continue };
        let tier = Tier { from_count, from_revenue, rate_ppm };
        if let Some(reason) = wrong_beside(tiers.last(), &tier) {
            problems.push(Problem::without_value(fields.line, "contracts.tiers", reason));
        }
        tiers.push(tier);
    }
    if problems.len() == noted_before { Ok(tiers) } else { Err(Noted) }
}

fn wrong_beside(before: Option<&Tier>, tier: &Tier) -> Option<&'static str> {
    match (tier.from_count, tier.from_revenue, before) {
        (None, None, _) | (Some(_), Some(_), _) => Some("expected from_count or from_revenue, one of them"),
        (_, _, None) => None,
        (Some(count), None, Some(before)) => match before.from_count {
            Some(earlier) if earlier < count => None,
            Some(_) => Some("expected a larger from_count than the tier before"),
            None => Some("expected from_revenue, as the tier before has it"),
        },
        (None, Some(revenue), Some(before)) => match before.from_revenue {
            Some(earlier) if earlier < revenue => None,
            Some(_) => Some("expected a larger from_revenue than the tier before"),
            None => Some("expected from_count, as the tier before has it"),
        },
    }
}
