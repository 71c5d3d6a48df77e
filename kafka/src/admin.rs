//! Topics of an installation: made, checked by every role when it starts, deleted by tests. Which topics there are is
//! `schemas::topic`'s; what they must be like is `admin::shape`'s.

mod client;
mod shape;

pub use shape::{Misfit, Misfits};

use crate::catalog::writer;
use crate::ends::Ends;
use crate::{Error as ClientError, KafkaConfig};
use client::Admin;
use schemas::catalog::Catalog;
use schemas::name::TenantId;
use schemas::offset::NextOffset;
use schemas::record::catalog::{CatalogEntry, EntityKind, Installation};
use schemas::time::Micros;
use schemas::topic::Topic;
use shape::Found;
use std::fmt;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Misfits(#[from] Misfits),
    #[error("{doing} {topic}: {reason}")]
    Refused { doing: &'static str, topic: String, reason: String },
    #[error("{field} is {value}, expected {expected}")]
    BadArgument { field: &'static str, value: i32, expected: &'static str },
    #[error("topic {topic} has no leader yet, {waited_ms} ms after it was made")]
    NotReady { topic: String, waited_ms: u128 },
}

/// The number of partitions of every co-partitioned topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partitions(pub i32);

/// What `create_topics` did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created {
    pub created: Vec<String>,
    /// They were there already, and fit.
    pub existing: Vec<String>,
    pub partitions: Partitions,
}

impl fmt::Display for Created {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (created, existing) = (self.created.len(), self.existing.len());
        write!(out, "{created} topics created, {existing} existed, {} partitions each", self.partitions.0)
    }
}

/// Makes the topics that are missing and records the number of partitions in the catalog. Topics that exist must fit.
pub fn create_topics(config: &KafkaConfig, partitions: i32, replication: i32, now: Micros) -> Result<Created, Error> {
    // A thousand partitions of eleven topics are what one small cluster holds.
    if !(1..=1000).contains(&partitions) {
        return Err(Error::BadArgument { field: "partitions", value: partitions, expected: "1 to 1000" });
    }
    if !(1..=5).contains(&replication) {
        return Err(Error::BadArgument { field: "replication", value: replication, expected: "1 to 5" });
    }
    if replication < shape::SAFE_REPLICATION && !config.development {
        let expected = "3 or more, so that a lost disk loses nothing; for a laptop set [kafka] development = true";
        return Err(Error::BadArgument { field: "replication", value: replication, expected });
    }
    let admin = Admin::open(config)?;
    let found = admin.topics(&all_names(config))?;
    let existing: Vec<String> = found.iter().map(|topic| topic.name.clone()).collect();
    shape::check(config, Partitions(partitions), &found).refuse_any()?;
    let missing: Vec<Topic> =
        Topic::ALL.into_iter().filter(|&topic| !existing.contains(&config.topics().name(topic))).collect();
    admin.create(config, &missing, Partitions(partitions), replication)?;
    record_installation(config, Partitions(partitions), now)?;
    let created = missing.into_iter().map(|topic| config.topics().name(topic)).collect();
    Ok(Created { created, existing, partitions: Partitions(partitions) })
}

/// Topics that fit, and the cluster that they are on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    pub partitions: Partitions,
    /// The cluster's own id: two clusters with topics of the same name are told apart by it.
    pub cluster: String,
}

/// Refuses to start on topics that would lose or misplace records. Needs a catalog that has been read.
pub fn check(config: &KafkaConfig, catalog: &Catalog) -> Result<Partitions, Error> {
    check_found(config, catalog, &Admin::open(config)?.topics(&all_names(config))?)
}

/// What a cluster has of an installation's topics, to be judged when the catalog has been read: asking takes as long as
/// reading that, so a role that starts does both at once.
pub struct Survey {
    found: Vec<Found>,
    cluster: String,
}

impl Survey {
    pub fn ask(config: &KafkaConfig) -> Result<Survey, Error> {
        let admin = Admin::open(config)?;
        Ok(Survey { found: admin.topics(&all_names(config))?, cluster: admin.cluster_id()? })
    }

