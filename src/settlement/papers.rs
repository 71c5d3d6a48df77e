//! What settlement prints, and the files for the bank and the tax office.

use domain::settle::bank;
use domain::settle::tax::{self, Form, Thresholds};
use schemas::decimal::Amount;
use schemas::id::RunId;
use schemas::name::{PublisherId, TenantId};
use schemas::record::payout::Payout;
use schemas::record::settlement::RunTotal;
use schemas::record::statement::Statement;
use schemas::time::Micros;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

pub fn total(total: &RunTotal) -> String {
    let RunTotal { currency, accounts, statements, payouts, paid_out, carried, owed } = total;
    format!(
        "{currency}  {accounts} accounts, {statements} statements, {payouts} payouts of {paid_out} in all; {carried} carried \
         on, {owed} owed by publishers"
    )
}

pub fn payouts(payouts: &[Payout]) -> String {
    let mut out = String::new();
    for payout in payouts {
        let Payout { payout_id, publisher, amount, currency, state, as_of, by, .. } = payout;
        let (amount, state, day) = (amount.to_string(), state.name(), day(*as_of));
        let row = format!("{payout_id}  {publisher:<20} {amount:>16} {currency}  {state:<8}  {day}  by {by}");
        let note = [&payout.reference, &payout.reason].into_iter().flatten().fold(row, |row, note| row + "  " + note);
        line(&mut out, &note);
    }
    out
}

pub fn statements(statements: &[Statement]) -> String {
    let mut out = String::new();
    for statement in statements {
        let Statement { publisher, currency, number, opening, returned, closing, payout, .. } = statement;
        if statement.part == 1 {
            let day = day(statement.as_of);
            line(&mut out, &format!("{publisher}, statement {number} in {currency}, as of {day}"));
            line(&mut out, &format!("  {opening:>16}  opening"));
            if !returned.is_zero() {
                line(&mut out, &format!("  {returned:>16}  returned by the bank"));
            }
        }
        for entry in &statement.lines {
            let campaign = entry.campaign.as_ref().map_or("", |campaign| campaign.as_str());
            let (amount, kind, day) = (entry.amount.to_string(), entry.kind.name(), self::day(entry.occurred_at));
            line(&mut out, &format!("  {amount:>16}  {kind:<8} {day}  {campaign}  {}", entry.conversion_id));
        }
        if statement.part == statement.parts {
            let paid = statement.payout_id.map_or_else(String::new, |id| format!(" ({id})"));
            line(&mut out, &format!("  {:>16}  paid out{paid}", (-*payout).to_string()));
            line(&mut out, &format!("  {:>16}  closing\n", closing.to_string()));
        }
    }
    out
}

pub fn bank_file(payouts: &[Payout], run: RunId, out: Option<&Path>) -> anyhow::Result<()> {
    let file = bank::file(run, payouts);
    anyhow::ensure!(!file.totals.is_empty(), "the run has no payout that is approved and not sent yet");
    match out {
        None => print!("{}", file.csv),
        Some(path) => {
            std::fs::write(path, &file.csv).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            for (currency, (rows, sum)) in &file.totals {
                println!("{}: {rows} payouts of {sum} {currency} in all", path.display());
            }
        }
    }
    Ok(())
}

pub fn tax_forms(
    payouts: &[Payout],
    year: i64,
    us_publishers: &Path,
    tenant: &TenantId,
    threshold: Option<Amount>,
) -> anyhow::Result<()> {
    let named = std::fs::read_to_string(us_publishers);
    let named = named.map_err(|error| anyhow::anyhow!("{}: {error}", us_publishers.display()))?;
    let us_publishers = forms(&named, tenant)?;
    let thresholds = threshold.map_or_else(Thresholds::default, |amount| Thresholds::default().with(year, amount));
    println!("tenant,publisher,form,year,total_usd,payouts,reportable,other_currencies");
    for of in tax::year_totals(year, payouts, &us_publishers, &thresholds) {
        let others: Vec<_> = of.unconverted.iter().map(|(currency, amount)| format!("{amount} {currency}")).collect();
        let (form, others) = (of.form.name(), others.join("; "));
        println!("{},{},{form},{year},{},{},{},{others}", of.tenant, of.publisher, of.total, of.payouts, of.reportable);
    }
    Ok(())
}

fn forms(text: &str, tenant: &TenantId) -> anyhow::Result<BTreeMap<(TenantId, PublisherId), Form>> {
    let mut forms = BTreeMap::new();
    for (number, row) in (1..).zip(text.lines()).filter(|(_, row)| !row.trim().is_empty()) {
        let wrong = || anyhow::anyhow!("line {number}: expected `publisher,nec` or `publisher,misc`, found {row:?}");
        let (publisher, form) = row.trim().split_once(',').ok_or_else(wrong)?;
        let form = match form {
            "nec" => Form::Nec,
            "misc" => Form::Misc,
            _ => return Err(wrong()),
        };
        forms.insert((tenant.clone(), PublisherId::new(publisher).map_err(|_| wrong())?), form);
    }
    Ok(forms)
}

fn day(time: Micros) -> String {
    let (year, month, day) = time.date();
    format!("{year:04}-{month:02}-{day:02}")
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes all that is written");
}
