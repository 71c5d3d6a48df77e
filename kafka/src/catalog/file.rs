//! The catalog file: YAML that people write, read into typed drafts of entities, with every problem and its line.
//! `docs/catalog.md` is its description. What needs the catalog as it stands (references, versions) is the plan's.

mod budgets;
mod contract;
mod fields;
mod fraud;
mod overrides;
mod own;
mod redirects;
mod sections;
mod terms;
mod tree;

use super::problem::Problem;
use fields::Fields;
use schemas::name::{AdvertiserId, TenantId};
use schemas::record::catalog::{Advertiser, Campaign, Contract, Coupon, EntityKind, KeyUse, Link, Override, Publisher};
use schemas::time::Micros;
use std::collections::HashSet;
use std::path::PathBuf;

/// Top-level fields.
const KNOWN: [&str; 10] = [
    "tenant",
    "effective_from",
    "advertisers",
    "contracts",
    "publishers",
    "campaigns",
    "links",
    "coupons",
    "api_keys",
    "overrides",
];

/// What a file asks for.
#[derive(Debug, Default)]
pub struct File {
    /// None when `problems` says why.
    pub tenant: Option<TenantId>,
    /// In an order in which an entity comes after those that it names.
    pub drafts: Vec<Draft>,
    /// Entities that are in the file but not right: naming them is no further problem.
    pub broken: HashSet<(EntityKind, String)>,
    /// What the broken ones name, with the kind of who names it.
    pub broken_references: Vec<(EntityKind, Reference)>,
    pub problems: Vec<Problem>,
}

/// One entity as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub line: u64,
    pub kind: EntityKind,
    pub id: String,
    pub effective_from: Micros,
    /// Where it says so, or the entity's line.
    pub effective_from_line: u64,
    pub references: Vec<Reference>,
    pub body: Body,
}

/// That one entity names another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub line: u64,
    pub field: &'static str,
    pub kind: EntityKind,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Advertiser(Advertiser),
    Contract(Contract),
    Publisher(Publisher),
    Campaign(Campaign),
    Link(Link),
    Coupon(Coupon),
    ApiKey(KeyDraft),
    Override(Override),
}

/// An API key before its file has been read or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDraft {
    pub advertiser: AdvertiserId,
    pub key_file: PathBuf,
    pub key_file_line: u64,
    pub active: bool,
    pub usage: KeyUse,
    pub signed: bool,
}

/// Reads the text of a catalog file; it never fails, but notes problems.
pub fn parse(text: &str) -> File {
    let mut file = File::default();
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err(problem) => {
            file.problems.push(problem);
            return file;
        }
    };
    let Some(fields) = Fields::open(&root, "", &KNOWN, &mut file.problems) else { return file };
    let tenant = fields.required("tenant", &mut file.problems, |text| sections::name(TenantId::new(text)));
    file.tenant = tenant.ok();
    let default = match fields.optional("effective_from", &mut file.problems, fields::time) {
        Ok(Some(time)) => DefaultTime::Given(time),
        Ok(None) => DefaultTime::Absent,
        Err(fields::Noted) => DefaultTime::Bad,
    };
    for section in &sections::SECTIONS {
        // A problem is noted already; the other sections are read all the same.
        for item in fields.list(section.name, &mut file.problems).ok().flatten().unwrap_or_default() {
            section.read(item, default, &mut file);
        }
    }
    file
}

/// `effective_from` at the top of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DefaultTime {
    Given(Micros),
    Absent,
    /// The problem is noted once, not for each entity that relies on it.
    Bad,
}

#[cfg(test)]
mod tests;
