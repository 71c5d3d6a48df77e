//! The commands that set an installation up: secrets, topics, tables, catalog.

use crate::budgets;
use clap::Subcommand;
use kafka::KafkaConfig;
use schemas::id::KeyHash;
use schemas::name::TenantId;
use schemas::time::Micros;
use schemas::topic::DEFAULT_PARTITIONS;
use sinks::ClickHouseConfig;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Subcommand)]
pub enum Secrets {
    /// Generate what is missing; existing keys stay
    Init {
        /// Where the keys are kept, readable by their owner only
        #[arg(long, default_value = "data/secrets")]
        dir: PathBuf,
    },
    /// Make a certificate for TLS that is signed by itself, and its key
    Certificate {
        /// Host names that browsers and clients ask for
        #[arg(required = true)]
        names: Vec<String>,
        #[arg(long, default_value = "data/secrets")]
        dir: PathBuf,
    },
    /// Print the secret with which the owner of an API key signs requests; it stands nowhere
    Signing {
        /// The API key's file, as the catalog file names it
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// Where the MAC keys are kept
        #[arg(long, default_value = "data/secrets")]
        dir: PathBuf,
    },
    /// Add a key that only verifies at first and signs after a while; edges read the file again by themselves
    ///
    /// Copy the file to every edge in the meantime: a token is then understood everywhere before anybody signs one.
    Rotate {
        /// How long it only verifies: time for the file to reach every edge
        #[arg(long, default_value_t = 60, value_name = "MINUTES")]
        after: u32,
        /// Where the keys are kept
        #[arg(long, default_value = "data/secrets")]
        dir: PathBuf,
    },
    /// Refuse what a key signed: tokens and cookies by it are worth nothing from then on
    Revoke {
        /// As `tributary secrets list` shows it
        id: u8,
        /// Where the keys are kept
        #[arg(long, default_value = "data/secrets")]
        dir: PathBuf,
    },
    /// List the keys with what each does, and a fingerprint by which files of two machines are compared
    List {
        /// Where the keys are kept
        #[arg(long, default_value = "data/secrets")]
        dir: PathBuf,
    },
    /// Print what events and clicks carry of a customer id or an address, for a publisher's own in a catalog file
    Hash(Hash),
}

#[derive(clap::Args)]
pub struct Hash {
    /// As events have it
    #[arg(long, value_name = "ID", required_unless_present = "address", conflicts_with = "address")]
    customer: Option<String>,
    #[arg(long)]
    address: Option<IpAddr>,
    #[arg(long, default_value = "default")]
    tenant: String,
    /// Where the keys are kept
    #[arg(long, default_value = "data/secrets")]
    dir: PathBuf,
}

impl Secrets {
    pub fn execute(self) -> anyhow::Result<()> {
        let dir = match self {
            Secrets::Init { dir } => dir,
            Secrets::Hash(hash) => return hash.execute(),
            Secrets::Certificate { names, dir } => {
                let (certificate, key) = (dir.join("certificate.pem"), dir.join("certificate.key"));
                edge::secrets::create_certificate(&certificate, &key, &names)?;
                println!("created {} and {}", certificate.display(), key.display());
                return Ok(());
            }
            Secrets::Signing { key_file, dir } => {
                let keys = edge::secrets::read_mac_keys(&dir.join("mac-keys"))?;
                let api_key = std::fs::read_to_string(&key_file)
                    .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", key_file.display()))?;
                println!("{}", keys.signing_secret(KeyHash::of_api_key(api_key.trim())));
                return Ok(());
            }
            Secrets::Rotate { after, dir } => {
                let path = dir.join("mac-keys");
                let added = edge::secrets::rotate(&path, now(), Duration::from_secs(60 * u64::from(after)))?;
                println!("key {} verifies now and signs from {}", added.id, added.from);
                println!("copy {} to every edge before that; no restart is needed", path.display());
                return Ok(());
            }
            Secrets::Revoke { id, dir } => {
                let path = dir.join("mac-keys");
                edge::secrets::revoke(&path, id, now())?;
                println!("key {id} is revoked; copy {} to every edge", path.display());
                return Ok(());
            }
            Secrets::List { dir } => {
                let keys = edge::secrets::list(&dir.join("mac-keys"), now())?;
                keys.iter().for_each(|key| println!("{key}"));
                return Ok(());
            }
        };
        let path = dir.join("mac-keys");
        if path.exists() {
            println!("{} is there already", path.display());
            return Ok(());
        }
        edge::secrets::create_mac_keys(&path)?;
        println!("created {}: every edge of the installation needs this file; keep a copy", path.display());
        Ok(())
    }
}

impl Hash {
    fn execute(self) -> anyhow::Result<()> {
        let keys = edge::secrets::read_mac_keys(&self.dir.join("mac-keys"))?;
        match (self.customer, self.address) {
            (Some(customer), _) => println!("{}", keys.hash_customer(&self.tenant, &customer)),
            // As the edge takes it from a connection.
            (None, Some(address)) => match address.to_canonical() {
                IpAddr::V4(address) => println!("{}", keys.hash_ip(&address.octets())),
                IpAddr::V6(address) => println!("{}", keys.hash_ip(&address.octets())),
            },
            (None, None) => {}
        }
        Ok(())
    }
}

#[derive(Subcommand)]
pub enum Topics {
    /// Create what is missing; the number of partitions is fixed for good
    Create {
        /// Orders and journeys hash by it: changing it later is a migration to new topics
        #[arg(long, default_value_t = DEFAULT_PARTITIONS)]
        partitions: i32,
        /// Copies of each record [default: 3, or 1 where kafka.development is set]
        #[arg(long)]
        replication: Option<i32>,
    },
}

impl Topics {
    pub fn execute(self, kafka: &KafkaConfig) -> anyhow::Result<()> {
        let Topics::Create { partitions, replication } = self;
        let replication = replication.unwrap_or(if kafka.development { 1 } else { 3 });
        println!("{}", kafka::admin::create_topics(kafka, partitions, replication, now())?);
        Ok(())
    }
}

#[derive(Subcommand)]
pub enum Tables {
    /// Create what is missing
    Create,
}

impl Tables {
    pub fn execute(self, clickhouse: &ClickHouseConfig) -> anyhow::Result<()> {
        let Tables::Create = self;
        sinks::tables::create_tables(clickhouse)?;
        println!("tables of database {} are there", clickhouse.database);
        Ok(())
    }
}

#[derive(Subcommand)]
pub enum Catalog {
    /// Check a file as a whole and write what changed, or nothing
    Apply {
        file: PathBuf,
        /// Where `key_file` paths begin [default: the file's own folder]
        #[arg(long)]
        secrets: Option<PathBuf>,
        /// Say what would be written
        #[arg(long)]
        dry_run: bool,
    },
    /// List budgets (CSV): what of each is spent, and by how much those that pause their campaign were overshot
    Budgets {
        #[arg(long, default_value = "default", value_parser = TenantId::new)]
        tenant: TenantId,
    },
}

impl Catalog {
    pub fn execute(self, kafka: &KafkaConfig) -> anyhow::Result<()> {
        match self {
            Catalog::Apply { file, secrets, dry_run } => {
                println!("{}", kafka::catalog::apply(kafka, &file, secrets.as_deref(), now(), dry_run)?);
            }
            Catalog::Budgets { tenant } => print!("{}", budgets::list(kafka, &tenant)?),
        }
        Ok(())
    }
}

pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
