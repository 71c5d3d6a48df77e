//! The benchmark's installation: its names, its catalog, its topics. The rates are those of the peers' rules.

use crate::bench::BenchError;
use kafka::KafkaConfig;
use schemas::name::{AdvertiserId, BadName, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::time::Micros;
use std::fmt::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// As the peers' topics: one processor thread owns both.
pub const PARTITIONS: i32 = 2;
const ADVERTISERS: usize = 50;
/// Of each advertiser: the peers have 2000 campaigns in all, but one may belong to any advertiser; ours belong to one.
const CAMPAIGNS: usize = 40;
const PUBLISHERS: usize = 5000;
const LINKS: usize = 50_000;

/// A configuration for one broker on loopback.
pub fn config(bootstrap: &str, prefix: &str) -> KafkaConfig {
    KafkaConfig { bootstrap: bootstrap.to_owned(), prefix: prefix.to_owned(), development: true }
}

/// Every name that the workload uses, made once: a clone is a pointer.
pub struct Names {
    pub tenant: TenantId,
    advertisers: Vec<AdvertiserId>,
    campaigns: Vec<CampaignId>,
    publishers: Vec<PublisherId>,
    links: Vec<LinkCode>,
}

impl Names {
    pub fn new() -> Result<Self, BadName> {
        let campaign = |at: usize| CampaignId::new(&format!("c{}-{}", at / CAMPAIGNS, at % CAMPAIGNS));
        Ok(Names {
            tenant: TenantId::new("default")?,
            advertisers: (0..ADVERTISERS).map(|at| AdvertiserId::new(&format!("a{at}"))).collect::<Result<_, _>>()?,
            campaigns: (0..ADVERTISERS * CAMPAIGNS).map(campaign).collect::<Result<_, _>>()?,
            publishers: (0..PUBLISHERS).map(|at| PublisherId::new(&format!("p{at}"))).collect::<Result<_, _>>()?,
            links: (0..LINKS).map(|at| LinkCode::new(&format!("l{at}"))).collect::<Result<_, _>>()?,
        })
    }

    pub fn advertiser(&self, tenant: usize) -> &AdvertiserId {
        &self.advertisers[tenant % ADVERTISERS]
    }

    pub fn campaign(&self, tenant: usize, campaign: usize) -> &CampaignId {
        &self.campaigns[tenant % ADVERTISERS * CAMPAIGNS + campaign % CAMPAIGNS]
    }

    pub fn publisher(&self, publisher: usize) -> &PublisherId {
        &self.publishers[publisher % PUBLISHERS]
    }

    pub fn link(&self, link: usize) -> &LinkCode {
        &self.links[link % LINKS]
    }
}

/// Creates what is missing of the topics and applies the catalog, whose file is left in `folder`.
pub fn set_up(kafka: &KafkaConfig, folder: &Path) -> Result<(), BenchError> {
    kafka::admin::create_topics(kafka, PARTITIONS, 1, now())?;
    let file = folder.join("catalog.yaml");
    std::fs::write(&file, catalog()).map_err(|error| BenchError::file("write", &file, error))?;
    kafka::catalog::apply(kafka, &file, None, now(), false)?;
    Ok(())
}

/// Decisions look up campaigns and contracts. Links are looked up by the edge only, whose work this is not: none.
fn catalog() -> String {
    let mut text = String::from("tenant: default\neffective_from: 2020-01-01T00:00:00Z\nadvertisers:\n");
    // Writing to a String cannot fail.
    for at in 0..ADVERTISERS {
        let _ = writeln!(text, "- {{id: a{at}, name: Advertiser {at}}}");
    }
    text.push_str("contracts:\n- {id: standard, commission: 12 %, platform_share: 30 %, paying_model: last, hold_days: 30}\ncampaigns:\n");
    for at in 0..ADVERTISERS * CAMPAIGNS {
        let (advertiser, number) = (at / CAMPAIGNS, at % CAMPAIGNS);
        let _ = writeln!(
            text,
            "- {{id: c{advertiser}-{number}, advertiser: a{advertiser}, name: Campaign {number}, destination: \"https://shop.example/\", contract: standard, look_back: 30d}}"
        );
    }
    text.push_str("publishers:\n");
    for at in 0..PUBLISHERS {
        let _ = writeln!(text, "- {{id: p{at}, name: Publisher {at}}}");
    }
    text
}

pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
