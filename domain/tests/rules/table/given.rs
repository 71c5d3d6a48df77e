//! The clicks and events of a row.

use super::words::Words;
use super::world::World;
use crate::pipeline::Input;
use crate::shop::{DAY, HOUR, NOON, Say, click, evidence, item, sale};
use schemas::decimal::Amount;
use schemas::evidence::find;
use schemas::id::{ConversionId, CustomerId, hash_of};
use schemas::mark::{self, Mark};
use schemas::name::{ApiKeyId, CampaignId};
use schemas::record::candidates::{FirstOrder, Touch};
use schemas::record::command::{ConversionCommand, Verb};
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource, Item};

pub fn clicks(_: &World, phrases: &[&str]) -> Result<Vec<Touch>, String> {
    phrases.iter().map(|phrase| a_click(&mut Words::of(phrase))).collect()
}

fn a_click(words: &mut Words) -> Result<Touch, String> {
    let (number, of): (u8, _) = (words.parse()?, words.next()?);
    let mut touch = Touch { occurred_at: words.time()?, ..click(number, 1, of, "summer", 0) };
    while words.peek().is_some() {
        if words.take("in journey") {
            touch.journey_id = crate::shop::journey_id(words.parse()?);
        } else if words.take("on") {
            touch.campaign = CampaignId::new(words.next()?).map_err(|error| error.to_string())?;
        } else if words.take("marked") {
            let name = words.next()?;
            let found = Mark::ALL.into_iter().find(|mark| mark.name() == name);
            mark::add(&mut touch.marks, found.ok_or_else(|| format!("`{name}` is no mark"))?, words.next()?);
        } else {
            return words.unknown();
        }
    }
    Ok(touch)
}

/// The events, and the conversion of the first.
pub fn events(_: &World, clicks: &[Touch], phrases: &[&str]) -> Result<(Vec<Input>, ConversionId), String> {
    let mut inputs = Vec::new();
    let mut first = None;
    for (number, phrase) in (1..).zip(phrases) {
        let mut words = Words::of(phrase);
        if let Some(verb) = words.peek().and_then(|word| VERBS.into_iter().find(|verb| verb.name() == word)) {
            words.next()?;
            let conversion = first.ok_or("a command is about the first event")?;
            inputs.push(Input::Command(a_command(verb, number, conversion, &mut words)?));
            continue;
        }
        let (event, customer) = an_event(words.next()?, number, clicks, &mut words)?;
        first = first.or(Some(event.conversion_id).filter(|_| event.action.converts()));
        inputs.push(Input::Event(Box::new(event.clone())));
        inputs.extend(customer.map(|first_order| Input::FirstOrder(Box::new(event), first_order)));
    }
    Ok((inputs, first.ok_or("a row has an event that converts")?))
}

const VERBS: [Verb; 2] = [Verb::Release, Verb::Reject];

/// `release by ana 1 h after`, about the conversion of the first event.
fn a_command(
    verb: Verb,
    number: usize,
    conversion_id: ConversionId,
    words: &mut Words,
) -> Result<ConversionCommand, String> {
    words.expect("by")?;
    let by = words.next()?.to_owned();
    let issued_at = words.time()?;
    words.end()?;
    Ok(ConversionCommand {
        command_id: format!("c-{number}"),
        tenant: crate::shop::tenant(),
        advertiser: crate::shop::acme(),
        conversion_id,
        verb,
        by,
        why: "looked at it".into(),
        issued_at,
        catalog_offset: crate::shop::OPENED,
    })
}

/// A customer by the name that a table uses.
pub fn customer(name: &str) -> CustomerId {
    CustomerId(hash_of("test customer", &[name.as_bytes()]))
}