    /// As `check`.
    pub fn check(self, config: &KafkaConfig, catalog: &Catalog) -> Result<Checked, Error> {
        Ok(Checked { partitions: check_found(config, catalog, &self.found)?, cluster: self.cluster })
    }
}

fn check_found(config: &KafkaConfig, catalog: &Catalog, found: &[Found]) -> Result<Partitions, Error> {
    let Some(installation) = catalog.installation() else {
        return Err(Misfits::of(Misfit {
            topic: config.topics().name(Topic::Catalog),
            field: "installation",
            found: "not recorded".into(),
            expected: "the number of partitions".into(),
        })
        .into());
    };
    let partitions = Partitions(installation.partitions);
    let mut misfits = shape::check(config, partitions, found);
    for topic in Topic::ALL {
        let name = config.topics().name(topic);
        if !found.iter().any(|found| found.name == name) {
            misfits.add(Misfit { topic: name, field: "topic", found: "missing".into(), expected: "to exist".into() });
        }
    }
    misfits.refuse_any()?;
    Ok(partitions)
}

/// Deletes this installation's topics, and so everything it knows. For tests.
pub fn delete_topics(config: &KafkaConfig) -> Result<(), Error> {
    Admin::open(config)?.delete(&all_names(config))
}

/// Deletes what the processor made of clicks, events and the catalog, and where its group stands; then `create_topics`
/// makes the topics anew, and the processor begins at the beginning. For benchmarks: it must not run meanwhile.
pub fn forget_processing(config: &KafkaConfig, group: &str) -> Result<(), Error> {
    let made = Topic::ALL.into_iter().filter(|&topic| made_by_processor(topic));
    let admin = Admin::open(config)?;
    admin.delete(&made.map(|topic| config.topics().name(topic)).collect::<Vec<_>>())?;
    admin.delete_group(&config.id(group))
}

fn made_by_processor(topic: Topic) -> bool {
    match topic {
        Topic::Clicks | Topic::Events | Topic::Rejected | Topic::Catalog => false,
        Topic::Candidates
        | Topic::Decisions
        | Topic::Attributions
        | Topic::Journal
        | Topic::Payouts
        | Topic::Budgets
        | Topic::DecideChangelog
        | Topic::SettleChangelog
        | Topic::DeadLetters => true,
    }
}

/// Where each partition of a topic ends now, transactions that are still open included.
pub fn end_offsets(config: &KafkaConfig, topic: Topic) -> Result<Vec<NextOffset>, Error> {
    let name = config.topics().name(topic);
    let ends = Ends::open(config)?;
    let Some(partitions) = ends.partitions(&name)? else {
        let misfit = Misfit { topic: name, field: "topic", found: "missing".into(), expected: "to exist".into() };
        return Err(Misfits::of(misfit).into());
    };
    (0..partitions).map(|partition| Ok(ends.of(&name, partition)?.1)).collect()
}

fn all_names(config: &KafkaConfig) -> Vec<String> {
    Topic::ALL.into_iter().map(|topic| config.topics().name(topic)).collect()
}

fn record_installation(config: &KafkaConfig, partitions: Partitions, now: Micros) -> Result<(), Error> {
    writer::write(config, |catalog| match catalog.installation() {
        Some(installation) if installation.partitions == partitions.0 => Ok(Vec::new()),
        Some(installation) => Err(Error::Misfits(Misfits::of(Misfit {
            topic: config.topics().name(Topic::Catalog),
            field: "installation.partitions",
            found: installation.partitions.to_string(),
            expected: partitions.0.to_string(),
        }))),
        None => Ok(vec![installation(partitions, now)]),
    })?;
    Ok(())
}

fn installation(partitions: Partitions, now: Micros) -> CatalogEntry {
    let tenant = TenantId::new("default").expect("`default` is a slug");
    CatalogEntry {
        applied_at: now,
        installation: Some(Installation { partitions: partitions.0 }),
        ..CatalogEntry::bare(EntityKind::Installation, tenant, "installation")
    }
}
