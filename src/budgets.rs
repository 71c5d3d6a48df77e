//! `tributary catalog budgets`: what of each budget is spent, and how far it was overshot.

use domain::settle::budget::Ledger;
use kafka::KafkaConfig;
use kafka::tail::Tail;
use schemas::catalog::budget_id;
use schemas::codec;
use schemas::name::{CampaignId, PublisherId, TenantId};
use schemas::record::budget::BudgetSpent;
use schemas::record::catalog::{Budget, EntityKind};
use schemas::topic::Topic;
use std::collections::HashMap;

/// Lines of CSV, the head first: campaigns by name. What accounts have not reported yet, less than a hundredth of the limit each,
/// is not in `spent`.
pub fn list(kafka: &KafkaConfig, tenant: &TenantId) -> anyhow::Result<String> {
    let catalog = kafka::catalog::read(kafka)?;
    let mut ledgers: HashMap<String, Ledger> = HashMap::new();
    let take = |record: kafka::queue::Record<'_>| {
        let Ok(report) = codec::decode::<BudgetSpent>(record.value.unwrap_or_default()) else { return };
        if report.tenant == *tenant {
            let BudgetSpent { publisher, currency, from, .. } = report.clone();
            let budget = Budget { publisher, currency, from, limit: report.spent };
            ledgers.entry(budget_id(&report.campaign, &budget)).or_default().take(report);
        }
    };
    Tail::open_after(kafka, &kafka.topics().name(Topic::Budgets), take, || Ok(()))?;
    let mut lines = Vec::new();
    for entry in catalog.newest(EntityKind::Campaign).filter(|entry| entry.tenant == *tenant) {
        for budget in entry.campaign.iter().flat_map(|campaign| &campaign.budgets) {
            let id = budget_id(&CampaignId::new(&entry.id)?, budget);
            let spent = ledgers.get(&id).map(Ledger::spent).unwrap_or_default();
            let passed = catalog.newest_of(EntityKind::BudgetPassed, tenant, &id);
            let passed = passed.and_then(|entry| entry.budget_passed.as_ref());
            let pauses = passed.is_some_and(|passed| passed.limit >= budget.limit);
            let Budget { publisher, currency, from, limit } = budget;
            let publisher = publisher.as_ref().map_or("*", PublisherId::as_str);
            let (state, over) = if pauses { ("spent", (spent - *limit).to_string()) } else { ("open", String::new()) };
            lines.push(format!("{},{publisher},{currency},{from},{limit},{spent},{state},{over}\n", entry.id));
        }
    }
    lines.sort();
    Ok(format!("campaign,publisher,currency,from,limit,spent,state,overshoot\n{}", lines.concat()))
}
