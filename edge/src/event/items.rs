//! The line items of an event: what was sold, or what of it is refunded.

use super::field::{Field, Fields};
use schemas::decimal::Amount;
use schemas::limits::{FOREIGN_ID_BYTES, ITEM_QUANTITY, ITEMS_PER_EVENT};
use schemas::record::event::{Action, Item};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given<'a> {
    #[serde(borrow)]
    sku: Option<&'a RawValue>,
    #[serde(borrow)]
    category: Option<&'a RawValue>,
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// None where a problem was noted. Of a refund an item may leave out its value, and its quantity for all pieces.
pub fn read(fields: &mut Fields<'_>, action: Option<Action>) -> Option<Vec<Item>> {
    let Some(raw) = fields.raw(Field::Items) else { return Some(Vec::new()) };
    let given: Vec<Given> = match serde_json::from_str(raw.get()) {
        Ok(given) => given,
        Err(error) => return fields.refuse(Field::Items, "malformed", &format!("expected a list of items: {error}")),
    };
    if given.len() > ITEMS_PER_EVENT {
        let reason = format!("{} items; at most {ITEMS_PER_EVENT} are accepted", given.len());
        return fields.refuse(Field::Items, "too_long", &reason);
    }
    let sold = !action.is_some_and(Action::adjusts);
    let mut items = Vec::with_capacity(given.len());
    for (number, given) in (1..).zip(given) {
        match item(&given, sold) {
            Ok(item) => items.push(item),
            Err(reason) => return fields.refuse(Field::Items, "bad_item", &format!("item {number}: {reason}")),
        }
    }
    Some(items)
}

fn item(given: &Given<'_>, sold: bool) -> Result<Item, String> {
    let sku = name(given.sku, "sku")?.ok_or("sku is missing")?;
    let category = name(given.category, "category")?;
    let quantity = match text(given.quantity, "quantity")? {
        Some(text) => whole(&text)?,
        None => i32::from(sold),
    };
    let value = match text(given.value, "value")? {
        Some(text) => Amount::parse(&text).map_err(|error| format!("value: {error}"))?,
        None if sold => return Err("value is missing".into()),
        None => Amount::ZERO,
    };
    if value < Amount::ZERO {
        return Err("value is negative".into());
    }
    Ok(Item { sku, category, quantity, value })
}

fn whole(text: &str) -> Result<i32, String> {
    let quantity = text.parse().ok().filter(|quantity| (1..=ITEM_QUANTITY).contains(quantity));
    quantity.ok_or_else(|| format!("quantity is no whole number from 1 to {ITEM_QUANTITY}"))
}

/// A string, or a number as it was written.
fn text(raw: Option<&RawValue>, field: &str) -> Result<Option<String>, String> {
    let Some(raw) = raw else { return Ok(None) };
    match raw.get().as_bytes()[0] {
        b'"' => serde_json::from_str(raw.get()).map(Some).map_err(|_| format!("{field} is not valid Unicode")),
        b'-' | b'0'..=b'9' => Ok(Some(raw.get().to_owned())),
        _ => Err(format!("{field} is neither a string nor a number")),
    }
}

fn name(raw: Option<&RawValue>, field: &str) -> Result<Option<String>, String> {
    let Some(text) = text(raw, field)? else { return Ok(None) };
    if text.is_empty() || text.len() > FOREIGN_ID_BYTES || text.contains(char::is_control) {
        return Err(format!("{field} is not 1 to {FOREIGN_ID_BYTES} printable bytes"));
    }
    Ok(Some(text))
}

/// In one form, for the payload hash.
pub fn told(items: &[Item]) -> String {
    let parts = items.iter().map(|item| (&item.sku, &item.category, item.quantity, item.value.to_string()));
    format!("{:?}", parts.collect::<Vec<_>>())
}
