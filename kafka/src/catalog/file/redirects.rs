//! Where clicks of a campaign or a link go besides its destination, in a catalog file: rules, rotation, deep links,
//! schedule and fallback.

use super::fields::{Fields, Noted, one_of, time};
use super::terms::{destination, whole_number};
use super::tree::{Node, Value};
use crate::catalog::problem::Problem;
use schemas::name::CampaignId;
use schemas::record::catalog::{Device, RedirectRule, Redirects, System, Variant};
use std::sync::Arc;
use url::Url;

const RULE: [&str; 6] = ["name", "country", "device", "os", "language", "to"];
const VARIANT: [&str; 3] = ["name", "weight", "to"];
/// A click looks through them.
const RULES: usize = 50;
const VARIANTS: usize = 20;
const HOSTS: usize = 50;
/// Countries of a rule: there are not many more.
const VALUES: usize = 260;
const WEIGHT: i64 = 10_000;

/// What a campaign or a link says of it; None where it says nothing. A link has its own times, and its campaign's hosts.
pub fn redirects(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Result<Option<Arc<Redirects>>, Noted> {
    let rules = items(fields, "rules", RULES, problems, rule);
    let variants = items(fields, "variants", VARIANTS, problems, variant);
    let fallback = fields.optional("fallback", problems, destination);
    let deep_link_hosts = texts(fields, "deep_links", HOSTS, problems, host);
    let starts_at = fields.optional("starts_at", problems, time);
    let ends_at = fields.optional("ends_at", problems, time);
    if let (Ok(Some(starts)), Ok(Some(ends))) = (starts_at, ends_at)
        && ends <= starts
    {
        let shown = fields.get("ends_at").map_or("", Node::shown);
        let reason = "not after starts_at: nothing would ever count";
        problems.push(Problem::new(fields.line_of("ends_at"), fields.path("ends_at"), shown, reason));
        return Err(Noted);
    }
    let (rules, variants) =
        (named_once(fields, "rules", rules?, problems), named_once(fields, "variants", variants?, problems));
    let redirects = Redirects {
        rules: rules?,
        variants: variants?,
        fallback: fallback?,
        deep_link_hosts: deep_link_hosts?,
        starts_at: starts_at?,
        ends_at: ends_at?,
    };
    Ok((redirects != Redirects::default()).then(|| Arc::new(redirects)))
}

trait Named {
    fn name(&self) -> &str;
}

impl Named for RedirectRule {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Variant {
    fn name(&self) -> &str {
        &self.name
    }
}

/// The path of a list's items.
fn section(fields: &Fields<'_>, field: &str) -> &'static str {
    let paths = ["campaigns.rules", "campaigns.variants", "links.rules", "links.variants"];
    paths.into_iter().find(|path| *path == fields.path(field)).unwrap_or("")
}

/// With the line of each.
fn items<T>(
    fields: &Fields<'_>,
    field: &'static str,
    most: usize,
    problems: &mut Vec<Problem>,
    read: fn(&Node, &'static str, &mut Vec<Problem>) -> Result<T, Noted>,
) -> Result<Vec<(u64, T)>, Noted> {
    let items = fields.list(field, problems)?.unwrap_or_default();
    let noted_before = problems.len();
    if items.len() > most {
        let reason = format!("{} of them; at most {most}", items.len());
        problems.push(Problem::without_value(fields.line_of(field), fields.path(field), reason));
    }
    let section = section(fields, field);
    let read = items.iter().map(|item| read(item, section, problems).map(|read| (item.line, read)));
    let read: Vec<_> = read.flatten().collect();
    if problems.len() == noted_before { Ok(read) } else { Err(Noted) }
}

/// A click says by its name which one sent it.
fn named_once<T: Named>(
    fields: &Fields<'_>,
    field: &str,
    items: Vec<(u64, T)>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<T>, Noted> {
    let noted_before = problems.len();
    for (place, (line, item)) in items.iter().enumerate() {
        if items[..place].iter().any(|(_, earlier)| earlier.name() == item.name()) {
            problems.push(Problem::new(*line, fields.path(&format!("{field}.name")), item.name(), "named twice"));
        }
    }
    if problems.len() == noted_before { Ok(items.into_iter().map(|(_, item)| item).collect()) } else { Err(Noted) }
}

fn rule(item: &Node, section: &'static str, problems: &mut Vec<Problem>) -> Result<RedirectRule, Noted> {
    let fields = Fields::open(item, section, &RULE, problems).ok_or(Noted)?;
    let name = fields.required("name", problems, name);
    let countries = texts(&fields, "country", VALUES, problems, |text| letters(text, true));
    let devices = texts(&fields, "device", VALUES, problems, |text| one_of(text, &Device::ALL, Device::name));
    let systems = texts(&fields, "os", VALUES, problems, |text| one_of(text, &System::ALL, System::name));
    let languages = texts(&fields, "language", VALUES, problems, |text| letters(text, false));
    let destination = fields.required("to", problems, destination);
    let rule = RedirectRule {
        name: name?,
        countries: countries?,
        devices: devices?,
        systems: systems?,
        languages: languages?,
        destination: destination?,
    };
    let lengths = [rule.countries.len(), rule.devices.len(), rule.systems.len(), rule.languages.len()];
    if lengths == [0; 4] {
        let reason = "names no country, device, os or language; what always holds is the destination";
        problems.push(Problem::without_value(fields.line, section, reason));
        return Err(Noted);
    }
    Ok(rule)
}

fn variant(item: &Node, section: &'static str, problems: &mut Vec<Problem>) -> Result<Variant, Noted> {
    let fields = Fields::open(item, section, &VARIANT, problems).ok_or(Noted)?;
    let name = fields.required("name", problems, name);
    let weight = fields.required("weight", problems, |text| {
        let weight = whole_number(text).ok().filter(|weight| *weight <= WEIGHT);
        let weight = weight.and_then(|weight| i32::try_from(weight).ok());
        weight.ok_or_else(|| format!("expected a whole number from 1 to {WEIGHT}"))
    });
    let destination = fields.optional("to", problems, destination);
    Ok(Variant { name: name?, weight: weight?, destination: destination? })
}

/// One value, or a list of them.
fn texts<T: PartialEq>(
    fields: &Fields<'_>,
    field: &str,
    most: usize,
    problems: &mut Vec<Problem>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Noted> {
    let Some(node) = fields.get(field) else { return Ok(Vec::new()) };
    let one = std::slice::from_ref(node);
    let items = if let Value::List(items) = &node.value { items.as_slice() } else { one };
    let noted_before = problems.len();
    if items.len() > most || items.is_empty() {
        let reason = format!("{} of them; expected 1 to {most}", items.len());
        problems.push(Problem::without_value(node.line, fields.path(field), reason));
    }
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        let parsed = match &item.value {
            Value::Scalar(text) => read(text),
            Value::Null | Value::List(_) | Value::Map(_) => Err("expected a single value".into()),
        };
        match parsed {
            Ok(value) if found.contains(&value) => {
                problems.push(Problem::new(item.line, fields.path(field), item.shown(), "named twice"));
            }
            Ok(value) => found.push(value),
            Err(reason) => problems.push(Problem::new(item.line, fields.path(field), item.shown(), reason)),
        }
    }
    if problems.len() == noted_before { Ok(found) } else { Err(Noted) }
}

fn name(text: &str) -> Result<String, String> {
    // As campaigns are named: it stands in reports beside them.
    CampaignId::new(text).map(|name| name.to_string()).map_err(|bad| format!("expected {}", bad.expected))
}

fn letters(text: &str, country: bool) -> Result<String, String> {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphabetic());
    match text.len() {
        2 if letters && country => Ok(text.to_ascii_uppercase()),
        2 | 3 if letters && !country => Ok(text.to_ascii_lowercase()),
        _ if country => Err("expected a country's two letters (ISO 3166), like DE".into()),
        _ => Err("expected a language's two or three letters (ISO 639), like de".into()),
    }
}

/// `shop.example`, or `*.shop.example` for all below it. As URLs are compared: in lower case, in ASCII.
fn host(text: &str) -> Result<String, String> {
    let expected = || "expected a host like shop.example, or *.shop.example for all below it".to_owned();
    let (stars, bare) = text.strip_prefix("*.").map_or(("", text), |bare| ("*.", bare));
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-');
    if bare.is_empty() || bare.len() > 253 || !bare.chars().all(plain) || !bare.contains('.') || bare.ends_with('.') {
        return Err(expected());
    }
    let url = Url::parse(&format!("https://{bare}/")).map_err(|_| expected())?;
    url.host_str().map(|host| format!("{stars}{host}")).ok_or_else(expected)
}
