//! Campaign `spent`: from two hours before noon on, alpha's budget of it is spent.

use crate::shop::*;
use schemas::catalog::budget_id;
use schemas::decimal::Currency;
use schemas::name::CampaignId;
use schemas::record::catalog::{Budget, BudgetPassed, Campaign, CatalogEntry, EntityKind};
use schemas::time::Micros;

pub fn entries() -> [CatalogEntry; 3] {
    let budget =
        Budget { publisher: Some(publisher("alpha")), currency: Currency::USD, from: Micros(0), limit: amount("20") };
    let id = CampaignId::new("spent").expect("a name");
    let unlimited = campaign("spent", "acme", "standard", 30, true);
    let limited = unlimited.campaign.map(|campaign| Campaign { budgets: vec![budget.clone()], ..campaign });
    let passed = entry(EntityKind::BudgetPassed, &budget_id(&id, &budget));
    let Budget { publisher, currency, from, limit } = budget;
    let spent = BudgetPassed { campaign: id, publisher, currency, from, limit, spent: amount("21.50") };
    [
        CatalogEntry { campaign: limited, ..entry(EntityKind::Campaign, "spent") },
        link("L-spent", "spent", "alpha", true),
        CatalogEntry { effective_from: NOON.plus(-2 * HOUR), budget_passed: Some(spent), ..passed },
    ]
}
