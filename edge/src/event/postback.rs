//! `GET|POST /postback`: a network tells what became of a click, in its own words.
//!
//! **Invariant (P7):** the token says whose event it is, whatever else the request names; a click that is not ours is
//! refused and recorded.

use super::delivery::Delivery;
use super::field::FieldError;
use super::params::{self, Params, hex, order_of_click, refused};
use super::rows::Rows;
use crate::http::Reply;
use crate::http::body::{self, Format};
use crate::http::coding;
use crate::http::problem::{Kind, Problem};
use crate::ids;
use crate::routes::Client;
use crate::worker::Worker;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use schemas::id::hash_of;
use schemas::record::catalog::KeyUse;
use schemas::record::event::{Action, Channel};
use schemas::token::MacKeys;
use serde_json::{Map, Value};

pub const TOKEN: [&str; 3] = ["token", "security_token", "secure"];

/// What networks say of a conversion. Numbers are those of Affise.
const STATUSES: [(Status, &[&str]); 5] = [
    (Status::Pending, &["pending", "hold", "on_hold", "new", "open", "waiting", "2", "5"]),
    (Status::Approved, &["approved", "approve", "confirmed", "accepted", "paid", "success", "sale", "1"]),
    (Status::Rejected, &["rejected", "reject", "declined", "canceled", "cancelled", "trash", "invalid", "3"]),
    (Status::Refunded, &["refund", "refunded", "returned", "reversed"]),
    (Status::ChargedBack, &["chargeback", "charged_back"]),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Pending,
    Approved,
    Rejected,
    Refunded,
    ChargedBack,
}

/// Where it stands in the query: networks put it there. In a form it is read with the form.
pub fn token(query: Option<&str>) -> Option<String> {
    Params::read(&[query.unwrap_or("").as_bytes()]).ok()?.take_value(&TOKEN)
}

pub async fn receive(worker: &Worker, request: Request<Incoming>) -> Result<Reply, Problem> {
    let mut validate_only = super::validate_only(&request)?;
    let query = request.uri().query().unwrap_or("").to_owned();
    let form = if request.method() == Method::POST {
        body::check_form(request.headers())?;
        let coding = coding::of(request.headers())?;
        coding::decode(body::read(request, body::FORM_BYTES).await?, coding, body::FORM_BYTES).await?
    } else {
        bytes::Bytes::new()
    };
    let mut params = Params::read(&[query.as_bytes(), &form])?;
    // In a form's body too.
    if let Some(given) = params.take_value(&[super::VALIDATE_ONLY]) {
        validate_only |= super::is_true(given.as_bytes())?;
    }
    let token = params.take_value(&TOKEN).ok_or_else(|| Problem::unauthorized("no parameter token"))?;
    let (client, offset) = {
        let routes = worker.routes.load();
        let client = routes.client(&token, KeyUse::Postback).cloned();
        let client = client.ok_or_else(|| Problem::unauthorized("this token is not known or not active"))?;
        (client, routes.offset)
    };
    let event = event(params, &client, &worker.keys);
    let delivery = Delivery {
        worker,
        client,
        action: None,
        channel: Channel::Postback,
        idempotency_key: None,
        nonce: None,
        received_at: ids::now(),
        offset,
        validate_only,
    };
    let event = match event {
        Ok(event) => Value::Object(event).to_string(),
        Err(error) => {
            let (detail, errors) = (format!("{}: {}", error.field, error.reason), vec![error]);
            if !validate_only {
                delivery.record_rejection(None, &errors);
            }
            return Err(Problem::new(Kind::InvalidEvent, detail).with_errors(errors).validate_only(validate_only));
        }
    };
    let mut reply = delivery.deliver(Rows::split(event.as_bytes(), Format::Json)?).await.reply?;
    // Some networks take nothing else for a success and call again.
    *reply.status_mut() = StatusCode::OK;
    Ok(reply)
}

