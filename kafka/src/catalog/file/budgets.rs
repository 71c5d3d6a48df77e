//! A campaign's budgets in a catalog file.

use super::fields::{Fields, Noted, time};
use super::sections::Notes;
use super::terms::money;
use crate::catalog::problem::Problem;
use schemas::name::PublisherId;
use schemas::record::catalog::{Budget, EntityKind};
use schemas::time::Micros;

const FIELD: &str = "budgets";
const KNOWN: [&str; 3] = ["limit", "from", "publisher"];
/// Each booking of the campaign looks through them.
const MOST: usize = 100;

/// Sorted, so that another order of writing is no other version.
pub fn budgets(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Vec<Budget>, Noted> {
    let items = fields.list(FIELD, notes.problems)?.unwrap_or_default();
    let noted_before = notes.problems.len();
    if items.len() > MOST {
        let reason = format!("{} budgets; at most {MOST}", items.len());
        notes.problems.push(Problem::without_value(fields.line_of(FIELD), fields.path(FIELD), reason));
    }
    let mut budgets: Vec<Budget> = Vec::with_capacity(items.len());
    for item in items {
        let Some(own) = Fields::open(item, "campaigns.budgets", &KNOWN, notes.problems) else { continue };
        let publisher = notes.reference_if_any(&own, "publisher", EntityKind::Publisher, PublisherId::new);
        let limit = own.required("limit", notes.problems, |text| {
            let limit = money(text)?;
            if limit.0.is_zero() { Err("nothing could ever be paid from it".into()) } else { Ok(limit) }
        });
        let from = own.optional("from", notes.problems, time);
        let (Ok(publisher), Ok((limit, currency)), Ok(from)) = (publisher, limit, from) else { continue };
        let budget = Budget { publisher, currency, from: from.unwrap_or(Micros(0)), limit };
        let same = |other: &Budget| {
            (&other.publisher, other.currency, other.from) == (&budget.publisher, budget.currency, budget.from)
        };
        if budgets.iter().any(same) {
            let reason = "another budget has the same publisher, currency and time";
            notes.problems.push(Problem::without_value(own.line, "campaigns.budgets", reason));
        }
        budgets.push(budget);
    }
    budgets.sort();
    if notes.problems.len() == noted_before { Ok(budgets) } else { Err(Noted) }
}

#[cfg(test)]
mod tests {
    use crate::catalog::file::{Body, parse};
    use schemas::decimal::{Amount, Currency};
    use schemas::name::PublisherId;
    use schemas::record::catalog::Budget;
    use schemas::time::Micros;

    fn file(budgets: &str) -> String {
        format!(
            "tenant: default\neffective_from: 2026-01-01T00:00:00Z\ncampaigns:\n- id: s\n  advertiser: acme\n  name: S\n  \
             destination: https://s.example/\n  contract: c\n  look_back: 30d\n  budgets:\n{budgets}"
        )
    }

    #[test]
    fn a_campaign_has_budgets_of_its_own_and_of_publishers() {
        let file = parse(&file(
            "  - {limit: 500 USD, from: 2026-11-01T00:00:00Z, publisher: beta}\n  - {limit: 10000.00 USD}\n",
        ));
        assert_eq!(file.problems, []);
        let Body::Campaign(campaign) = &file.drafts[0].body else { panic!("{:?}", file.drafts[0]) };
        let budget = |publisher, from, limit| {
            let limit = Amount::parse(limit).expect("an amount");
            Budget { publisher, currency: Currency::USD, from, limit }
        };
        let from = Micros::parse("2026-11-01T00:00:00Z").expect("a time");
        let of_beta = budget(PublisherId::new("beta").ok(), from, "500");
        assert_eq!(campaign.budgets, [budget(None, Micros(0), "10000"), of_beta]);
        assert_eq!(file.drafts[0].references.len(), 3, "advertiser, contract and the budget's publisher");
    }

    #[test]
    fn what_is_wrong_with_budgets_is_told_all_at_once() {
        let file = parse(&file("  - {limit: 0 USD}\n  - {limit: 5}\n  - {limit: 1 EUR}\n  - {limit: 2 EUR}\n  - {}\n"));
        let told: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "11: field `campaigns.budgets.limit`: value \"0 USD\": nothing could ever be paid from it",
                "12: field `campaigns.budgets.limit`: value \"5\": expected an amount and its currency, like 50.00 USD, of at \
                 most 1000000000",
                "14: field `campaigns.budgets`: another budget has the same publisher, currency and time",
                "15: field `campaigns.budgets.limit`: missing",
            ]
        );
    }
}
