//! The sections of a catalog file, one function an entity: which fields it has and what each may be.

use super::fields::{Fields, Noted, boolean, display_name, one_of, time};
use super::terms::{destination, look_back_seconds, minimum_seconds};
use super::tree::{Node, Value};
use super::{Body, DefaultTime, Draft, File, KeyDraft, Reference, budgets, contract, overrides, own, redirects};
use crate::catalog::problem::Problem;
use schemas::catalog::coupon_id;
use schemas::name::{
    AdvertiserId, ApiKeyId, BadName, CampaignId, ContractId, CouponCode, LinkCode, OverrideId, PublisherId,
};
use schemas::record::catalog::{Advertiser, Campaign, Coupon, EntityKind, KeyUse, Link, Publisher, PublisherContract};
use schemas::record::event::EvidenceSource;
use std::path::PathBuf;

/// Each conversion of the campaign looks through them.
const PUBLISHER_CONTRACTS: usize = 1000;

pub struct Section {
    pub name: &'static str,
    kind: EntityKind,
    known: &'static [&'static str],
    /// The entity's id, also where the rest is wrong.
    id: fn(&Fields<'_>, &mut Vec<Problem>) -> Result<String, Noted>,
    body: fn(&Fields<'_>, &mut Notes<'_>) -> Result<Body, Noted>,
}

/// What reading a body leaves besides the body.
pub struct Notes<'a> {
    pub problems: &'a mut Vec<Problem>,
    references: Vec<Reference>,
}

/// In an order in which an entity comes after those that it names.
pub const SECTIONS: [Section; 8] = [
    Section {
        name: "advertisers",
        kind: EntityKind::Advertiser,
        known: &["id", "name", "effective_from"],
        id: |fields, problems| id(fields, problems, |text| name(AdvertiserId::new(text))),
        body: advertiser,
    },
    Section {
        name: "contracts",
        kind: EntityKind::Contract,
        known: &contract::KNOWN,
        id: |fields, problems| id(fields, problems, |text| name(ContractId::new(text))),
        body: |fields, notes| contract::contract(fields, notes).map(Body::Contract),
    },
    Section {
        name: "publishers",
        kind: EntityKind::Publisher,
        known: &["id", "name", "customers", "addresses", "effective_from"],
        id: |fields, problems| id(fields, problems, |text| name(PublisherId::new(text))),
        body: publisher,
    },
    Section {
        name: "campaigns",
        kind: EntityKind::Campaign,
        known: &[
            "id",
            "advertiser",
            "name",
            "destination",
            "contract",
            "look_back",
            "minimum_time",
            "active",
            "publisher_contracts",
            "budgets",
            "rules",
            "variants",
            "fallback",
            "deep_links",
            "starts_at",
            "ends_at",
            "effective_from",
        ],
        id: |fields, problems| id(fields, problems, |text| name(CampaignId::new(text))),
        body: campaign,
    },
    Section {
        name: "links",
        kind: EntityKind::Link,
        known: &[
            "code",
            "campaign",
            "publisher",
            "active",
            "valid_from",
            "valid_until",
            "rules",
            "variants",
            "fallback",
            "effective_from",
        ],
        id: |fields, problems| {
            fields.required("code", problems, |text| name(LinkCode::new(text))).map(|code| code.to_string())
        },
        body: link,
    },
    Section {
        name: "coupons",
        kind: EntityKind::Coupon,
        known: &[
            "code",
            "advertiser",
            "campaign",
            "publisher",
            "active",
            "valid_from",
            "valid_until",
            "effective_from",
        ],
        id: |fields, problems| {
            let code = fields.required("code", problems, |text| name(CouponCode::fold(text)));
            let advertiser = fields.required("advertiser", problems, |text| name(AdvertiserId::new(text)));
            Ok(coupon_id(&advertiser?, &code?))
        },
        body: coupon,
    },
    Section {
        name: "api_keys",
        kind: EntityKind::ApiKey,
        known: &["id", "advertiser", "key_file", "use", "signed", "active", "effective_from"],
        id: |fields, problems| id(fields, problems, |text| name(ApiKeyId::new(text))),
        body: api_key,
    },
    Section {
        name: "overrides",
        kind: EntityKind::Override,
        known: &overrides::KNOWN,
        id: |fields, problems| id(fields, problems, |text| name(OverrideId::new(text))),
        body: |fields, notes| overrides::exception(fields, notes).map(Body::Override),
    },
];