/// The postback as an event's JSON. A function of the parameters, so that a repeat is the same event.
pub fn event(mut params: Params, client: &Client, keys: &MacKeys) -> Result<Map<String, Value>, FieldError> {
    let click = params.take_click();
    if let Some((name, token)) = &click
        && let Err(error) = keys.verify_token(token.trim())
    {
        return Err(refused(name, error.code(), token, "no click of ours"));
    }
    let click = click.map(|(_, token)| token.trim().to_owned());
    let order = params.take_order();
    let value = params.take_value(&params::VALUE);
    let Said { action, about, goal } = said(&mut params, value.is_some())?;
    let (tenant, advertiser) = (&client.tenant, &client.advertiser);
    let of_click = || click.as_ref().map(|click| order_of_click(tenant, advertiser, click, about, &goal));
    let order = order.or_else(of_click).ok_or_else(|| {
        refused("click_id", "missing", "", "missing, and there is no order_id: which conversion is this about?")
    })?;
    let currency = params.take_value(&params::CURRENCY);
    let occurred_at = params.take_value(&params::OCCURRED_AT);
    let mut event = Map::new();
    // An order's purchase, sale or signup is one event by whatever door it comes; of these there can be several.
    if action.adjusts() || matches!(action, Action::Custom | Action::Rebill) {
        let said = [Some(goal.as_str()), value.as_deref(), currency.as_deref(), occurred_at.as_deref()];
        let said = said.map(|text| text.unwrap_or("").as_bytes());
        let whose = [tenant.as_bytes(), advertiser.as_bytes(), order.as_bytes(), action.name().as_bytes()];
        let id = hash_of("tributary event id of a postback v1", &[whose, said].concat());
        event.insert("event_id".into(), format!("auto-{}", hex(id)).into());
    }
    let mut set = |name: &str, value: Option<String>| {
        value.and_then(|value| event.insert(name.to_owned(), value.into()));
    };
    set("action", Some(action.name().to_owned()));
    set("order_id", Some(order));
    // What a network rejects it tells with the amount; a rejection takes no part of it.
    set("value", value.filter(|_| !matches!(action, Action::Rejected | Action::Approved)));
    set("currency", currency);
    set("occurred_at", occurred_at);
    set("click_id", click);
    set("coupon_code", params.take_value(&params::COUPON));
    set("ref_code", params.take_value(&params::REF_CODE));
    set("customer_id", params.take_value(&["customer_id"]));
    let mut properties = params.into_properties();
    if !goal.is_empty() {
        properties.insert("event".into(), goal);
    }
    if !properties.is_empty() {
        let properties = properties.into_iter().map(|(name, value)| (name, value.into())).collect();
        event.insert("properties".into(), Value::Object(properties));
    }
    Ok(event)
}

/// What happened, to what, and the network's own name for that where we have none.
struct Said {
    action: Action,
    about: Action,
    goal: String,
}

fn said(params: &mut Params, has_value: bool) -> Result<Said, FieldError> {
    let event = params.take_value(&params::EVENT).map(|name| name.trim().to_ascii_lowercase());
    let (named, goal) = match event.as_deref() {
        None => (None, ""),
        Some("conversion" | "order" | "buy") => (Some(Action::Purchase), ""),
        Some("registration" | "register" | "reg" | "sign_up") => (Some(Action::Signup), ""),
        Some(name) => Action::parse(name).map_or((Some(Action::Custom), name), |action| (Some(action), "")),
    };
    let goal = schemas::evidence::cut(goal, schemas::limits::FOREIGN_ID_BYTES).to_owned();
    let usual = if has_value { Action::Purchase } else { Action::Lead };
    let about = named.unwrap_or(usual);
    let Some((field, text)) = params.take(&params::STATUS) else { return Ok(Said { action: about, about, goal }) };
    let text = text.trim().to_ascii_lowercase();
    let known = STATUSES.iter().find(|(_, names)| names.contains(&text.as_str())).map(|(status, _)| *status);
    let action = match (known, named) {
        // An event that says itself what became of a conversion needs no status.
        (_, Some(named)) if named.adjusts() => named,
        (Some(Status::Pending), _) => about,
        (Some(Status::Approved), None | Some(Action::Purchase)) if has_value => Action::Sale,
        (Some(Status::Approved), None | Some(Action::Purchase)) => Action::Approved,
        (Some(Status::Approved), Some(named)) => named,
        (Some(Status::Rejected), _) => Action::Rejected,
        (Some(Status::Refunded), _) => Action::Refund,
        (Some(Status::ChargedBack), _) => Action::Chargeback,
        // Keitaro says what it was: a lead, a sale, a rebill.
        (None, named) => match Action::parse(&text) {
            Some(action) if named.is_none() => action,
            Some(_) | None => {
                let names = STATUSES.iter().flat_map(|(_, names)| names.iter().copied()).collect::<Vec<_>>();
                let reason = format!("not a known status; one of {}", names.join(", "));
                return Err(refused(field, "unknown_status", &text, reason));
            }
        },
    };
    Ok(Said { action, about, goal })
}

#[cfg(test)]
pub fn event_for_test(mut params: Params) -> Result<Map<String, Value>, FieldError> {
    params.take(&[super::VALIDATE_ONLY]);
    params.take(&TOKEN);
    let keys = MacKeys::new(vec![schemas::token::MacKey::new(1, &[1; 32])]).expect("a key");
    event(params, &Client::for_test(), &keys)
}

#[cfg(test)]
mod tests;
