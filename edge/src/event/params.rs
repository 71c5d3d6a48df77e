//! An event as URL parameters: what networks put into the addresses that they call, and pages into those of images.
//!
//! Each field goes by the names that the common networks use for it; what nobody knows is kept as a property.

use super::field::FieldError;
use super::field::shown;
use crate::http::problem::{Kind, Problem};
use schemas::id::hash_of;
use schemas::limits;
use schemas::name::{AdvertiserId, TenantId};
use schemas::record::event::Action;
use std::collections::BTreeMap;
use url::form_urlencoded;

/// Parameters of one request: networks send twenty or thirty.
const PARAMETERS: usize = 100;

/// Of each field its names, the strongest first: where several are given the first one counts. `transaction_id` is a click
/// with some networks and an order with others: it is the order where the click has a name of its own.
pub const CLICK: [&str; 6] = ["click_id", "clickid", "cid", "subid", "sub_id", "transaction_id"];
pub const ORDER: [&str; 7] = ["order_id", "txid", "orderid", "tid", "oid", "action_id", "conversion_id"];
pub const VALUE: [&str; 8] = ["sale_amount", "amount", "order_sum", "sum", "value", "revenue", "payout", "price"];
pub const CURRENCY: [&str; 2] = ["currency", "cur"];
pub const STATUS: [&str; 3] = ["status", "payment_status", "conversion_status"];
pub const EVENT: [&str; 6] = ["event", "action", "event_name", "goal", "goal_name", "et"];
pub const OCCURRED_AT: [&str; 3] = ["occurred_at", "timestamp", "conversion_time"];
pub const COUPON: [&str; 3] = ["coupon_code", "coupon", "promo_code"];
pub const REF_CODE: [&str; 2] = ["ref_code", "ref"];

/// What came, by lower-case name.
#[derive(Debug, Default)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// From a query and a form's body. A name that comes twice with two values could be read either way.
    pub fn read(sources: &[&[u8]]) -> Result<Params, Problem> {
        let mut params = BTreeMap::new();
        for (name, value) in sources.iter().flat_map(|source| form_urlencoded::parse(source)) {
            let name = name.to_ascii_lowercase();
            if value.is_empty() || name.is_empty() {
                continue;
            }
            match params.get(&name) {
                Some(before) if *before != value => {
                    let detail = format!("parameter {:?} is there twice", shown(&name));
                    return Err(Problem::new(Kind::BadRequest, detail));
                }
                Some(_) => {}
                None if params.len() >= PARAMETERS => {
                    let detail = format!("more than {PARAMETERS} parameters");
                    return Err(Problem::new(Kind::BadRequest, detail));
                }
                None => drop(params.insert(name, value.into_owned())),
            }
        }
        Ok(Params(params))
    }

    /// The first of the names that is there, with its value; the others of them are taken away too.
    pub fn take(&mut self, names: &[&'static str]) -> Option<(&'static str, String)> {
        let mut found = None;
        for &name in names {
            let value = self.0.remove(name);
            found = found.or(value.map(|value| (name, value)));
        }
        found
    }

    pub fn take_value(&mut self, names: &[&'static str]) -> Option<String> {
        self.take(names).map(|(_, value)| value)
    }

    /// The click, and what is its order where nothing else says so.
    pub fn take_click(&mut self) -> Option<(&'static str, String)> {
        let own = &CLICK[..CLICK.len() - 1];
        own.iter().copied().find_map(|name| self.0.remove(name).map(|value| (name, value))).or_else(|| {
            let name = CLICK[CLICK.len() - 1];
            self.0.remove(name).map(|value| (name, value))
        })
    }

    /// Where a click was taken by its own name, `transaction_id` is the order.
    pub fn take_order(&mut self) -> Option<String> {
        let transaction = self.0.remove(CLICK[CLICK.len() - 1]);
        self.take_value(&ORDER).or(transaction)
    }

    /// What is left, as an event's properties: as many of them as there is room for.
    pub fn into_properties(self) -> BTreeMap<String, String> {
        let mut room = limits::PROPERTIES_BYTES / 2;
        let fits = |(name, value): &(String, String)| {
            let bytes = name.len() + value.len() + 8;
            let fits = bytes <= room;
            room -= if fits { bytes } else { 0 };
            fits
        };
        self.0.into_iter().filter(fits).collect()
    }
}

/// An order for what has none: of one click all that is said about one goal is one conversion.
pub fn order_of_click(tenant: &TenantId, advertiser: &AdvertiserId, click: &str, about: Action, goal: &str) -> String {
    // A lead becomes a sale, and is rejected or refunded under no name of its own.
    let sold = matches!(about, Action::Purchase | Action::Sale | Action::Lead | Action::Rebill) || about.adjusts();
    let about = if sold { "" } else { about.name() };
    let parts = [tenant.as_bytes(), advertiser.as_bytes(), click.as_bytes(), about.as_bytes(), goal.as_bytes()];
    format!("click-{}", hex(hash_of("tributary order of a click v1", &parts)))
}

pub fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// What a parameter says that cannot be taken.
pub fn refused(field: &str, code: &'static str, value: &str, reason: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), code, value: shown(value), reason: reason.into() }
}
