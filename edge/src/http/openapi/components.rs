//! What bodies and answers look like, as JSON Schema (2020-12).

use crate::event::field::Field;
use schemas::limits;
use schemas::record::event::Action;
use serde_json::{Map, Value, json};

pub fn schemas() -> Value {
    json!({
        "Text": { "type": "string" },
        "Document": { "type": "object" },
        "Form": { "type": "object", "additionalProperties": { "type": "string" } },
        "Events": {
            "description": "NDJSON has one event on each line",
            "oneOf": [
                { "$ref": "#/components/schemas/Event" },
                {
                    "type": "array",
                    "items": { "$ref": "#/components/schemas/Event" },
                    "minItems": 1,
                    "maxItems": limits::BATCH_ROWS,
                },
            ],
        },
        "Event": {
            "type": "object",
            "additionalProperties": false,
            "properties": Field::ALL
                .iter()
                .map(|&field| (field.name().to_owned(), of_field(field)))
                .collect::<Map<_, _>>(),
        },
        "Answer": {
            "description": "Of one event its own; of a batch `results`, one per row",
            "type": "object",
            "properties": {
                "status": { "enum": ["accepted", "valid", "rejected", "unavailable"] },
                "event_id": { "type": "string" },
                "conversion_id": { "type": ["string", "null"] },
                "validate_only": { "const": true },
                "results": { "type": "array", "items": { "type": "object" } },
            },
        },
        "Problem": {
            "description": "RFC 9457; the type is /problems/ and a name",
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": { "type": "string" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "code", "value", "reason"],
                        "additionalProperties": { "type": "string" },
                    },
                },
                "results": { "type": "array", "items": { "type": "object" } },
                "validate_only": { "const": true },
            },
        },
    })
}

fn of_field(field: Field) -> Value {
    let text = |limit: usize| json!({ "type": ["string", "number"], "maxLength": limit });
    match field {
        Field::Action => json!({ "enum": Action::ALL.map(Action::name) }),
        Field::EventId | Field::OrderId | Field::CustomerId | Field::RefundOf => text(limits::FOREIGN_ID_BYTES),
        Field::Value => json!({ "type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]{1,6})?$" }),
        Field::Currency => json!({ "type": "string", "default": "USD", "pattern": "^[A-Za-z]{3}$" }),
        Field::OccurredAt => json!({ "type": ["string", "number"] }),
        Field::Properties => json!({ "type": "object" }),
        Field::CouponCode | Field::ClickId | Field::RefCode => json!({ "type": ["string", "number"] }),
        Field::LandingUrl | Field::Referrer => text(limits::URL_BYTES),
        Field::Items => json!({ "type": "array", "maxItems": limits::ITEMS_PER_EVENT, "items": { "type": "object" } }),
    }
}