impl Section {
    /// Reads one entity into the file's drafts, or notes what is wrong with it.
    pub fn read(&self, item: &Node, default: DefaultTime, file: &mut File) {
        let Some(fields) = Fields::open(item, self.name, self.known, &mut file.problems) else { return };
        let id = (self.id)(&fields, &mut file.problems);
        let mut notes = Notes { problems: &mut file.problems, references: Vec::new() };
        let body = (self.body)(&fields, &mut notes);
        let references = notes.references;
        let effective_from = effective_from(&fields, default, &mut file.problems);
        if let (Ok(Body::Override(exception)), Ok(effective_from)) = (&body, effective_from) {
            overrides::check_end(&fields, exception, effective_from, &mut file.problems);
        }
        let (Ok(id), Ok(body), Ok(effective_from)) = (&id, body, effective_from) else {
            file.broken.extend(id.ok().map(|id| (self.kind, id)));
            file.broken_references.extend(references.into_iter().map(|reference| (self.kind, reference)));
            return;
        };
        file.drafts.push(Draft {
            line: fields.line,
            kind: self.kind,
            id: id.clone(),
            effective_from,
            effective_from_line: fields.line_of("effective_from"),
            references,
            body,
        });
    }
}

fn effective_from(
    fields: &Fields<'_>,
    default: DefaultTime,
    problems: &mut Vec<Problem>,
) -> Result<schemas::time::Micros, Noted> {
    let field = "effective_from";
    if let Some(given) = fields.optional(field, problems, time)? {
        return Ok(given);
    }
    match default {
        DefaultTime::Given(time) => Ok(time),
        DefaultTime::Bad => Err(Noted),
        DefaultTime::Absent => {
            let reason = "missing; give it here or at the top of the file";
            problems.push(Problem::without_value(fields.line, fields.path(field), reason));
            Err(Noted)
        }
    }
}

