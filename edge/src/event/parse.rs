//! From one row of JSON to an event record, or to everything that is wrong with it. A pure function: times, keys and who
//! sends come as arguments.

use super::browser;
use super::evidence::Given;
use super::field::{Field, FieldError, Fields};
use super::identity::{self, Source};
use super::items;
use schemas::decimal::{Amount, Currency};
use schemas::id::{ConversionId, CustomerId};
use schemas::limits;
use schemas::offset::Offset;
use schemas::record::event::{Action, Channel, Event, Item};
use schemas::time::Micros;
use schemas::token::MacKeys;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a row is read with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub source: Source<'a>,
    pub keys: &'a MacKeys,
    pub received_at: Micros,
    pub catalog_offset: Offset,
    /// Where the path says it.
    pub action: Option<Action>,
    pub channel: Channel,
}

/// A row by meaning, before it is resolved.
#[derive(Debug)]
pub struct Content {
    pub action: Action,
    pub event_id: String,
    pub order_id: Option<String>,
    pub value: Amount,
    pub currency: Currency,
    /// As claimed.
    pub occurred_at: Option<Micros>,
    pub properties: Option<String>,
    pub customer: Option<CustomerId>,
    pub evidence: Given,
    pub items: Vec<Item>,
    pub refund_of: Option<String>,
}

/// Why a row is no event, with the id that it gave itself, so that its sender finds it again.
#[derive(Debug)]
pub struct Refused {
    pub event_id: Option<String>,
    pub errors: Vec<FieldError>,
}

pub fn parse(row: &RawValue, context: &Context<'_>) -> Result<Event, Refused> {
    let mut fields = Fields::read(row).map_err(|error| Refused { event_id: None, errors: vec![error] })?;
    match content(&mut fields, context) {
        Some(content) if fields.errors.is_empty() => Ok(event(content, context)),
        _ => {
            let errors = std::mem::take(&mut fields.errors);
            Err(Refused { event_id: fields.id(Field::EventId, limits::FOREIGN_ID_BYTES), errors })
        }
    }
}

/// Looks at every field, also after an error: all are told at once.
fn content(fields: &mut Fields<'_>, context: &Context<'_>) -> Option<Content> {
    let action = action(fields, context.action);
    if context.channel == Channel::Browser {
        browser::check(fields, action);
    }
    let order_id = fields.id(Field::OrderId, limits::FOREIGN_ID_BYTES);
    let refund_of = refund_of(fields, order_id.is_some(), action);
    let event_id = event_id(fields, context, order_id.as_deref(), action);
    let items = items::read(fields, action);
    let value = value(fields, action, items.as_ref().is_some_and(|items| !items.is_empty()));
    let currency = currency(fields);
    let occurred_at = occurred_at(fields);
    let properties = properties(fields);
    let customer = fields
        .id(Field::CustomerId, limits::FOREIGN_ID_BYTES)
        .map(|customer| context.keys.hash_customer(context.source.client.tenant.as_str(), &customer));
    let evidence = Given::read(fields);
    Some(Content {
        action: action?,
        event_id: event_id?,
        order_id,
        value: value?,
        currency: currency?,
        occurred_at,
        properties,
        customer,
        evidence,
        items: items?,
        refund_of,
    })
}

fn action(fields: &mut Fields<'_>, of_path: Option<Action>) -> Option<Action> {
    let Some(name) = fields.text(Field::Action) else {
        // With an error noted already where it was of a wrong type.
        if of_path.is_none() && fields.raw(Field::Action).is_none() {
            return fields.refuse(Field::Action, "missing", &format!("missing; one of {}", accepted_actions()));
        }
        return of_path;
    };
    let Some(action) = Action::parse(&name) else {
        let reason = format!("not a known action; one of {}", accepted_actions());
        return fields.refuse(Field::Action, "unknown_action", &reason);
    };
    match of_path {
        Some(of_path) if of_path != action => {
            fields.refuse(Field::Action, "other_action", &format!("this path takes {} only", of_path.name()))
        }
        _ => Some(action),
    }
}

fn accepted_actions() -> String {
    Action::ALL.map(Action::name).join(", ")
}

/// The event id of the sale that a refund or a status is about. Without it or an order id nobody would ever find the sale.
fn refund_of(fields: &mut Fields<'_>, has_order: bool, action: Option<Action>) -> Option<String> {
    let action = action?;
    let given = fields.raw(Field::RefundOf).is_some();
    if given && !action.adjusts() {
        let reason = format!("a {} is about no other event", action.name());
        return fields.refuse(Field::RefundOf, "not_for_action", &reason);
    }
    if !given && action.adjusts() && !has_order && fields.raw(Field::OrderId).is_none() {
        let reason = format!("missing, and there is no order_id: which sale is the {} about?", action.name());
        return fields.refuse(Field::RefundOf, "missing", &reason);
    }
    fields.id(Field::RefundOf, limits::FOREIGN_ID_BYTES)
}

