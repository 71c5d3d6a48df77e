//! A broker of the run's own in a scratch folder, and installations on it: topics and a catalog.

use crate::error::{Error, FileContext};
use kafka::KafkaConfig;
use kafka::group::Place;
use schemas::offset::Offset;
use schemas::time::Micros;
use schemas::topic::Topic;
use stack::Server;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const CATALOG: &str = include_str!("../../chaos/catalog.yaml");

/// A broker on free ports, killed when this is dropped.
pub struct Site {
    options: stack::Options,
    bootstrap: String,
    dir: PathBuf,
}

impl Site {
    /// Begins in an empty `dir`: what an earlier run left there is stopped and deleted.
    pub fn open(dir: &Path, exe: &Path) -> Result<Site, Error> {
        let dir = std::path::absolute(dir).at("resolve", dir)?;
        let options = stack::Options::for_test(dir.join("stack"), exe);
        if options.dir.is_dir() {
            stack::reset(&options)?;
        }
        if dir.is_dir() {
            std::fs::remove_dir_all(&dir).at("delete", &dir)?;
        }
        std::fs::create_dir_all(&dir).at("create", &dir)?;
        let endpoints = stack::start_one(&options, Server::Kafka)?;
        Ok(Site { options, bootstrap: endpoints.kafka_bootstrap, dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub fn options(&self) -> &stack::Options {
        &self.options
    }

    /// kill -9.
    pub fn kill_broker(&self) -> Result<(), Error> {
        Ok(stack::kill(&self.options, Server::Kafka)?)
    }

    /// Returns when the broker answers.
    pub fn start_broker(&self) -> Result<(), Error> {
        let endpoints = stack::start_one(&self.options, Server::Kafka)?;
        if endpoints.kafka_bootstrap != self.bootstrap {
            // Its port was taken meanwhile: no client would find it.
            return Err(Error::Chaos {
                doing: "start the broker again",
                reason: format!("it moved from {} to {}", self.bootstrap, endpoints.kafka_bootstrap),
            });
        }
        Ok(())
    }

    /// Topics under this prefix, with the chaos run's catalog.
    pub fn install(&self, prefix: &str, partitions: i32) -> Result<Installation, Error> {
        let kafka = KafkaConfig { bootstrap: self.bootstrap.clone(), prefix: prefix.into(), development: true };
        let failed = |doing| move |reason: String| Error::Chaos { doing, reason };
        let made = kafka::admin::create_topics(&kafka, partitions, 1, now());
        made.map_err(|error| failed("create topics")(error.to_string()))?;
        let file = self.dir.join("catalog.yaml");
        std::fs::write(&file, CATALOG).at("write", &file)?;
        let applied = kafka::catalog::apply(&kafka, &file, None, now(), false);
        let applied = applied.map_err(|error| failed("apply the catalog")(error.to_string()))?;
        let catalog_offset = applied.last.unwrap_or(Offset::NONE);
        Ok(Installation { kafka, partitions, catalog_offset })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = stack::kill(&self.options, Server::Kafka) {
            tracing::error!(%error, "the broker was not stopped");
        }
    }
}

pub struct Installation {
    pub kafka: KafkaConfig,
    pub partitions: i32,
    /// Of the catalog's last entry: what an edge that has read all of it stamps on its records.
    pub catalog_offset: Offset,
}

impl Installation {
    pub fn places(&self, topic: Topic) -> Vec<Place> {
        let name = self.kafka.topics().name(topic);
        (0..self.partitions).map(|partition| Place { topic: name.clone(), partition }).collect()
    }

    /// Clicks that the processor has not committed yet. Nothing but clicks is written to their topic, without
    /// transactions, so that none left means that all are done.
    pub fn clicks_left(&self) -> Result<i64, Error> {
        let places = self.places(Topic::Clicks);
        let extents = kafka::range::extents(&self.kafka, &places)?;
        let positions = kafka::position::of_group(&self.kafka, "processor", &places)?;
        let left = extents.iter().zip(positions).map(|(extent, next)| extent.end.0 - next.unwrap_or(extent.first).0);
        Ok(left.sum())
    }
}

pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
