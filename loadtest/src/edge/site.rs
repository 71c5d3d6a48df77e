//! A broker of the run's own, an installation on it (topics, the demo's catalog, keys), and the edge's settings.

use crate::chaos::site::{Site, now};
use crate::error::{Error, FileContext};
use kafka::KafkaConfig;
use kafka::group::Place;
use kafka::range::Extent;
use schemas::topic::Topic;
use stack::Server;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const CATALOG: &str = include_str!("../../demo/catalog.yaml");
const PREFIX: &str = "edge.";

/// The demo's links: one for each publisher.
pub const CODES: [&str; 12] = [
    "alpha-demo",
    "beta-demo",
    "delta-demo",
    "epsilon-demo",
    "eta-demo",
    "gamma-demo",
    "iota-demo",
    "kappa-demo",
    "lambda-demo",
    "mi-demo",
    "theta-demo",
    "zeta-demo",
];

pub struct EdgeSite {
    site: Site,
    exe: PathBuf,
    pub kafka: KafkaConfig,
    partitions: i32,
}

impl EdgeSite {
    /// Begins in an empty `dir`, with a running broker.
    pub fn open(dir: &Path, exe: &Path, partitions: i32) -> Result<EdgeSite, Error> {
        let site = Site::open(dir, exe)?;
        let kafka = KafkaConfig { bootstrap: site.bootstrap().to_owned(), prefix: PREFIX.into(), development: true };
        let failed = |doing| move |reason: String| Error::Chaos { doing, reason };
        let made = kafka::admin::create_topics(&kafka, partitions, 1, now());
        made.map_err(|error| failed("create topics")(error.to_string()))?;
        let (secrets, file) = (site.dir().join("secrets"), site.dir().join("catalog.yaml"));
        let status = Command::new(exe).args(["secrets", "init", "--dir"]).arg(&secrets).status().at("run", exe)?;
        if !status.success() {
            return Err(failed("make MAC keys")(status.to_string()));
        }
        std::fs::write(&file, CATALOG).at("write", &file)?;
        let applied = kafka::catalog::apply(&kafka, &file, Some(&secrets), now(), false);
        applied.map_err(|error| failed("apply the catalog")(error.to_string()))?;
        Ok(EdgeSite { site, exe: exe.to_owned(), kafka, partitions })
    }

    pub fn dir(&self) -> &Path {
        self.site.dir()
    }

    pub fn broker(&self) -> &Site {
        &self.site
    }

    pub fn broker_pid(&self) -> Option<u32> {
        let servers = stack::status(self.site.options());
        let kafka = servers.into_iter().find(|one| one.server == Server::Kafka)?;
        u32::try_from(kafka.pid?).ok()
    }

    pub fn api_key(&self) -> Result<String, Error> {
        let path = self.dir().join("secrets/acme-server.key");
        Ok(std::fs::read_to_string(&path).at("read", &path)?.trim().to_owned())
    }

    /// `tributary edge` on this installation, not started; `settings` beside the installation's own.
    pub fn edge(&self, listen: SocketAddr, spool: &Path, settings: &[String]) -> Vec<String> {
        let mut all = vec![
            format!("kafka.bootstrap=\"{}\"", self.kafka.bootstrap),
            format!("kafka.prefix=\"{}\"", self.kafka.prefix),
            "kafka.development=true".into(),
            format!("edge.listen=\"{listen}\""),
            format!("edge.mac_keys={:?}", self.dir().join("secrets/mac-keys").to_string_lossy()),
            format!("edge.spool_dir={:?}", spool.to_string_lossy()),
        ];
        all.extend_from_slice(settings);
        let sets = all.into_iter().flat_map(|setting| ["--set".to_owned(), setting]);
        std::iter::once(self.exe.to_string_lossy().into_owned()).chain(sets).chain(["edge".to_owned()]).collect()
    }

    pub fn extents(&self, topic: Topic) -> Result<Vec<(Place, Extent)>, Error> {
        let name = self.kafka.topics().name(topic);
        let place = |partition| Place { topic: name.clone(), partition };
        let places: Vec<Place> = (0..self.partitions).map(place).collect();
        let extents = kafka::range::extents(&self.kafka, &places)?;
        Ok(places.into_iter().zip(extents).collect())
    }

    /// Records that a topic holds.
    pub fn records(&self, topic: Topic) -> Result<u64, Error> {
        let extents = self.extents(topic)?;
        Ok(extents.iter().map(|(_, extent)| (extent.end.0 - extent.first.0).unsigned_abs()).sum())
    }

    /// Records of a topic that is not ours.
    pub fn foreign_records(&self, topic: &str) -> Result<u64, Error> {
        let place = |partition| Place { topic: topic.to_owned(), partition };
        let places: Vec<Place> = (0..self.partitions).map(place).collect();
        let extents = kafka::range::extents(&self.kafka, &places)?;
        Ok(extents.iter().map(|extent| (extent.end.0 - extent.first.0).unsigned_abs()).sum())
    }
}