fn event_id(
    fields: &mut Fields<'_>,
    context: &Context<'_>,
    order_id: Option<&str>,
    action: Option<Action>,
) -> Option<String> {
    if fields.raw(Field::EventId).is_some() {
        return fields.id(Field::EventId, limits::FOREIGN_ID_BYTES);
    }
    // A refused order id or action has its own error; a second one would only confuse.
    if order_id.is_none() && fields.raw(Field::OrderId).is_some() {
        return None;
    }
    // Of one order there can be several refunds: its id tells none of them from another.
    let adjusts = action?.adjusts();
    let derived = identity::derive(context.source, order_id.filter(|_| !adjusts), action?);
    derived.or_else(|| {
        let reason = match adjusts {
            true => "missing, and there is no Idempotency-Key header: a retry could not be told from a second one",
            false => {
                "missing, and there is neither an order_id nor an Idempotency-Key header: a retry could not be told from \
                 another event"
            }
        };
        fields.refuse(Field::EventId, "missing", reason)
    })
}

/// Of a refund or a chargeback none means all of it, and items say for themselves what they take back.
fn value(fields: &mut Fields<'_>, action: Option<Action>, has_items: bool) -> Option<Amount> {
    let Some(text) = fields.text(Field::Value) else {
        let sells = matches!(action, Some(Action::Purchase | Action::Sale | Action::Rebill));
        if let (Some(action), true, None) = (action, sells, fields.raw(Field::Value)) {
            return fields.refuse(Field::Value, "missing", &format!("missing; a {} has a value", action.name()));
        }
        return Some(Amount::ZERO);
    };
    let takes_back = matches!(action, Some(Action::Refund | Action::Chargeback));
    match Amount::parse(&text) {
        Ok(value) if value < Amount::ZERO => {
            let reason =
                "negative; what is given back is an event of its own, a refund, with what it gives back as its value";
            fields.refuse(Field::Value, "negative_value", reason)
        }
        Ok(_) if takes_back && has_items => fields.refuse(
            Field::Value,
            "items_and_value",
            "there are items too: give each what it takes back, or no items",
        ),
        Ok(value) if takes_back && value.is_zero() => {
            fields.refuse(Field::Value, "zero_value", "zero; leave the field out where everything is taken back")
        }
        Ok(value) => Some(value),
        Err(error) => fields.refuse(Field::Value, "bad_value", &error.to_string()),
    }
}

fn currency(fields: &mut Fields<'_>) -> Option<Currency> {
    let Some(code) = fields.text(Field::Currency) else { return Some(Currency::USD) };
    match Currency::parse(&code.to_ascii_uppercase()) {
        Ok(currency) => Some(currency),
        Err(error) => fields.refuse(Field::Currency, "bad_currency", &error.to_string()),
    }
}

fn occurred_at(fields: &mut Fields<'_>) -> Option<Micros> {
    let text = fields.text(Field::OccurredAt)?;
    match Micros::parse(&text) {
        Ok(time) => Some(time),
        Err(error) => fields.refuse(Field::OccurredAt, "bad_time", &error.to_string()),
    }
}

/// As JSON in one form, sorted and without spaces, so that the same properties hash alike.
fn properties(fields: &mut Fields<'_>) -> Option<String> {
    let raw = fields.raw(Field::Properties)?;
    let size = raw.get().len();
    if size > limits::PROPERTIES_BYTES {
        let reason = format!("{size} bytes; at most {} are accepted", limits::PROPERTIES_BYTES);
        return fields.refuse(Field::Properties, "too_long", &reason);
    }
    // Nested deeper than serde_json reads is deeper than anything behind us reads.
    match serde_json::from_str::<Value>(raw.get()) {
        Ok(value @ Value::Object(_)) => Some(value.to_string()),
        Ok(_) => fields.refuse(Field::Properties, "wrong_type", "expected a JSON object"),
        Err(error) => fields.refuse(Field::Properties, "malformed", &error.to_string()),
    }
}

fn event(content: Content, context: &Context<'_>) -> Event {
    let payload_hash = identity::payload_hash(&content);
    let client = context.source.client;
    let (tenant, advertiser) = (&client.tenant, &client.advertiser);
    // What adjusts a conversion is where its sale is.
    let adjusts = content.action.adjusts();
    let named = if adjusts { content.refund_of.as_ref() } else { Some(&content.event_id) };
    let of_event = named.map(|event_id| ConversionId::of_event(tenant, advertiser, event_id));
    let of_order = content.order_id.as_deref().map(|order_id| ConversionId::of_order(tenant, advertiser, order_id));
    let claimed = content.occurred_at.unwrap_or(context.received_at);
    Event {
        conversion_id: of_order
            .or(of_event)
            .unwrap_or_else(|| ConversionId::of_event(tenant, advertiser, &content.event_id)),
        event_conversion_id: of_order.and(of_event),
        event_id: content.event_id,
        tenant: tenant.clone(),
        advertiser: advertiser.clone(),
        api_key: client.api_key.clone(),
        action: content.action,
        order_id: content.order_id,
        value: content.value,
        currency: content.currency,
        occurred_at: claimed.min(context.received_at),
        received_at: context.received_at,
        clock_ahead_micros: claimed.since(context.received_at).max(0),
        customer: content.customer,
        evidence: content.evidence.resolve(context.keys),
        landing_url: content.evidence.landing_url,
        referrer: content.evidence.referrer,
        properties: content.properties,
        payload_hash,
        catalog_offset: context.catalog_offset,
        forwarded_to: None,
        items: content.items,
        refund_of: content.refund_of,
        to_customer: false,
        tie: None,
        channel: context.channel,
    }
}

#[cfg(test)]
mod tests;