fn advertiser(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Body, Noted> {
    Ok(Body::Advertiser(Advertiser { name: fields.required("name", notes.problems, display_name)? }))
}

fn publisher(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Body, Noted> {
    let name = fields.required("name", notes.problems, display_name);
    let customers = own::hashes(fields, "customers", notes.problems);
    let addresses = own::hashes(fields, "addresses", notes.problems);
    Ok(Body::Publisher(Publisher { name: name?, customers: customers?, addresses: addresses? }))
}

pub fn evidence_order(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Result<Vec<EvidenceSource>, Noted> {
    let field = "evidence_order";
    let Some(items) = fields.list(field, problems)? else { return Ok(EvidenceSource::DEFAULT_ORDER.to_vec()) };
    let noted_before = problems.len();
    let mut order: Vec<EvidenceSource> = Vec::new();
    for item in items {
        let parsed = match &item.value {
            Value::Scalar(text) => one_of(text, &EvidenceSource::DEFAULT_ORDER, EvidenceSource::name),
            Value::Null | Value::List(_) | Value::Map(_) => Err("expected a single value".into()),
        };
        match parsed {
            Ok(source) if order.contains(&source) => {
                problems.push(Problem::new(item.line, fields.path(field), item.shown(), "named twice"));
            }
            Ok(source) => order.push(source),
            Err(reason) => problems.push(Problem::new(item.line, fields.path(field), item.shown(), reason)),
        }
    }
    if items.is_empty() {
        let reason = "empty; leave it out for the usual order";
        problems.push(Problem::without_value(fields.line_of(field), fields.path(field), reason));
    }
    if problems.len() == noted_before { Ok(order) } else { Err(Noted) }
}

fn campaign(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Body, Noted> {
    let advertiser = notes.reference(fields, "advertiser", EntityKind::Advertiser, AdvertiserId::new);
    let contract = notes.reference(fields, "contract", EntityKind::Contract, ContractId::new);
    let name = fields.required("name", notes.problems, display_name);
    let destination = fields.required("destination", notes.problems, destination);
    let look_back_seconds = fields.required("look_back", notes.problems, look_back_seconds);
    let fits = |minimum: &i64| look_back_seconds.is_err() || look_back_seconds.is_ok_and(|most| *minimum <= most);
    let minimum = fields.optional("minimum_time", notes.problems, |text| {
        let fitting = minimum_seconds(text).map(|minimum| Some(minimum).filter(fits))?;
        fitting.ok_or_else(|| "more than look_back: no click would earn".to_owned())
    });
    let active = active(fields, notes.problems);
    let publisher_contracts = publisher_contracts(fields, notes);
    let budgets = budgets::budgets(fields, notes);
    let redirects = redirects::redirects(fields, notes.problems);
    Ok(Body::Campaign(Campaign {
        advertiser: advertiser?,
        name: name?,
        destination: destination?,
        contract: contract?,
        look_back_seconds: look_back_seconds?,
        active: active?,
        minimum_seconds: minimum?.unwrap_or(0),
        publisher_contracts: publisher_contracts?,
        budgets: budgets?,
        redirects: redirects?,
    }))
}

/// Each publisher once, sorted, so that another order of writing is no other version.
fn publisher_contracts(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Vec<PublisherContract>, Noted> {
    const FIELD: &str = "publisher_contracts";
    let items = fields.list(FIELD, notes.problems)?.unwrap_or_default();
    let noted_before = notes.problems.len();
    if items.len() > PUBLISHER_CONTRACTS {
        let reason = format!("{} publishers; at most {PUBLISHER_CONTRACTS}", items.len());
        notes.problems.push(Problem::without_value(fields.line_of(FIELD), fields.path(FIELD), reason));
    }
    let mut contracts: Vec<PublisherContract> = Vec::with_capacity(items.len());
    for item in items {
        let known = ["publisher", "contract"];
        let Some(own) = Fields::open(item, "campaigns.publisher_contracts", &known, notes.problems) else { continue };
        let publisher = notes.reference(&own, "publisher", EntityKind::Publisher, PublisherId::new);
        let contract = notes.reference(&own, "contract", EntityKind::Contract, ContractId::new);
        let (Ok(publisher), Ok(contract)) = (publisher, contract) else { continue };
        if contracts.iter().any(|earlier| earlier.publisher == publisher) {
            let problem = Problem::new(own.line, own.path("publisher"), publisher.as_str(), "named twice");
            notes.problems.push(problem);
        }
        contracts.push(PublisherContract { publisher, contract });
    }
    contracts.sort_by(|a, b| a.publisher.cmp(&b.publisher));
    if notes.problems.len() == noted_before { Ok(contracts) } else { Err(Noted) }
}

fn link(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Body, Noted> {
    let campaign = notes.reference(fields, "campaign", EntityKind::Campaign, CampaignId::new);
    let publisher = notes.reference(fields, "publisher", EntityKind::Publisher, PublisherId::new);
    let active = active(fields, notes.problems);
    let valid_from = fields.optional("valid_from", notes.problems, time);
    let valid_until = fields.optional("valid_until", notes.problems, time);
    let redirects = redirects::redirects(fields, notes.problems);
    Ok(Body::Link(Link {
        campaign: campaign?,
        publisher: publisher?,
        active: active?,
        valid_from: valid_from?,
        valid_until: valid_until?,
        redirects: redirects?,
    }))
}

fn coupon(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Body, Noted> {
    // The coupon's id has told what is wrong with its advertiser.
    let advertiser = notes.reference_told_before(fields, "advertiser", EntityKind::Advertiser, AdvertiserId::new);
    let campaign = notes.reference(fields, "campaign", EntityKind::Campaign, CampaignId::new);
    let publisher = notes.reference_if_any(fields, "publisher", EntityKind::Publisher, PublisherId::new);
    let active = active(fields, notes.problems);
    let valid_from = fields.optional("valid_from", notes.problems, time);
    let valid_until = fields.optional("valid_until", notes.problems, time);
    Ok(Body::Coupon(Coupon {
        advertiser: advertiser?,
        campaign: campaign?,
        publisher: publisher?,
        active: active?,
        valid_from: valid_from?,
        valid_until: valid_until?,
    }))
}

fn api_key(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Body, Noted> {
    let advertiser = notes.reference(fields, "advertiser", EntityKind::Advertiser, AdvertiserId::new);
    let path = |text: &str| match text.trim() {
        "" => Err("expected the path of a file".to_owned()),
        path if path.contains('\0') => Err("expected the path of a file".to_owned()),
        path => Ok(PathBuf::from(path)),
    };
    let key_file = fields.required("key_file", notes.problems, path);
    let usage = fields.optional("use", notes.problems, |text| one_of(text, &KeyUse::ALL, KeyUse::name));
    let signed = fields.optional("signed", notes.problems, boolean);
    let active = active(fields, notes.problems);
    let (usage, signed) = (usage?.unwrap_or(KeyUse::Server), signed?.unwrap_or(false));
    if signed && usage != KeyUse::Server {
        let reason = "only what a server sends can be signed: a network or a page has no secret to sign with";
        let line = fields.line_of("signed");
        notes.problems.push(Problem::new(line, fields.path("signed"), "true", reason));
        return Err(Noted);
    }
    Ok(Body::ApiKey(KeyDraft {
        advertiser: advertiser?,
        key_file: key_file?,
        key_file_line: fields.line_of("key_file"),
        active: active?,
        usage,
        signed,
    }))
}

impl Notes<'_> {
    fn reference<T: ToString>(
        &mut self,
        fields: &Fields<'_>,
        field: &'static str,
        kind: EntityKind,
        new: fn(&str) -> Result<T, BadName>,
    ) -> Result<T, Noted> {
        let named = fields.required(field, self.problems, |text| name(new(text)))?;
        self.references.push(Reference { line: fields.line_of(field), field, kind, id: named.to_string() });
        Ok(named)
    }

    pub fn reference_if_any<T: ToString>(
        &mut self,
        fields: &Fields<'_>,
        field: &'static str,
        kind: EntityKind,
        new: fn(&str) -> Result<T, BadName>,
    ) -> Result<Option<T>, Noted> {
        fields.get(field).map(|_| self.reference(fields, field, kind, new)).transpose()
    }

    fn reference_told_before<T: ToString>(
        &mut self,
        fields: &Fields<'_>,
        field: &'static str,
        kind: EntityKind,
        new: fn(&str) -> Result<T, BadName>,
    ) -> Result<T, Noted> {
        let told = self.problems.len();
        let named = self.reference(fields, field, kind, new);
        self.problems.truncate(told);
        named
    }
}

fn id<T: ToString>(
    fields: &Fields<'_>,
    problems: &mut Vec<Problem>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<String, Noted> {
    fields.required("id", problems, parse).map(|id| id.to_string())
}

fn active(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Result<bool, Noted> {
    Ok(fields.optional("active", problems, boolean)?.unwrap_or(true))
}

/// The value stands in the message already.
pub fn name<T>(named: Result<T, BadName>) -> Result<T, String> {
    named.map_err(|bad| format!("expected {}", bad.expected))
}
