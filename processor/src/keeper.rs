//! Keeps budgets: adds up what accounts report of them, and has the catalog say which are spent (decision 27).
//!
//! Beside the data path, so it may look at a clock. Every process of the processor has one: they come to the same verdicts,
//! and the catalog has one writer at a time, who looks at what it says already.

use crate::runtime::{Installation, Shared};
use domain::settle::budget::{Budget, Ledger};
use kafka::KafkaConfig;
use kafka::queue::Record;
use kafka::tail::Tail;
use schemas::catalog::{Catalog, budget_id};
use schemas::codec;
use schemas::decimal::Currency;
use schemas::name::{CampaignId, PublisherId, TenantId};
use schemas::record::budget::BudgetSpent;
use schemas::record::catalog::{self, BudgetPassed, CatalogEntry, EntityKind};
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How soon a report is looked at: a budget is a soft limit.
const LOOK: Duration = Duration::from_secs(1);
/// After an error, which is nearly always a broker that is away.
const PAUSE: Duration = Duration::from_secs(5);

/// Until shutdown.
pub fn keep(shared: &Shared, installation: &Installation) {
    while !shared.shutdown.requested() {
        if let Err(error) = follow(shared, installation) {
            if shared.shutdown.requested() {
                return;
            }
            tracing::warn!(%error, "budgets are not looked at, trying again");
            shared.sleep(PAUSE);
        }
    }
}

fn follow(shared: &Shared, installation: &Installation) -> Result<(), kafka::Error> {
    let topic = shared.kafka.topics().name(Topic::Budgets);
    let mut books = Books::default();
    let mut tail = Tail::open_after(&shared.kafka, &topic, |record| books.take(&record), || Ok(()))?;
    while !shared.shutdown.requested() {
        let catalog = installation.catalog.current();
        if !books.news(&catalog).is_empty() {
            pause_what_is_spent(&shared.kafka, &books)?;
        }
        tail.take(Duration::ZERO, |record| books.take(&record));
        shared.sleep(LOOK);
    }
    Ok(())
}

fn pause_what_is_spent(config: &KafkaConfig, books: &Books) -> Result<(), kafka::Error> {
    let written = kafka::catalog::write(config, |catalog| Ok::<_, kafka::Error>(books.entries(catalog, now())))?;
    for passed in written.entries.iter().filter_map(|entry| entry.budget_passed.as_ref()) {
        let BudgetPassed { campaign, publisher, currency, limit, spent, .. } = passed;
        let publisher = publisher.as_ref().map_or("*", PublisherId::as_str);
        let overshoot = *spent - *limit;
        tracing::warn!(%campaign, publisher, %currency, %limit, %spent, %overshoot, "budget is spent");
    }
    metrics::counter!("processor_budgets_passed_total").increment(written.entries.len() as u64);
    Ok(())
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Which budget a report is about.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Of {
    tenant: TenantId,
    campaign: CampaignId,
    publisher: Option<PublisherId>,
    currency: Currency,
    from: Micros,
}

impl Of {
    fn is(&self, budget: &catalog::Budget) -> bool {
        (&self.publisher, self.currency, self.from) == (&budget.publisher, budget.currency, budget.from)
    }
}

#[derive(Default)]
struct Books(HashMap<Of, Ledger>);

impl Books {
    fn take(&mut self, record: &Record<'_>) {
        match codec::decode::<BudgetSpent>(record.value.unwrap_or_default()) {
            Ok(report) => self.add(report),
            Err(error) => tracing::warn!(offset = record.offset.0, %error, "no report of a budget, passed over"),
        }
    }

    fn add(&mut self, report: BudgetSpent) {
        let BudgetSpent { tenant, campaign, publisher, currency, from, .. } = report.clone();
        self.0.entry(Of { tenant, campaign, publisher, currency, from }).or_default().take(report);
    }

    /// What the catalog does not say yet of budgets that campaigns now have, each with its tenant and id.
    fn news(&self, catalog: &Catalog) -> Vec<(&TenantId, String, BudgetPassed)> {
        let mut news = Vec::new();
        for (of, ledger) in &self.0 {
            let budgets = catalog.budgets(&of.tenant, &of.campaign, catalog.read_to());
            let Some(terms) = budgets.iter().find(|budget| of.is(budget)) else { continue };
            let id = budget_id(&of.campaign, terms);
            let written = catalog.newest_of(EntityKind::BudgetPassed, &of.tenant, &id);
            let written = written.and_then(|entry| entry.budget_passed.as_ref());
            let budget = Budget { tenant: &of.tenant, campaign: &of.campaign, terms };
            news.extend(budget.verdict(ledger.spent(), written).map(|passed| (&of.tenant, id, passed)));
        }
        news
    }

    fn entries(&self, catalog: &Catalog, now: Micros) -> Vec<CatalogEntry> {
        let entry = |(tenant, id, passed): (&TenantId, String, BudgetPassed)| {
            let last = catalog.newest_of(EntityKind::BudgetPassed, tenant, &id).map_or(0, |entry| entry.version);
            CatalogEntry {
                version: last + 1,
                effective_from: now,
                applied_at: now,
                budget_passed: Some(passed),
                ..CatalogEntry::bare(EntityKind::BudgetPassed, tenant.clone(), &id)
            }
        };
        self.news(catalog).into_iter().map(entry).collect()
    }
}