fn an_event(
    action: &str,
    number: usize,
    clicks: &[Touch],
    words: &mut Words,
) -> Result<(Event, Option<FirstOrder>), String> {
    let action = match action {
        "sale" => Action::Purchase,
        "network-sale" => Action::Sale,
        other => Action::parse(other).ok_or_else(|| format!("`{other}` is no kind of event"))?,
    };
    let value = if words.peek().is_some_and(|word| Amount::parse(word).is_ok()) { words.next()? } else { "0" };
    let (mut id, mut order, mut currency, mut delay) = (format!("e-{number}"), None, "USD", 0);
    let (mut about, mut is_new, mut items) = (None, None, Vec::new());
    let mut event = sale("e");
    let mut key = event.api_key.clone();
    if action.adjusts() {
        event.occurred_at = NOON.plus(HOUR);
    }
    while let Some(word) = words.peek() {
        if words.has_span() {
            event.occurred_at = words.time()?;
            continue;
        }
        words.next()?;
        match word {
            "id" => id = words.next()?.to_owned(),
            "order" => order = Some(words.next()?),
            "of" => about = Some(words.next()?),
            "items" => items.push(an_item(words)?),
            "by-new-customer" => is_new = Some(true),
            "by-returning-customer" => is_new = Some(false),
            "token" => event.evidence.push(token(EvidenceSource::ClickId, &format!("T{}", words.next()?), clicks)),
            "coupon" => event = event.coupon(words.next()?),
            "ref_code" => event = event.ref_code(words.next()?),
            "landing_url" => event.evidence.extend(in_url(EvidenceSource::LandingUrl, words.next()?, clicks)),
            "referrer" => event.evidence.extend(in_url(EvidenceSource::Referrer, words.next()?, clicks)),
            "customer" => event.customer = Some(customer(words.next()?)),
            "by_key" => key = ApiKeyId::new(words.next()?).map_err(|error| error.to_string())?,
            "received" => {
                delay = words.span()?;
                words.expect("later")?;
            }
            code if code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase()) => currency = code,
            word => return Err(format!("what is `{word}` in an event?")),
        }
    }
    let (at, evidence, customer) = (event.occurred_at, event.evidence, event.customer);
    let event = Event { action, occurred_at: at, received_at: at, evidence, customer, api_key: key, ..sale(&id) };
    let event = about.into_iter().fold(event, Say::about);
    let event = order.into_iter().fold(event, Say::order);
    let event = items.into_iter().fold(event, Say::item).value(value, currency).delayed(delay);
    let first_order = is_new.map(|is_new| match is_new {
        true => FirstOrder { at: event.occurred_at, conversion_id: event.conversion_id },
        false => FirstOrder { at: NOON.plus(-90 * DAY), conversion_id: sale("some order before").conversion_id },
    });
    Ok((event, first_order))
}

/// `2 mug 15.00`, `1 atlas/books 20.00`; of a refund also `1 mug`, `all mug`.
fn an_item(words: &mut Words) -> Result<Item, String> {
    let quantity = if words.take("all") { 0 } else { words.parse()? };
    let name = words.next()?;
    let (sku, category) = name.split_once('/').map_or((name, None), |(sku, category)| (sku, Some(category)));
    let value = if words.peek().is_some_and(|word| Amount::parse(word).is_ok()) { words.next()? } else { "0" };
    Ok(item(sku, category, quantity, value))
}

/// `T1` is the token of click 1; anything else was not signed by us.
fn token(source: EvidenceSource, text: &str, clicks: &[Touch]) -> Evidence {
    let number = text.strip_prefix('T').and_then(|number| number.parse::<u8>().ok());
    match number {
        Some(number) => {
            let journey = clicks.iter().find(|touch| touch.click_id == crate::shop::click_id(number));
            let journey_id = journey.map_or(crate::shop::journey_id(1), |touch| touch.journey_id);
            Evidence { journey_id: Some(journey_id), ..crate::shop::token(source, number, 1) }
        }
        None => Evidence { problem: Some("token_forged".into()), ..evidence(source, text, EvidenceNames::Nothing) },
    }
}

/// What the edge finds in a URL.
fn in_url(source: EvidenceSource, url: &str, clicks: &[Touch]) -> Vec<Evidence> {
    let found = find(url);
    let tokens = found.tokens.iter().map(|text| token(source, text, clicks));
    let codes = found
        .ref_codes
        .iter()
        .map(|code| Evidence { code: Some(code.clone()), ..evidence(source, code, EvidenceNames::Link) });
    tokens.chain(codes).collect()
}
