//! Decisions and entries in the words of the tables.

use crate::summary::summary;
use schemas::decimal::{Amount, Currency};
use schemas::record::decision::Decision;
use schemas::record::journal::{Cause, JournalEntry};

/// The outcome, the arithmetic, then whatever else the decision says, line by line.
pub fn decision(decision: &Decision) -> Vec<String> {
    let outcome = format!("{}: {} ({})", decision.outcome.name(), decision.reason, decision.reason_value);
    // A semicolon parts what a cell expects.
    let mut lines = vec![outcome, format!("arithmetic: {}", decision.arithmetic.replace(';', ","))];
    lines.push(format!("status: {}", decision.status.name()));
    lines.extend(summary(decision).into_iter().skip(1));
    if let Some(fraud) = &decision.fraud {
        lines.push(format!("fraud {}", fraud.score));
        let each = fraud.findings.iter();
        lines.extend(each.map(|found| format!("{} {} ({})", found.rule, found.score, found.measured)));
    }
    if let Some(command) = &decision.command {
        lines.push(format!("{} by {}: {}", command.verb, command.by, command.effect));
    }
    // A semicolon parts what a cell expects.
    lines.into_iter().map(|line| line.replace(';', ",")).collect()
}

/// `advertiser 10.00, alpha 7.00, platform 3.00`
pub fn entry(entry: &JournalEntry) -> String {
    let cause = match entry.cause {
        Cause::Conversion => String::new(),
        cause => format!("{}: ", cause.name()),
    };
    let posting = |posting: &schemas::record::journal::Posting| {
        let (account, of_advertiser) = match posting.account.split_once(':') {
            Some(("advertiser", _)) => ("advertiser", true),
            Some((_, publisher)) => (publisher, false),
            None => (posting.account.as_str(), false),
        };
        let amount = if of_advertiser { posting.amount } else { -posting.amount };
        format!("{account} {}", money(amount, entry.currency))
    };
    let postings: Vec<String> = entry.postings.iter().map(posting).collect();
    format!("{cause}{}", postings.join(", "))
}

/// With the places of the currency, and its name where it is not the dollar.
fn money(amount: Amount, currency: Currency) -> String {
    let text = amount.to_string();
    let (units, rest) = text.split_once('.').unwrap_or((&text, ""));
    let places = currency.minor_digits() as usize;
    assert!(rest.bytes().skip(places).all(|digit| digit == b'0'), "{amount} is not whole minor units");
    let amount = if places == 0 { units.to_owned() } else { format!("{units}.{rest:0<places$.places$}") };
    if currency == Currency::USD { amount } else { format!("{amount} {currency}") }
}
