//! The difference per publisher, as a table for people or as JSON.

use domain::whatif::{Paid, Sum};
use schemas::decimal::{Amount, Currency};
use schemas::name::PublisherId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Report {
    /// In the range.
    pub conversions: u64,
    /// Of these: pay otherwise.
    pub changed: u64,
    pub sums: BTreeMap<(PublisherId, Currency), Sum>,
    /// Inputs that decide refused too.
    pub passed_over: u64,
}

const HEAD: [&str; 8] =
    ["publisher", "currency", "conversions", "payout now", "payout then", "difference", "advertiser", "platform"];

impl Report {
    /// Differences of what the advertiser pays and the platform keeps stand beside the payout's.
    pub fn text(&self) -> String {
        let mut rows: Vec<[String; 8]> = vec![HEAD.map(str::to_owned)];
        let mut all: BTreeMap<Currency, (u64, Paid, Paid)> = BTreeMap::new();
        for ((publisher, currency), sum) in &self.sums {
            rows.push(row(publisher.as_str(), *currency, sum.conversions, &sum.now, &sum.then));
            let (conversions, now, then) = all.entry(*currency).or_default();
            *conversions += sum.conversions;
            add(now, &sum.now);
            add(then, &sum.then);
        }
        if self.sums.len() > 1 {
            let of_all = all.iter().map(|(currency, (count, now, then))| row("all", *currency, *count, now, then));
            rows.extend(of_all);
        }
        let mut text = String::new();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        if !self.sums.is_empty() {
            for row in &rows {
                let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
                    0 | 1 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                });
                text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
                text.push('\n');
            }
        }
        text.push_str(&format!("{} conversions in the range, {} pay otherwise", self.conversions, self.changed));
        if self.passed_over > 0 {
            text.push_str(&format!("; {} records were passed over, as decide does", self.passed_over));
        }
        text.push('\n');
        text
    }

    pub fn json(&self) -> Value {
        let publishers = self.sums.iter().map(|((publisher, currency), sum)| {
            json!({
                "publisher": publisher,
                "currency": currency,
                "conversions": sum.conversions,
                "now": paid(&sum.now),
                "then": paid(&sum.then),
                "payout_difference": sum.then.payout - sum.now.payout,
            })
        });
        json!({
            "conversions": self.conversions,
            "changed": self.changed,
            "passed_over": self.passed_over,
            "publishers": publishers.collect::<Vec<_>>(),
        })
    }
}

fn paid(paid: &Paid) -> Value {
    json!({ "commission": paid.commission, "payout": paid.payout, "platform_fee": paid.platform_fee })
}

fn add(sum: &mut Paid, other: &Paid) {
    sum.commission += other.commission;
    sum.payout += other.payout;
    sum.platform_fee += other.platform_fee;
}

fn row(publisher: &str, currency: Currency, conversions: u64, now: &Paid, then: &Paid) -> [String; 8] {
    let show = |amount: Amount| domain::explanation::shown_money(amount, currency);
    let signed = |amount: Amount| match amount > Amount::ZERO {
        true => format!("+{}", show(amount)),
        false => show(amount),
    };
    [
        publisher.to_owned(),
        currency.to_string(),
        conversions.to_string(),
        show(now.payout),
        show(then.payout),
        signed(then.payout - now.payout),
        signed(then.commission - now.commission),
        signed(then.platform_fee - now.platform_fee),
    ]
}
