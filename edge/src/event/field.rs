//! The fields of one event as JSON, each looked at once: unknown and doubled ones are refused, and every error names its
//! field and shows its value.

use schemas::evidence::cut;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// Bytes of a refused value that an error shows.
const SHOWN_BYTES: usize = 64;
/// Errors told of one event; who has more has another mistake.
const ERRORS: usize = 20;

macro_rules! fields {
    ($($field:ident $name:literal),+ $(,)?) => {
        /// The fields that there are.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Field { $($field),+ }

        impl Field {
            pub const ALL: &[Field] = &[$(Field::$field),+];

            pub fn name(self) -> &'static str {
                match self { $(Field::$field => $name),+ }
            }
        }
    };
}

fields! {
    Action "action",
    EventId "event_id",
    OrderId "order_id",
    Value "value",
    Currency "currency",
    OccurredAt "occurred_at",
    Properties "properties",
    CustomerId "customer_id",
    CouponCode "coupon_code",
    ClickId "click_id",
    RefCode "ref_code",
    LandingUrl "landing_url",
    Referrer "referrer",
    Items "items",
    RefundOf "refund_of",
}

/// What is wrong with one field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FieldError {
    pub field: String,
    /// For programs, and the reason in `rejected`.
    pub code: &'static str,
    /// What was sent, as JSON.
    pub value: String,
    /// For people.
    pub reason: String,
}

/// What was sent, and what is wrong with it so far.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    given: [Option<&'a RawValue>; Field::ALL.len()],
    pub errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// The error is that the event is no JSON object.
    pub fn read(row: &'a RawValue) -> Result<Fields<'a>, FieldError> {
        let bad = |code, reason: String| FieldError { field: String::new(), code, value: shown(row.get()), reason };
        if !row.get().starts_with('{') {
            return Err(bad("not_an_object", "an event is a JSON object".to_owned()));
        }
        // The body was parsed as a whole before: only a field's name can still be wrong, such as a lone surrogate.
        serde_json::from_str(row.get()).map_err(|error: serde_json::Error| bad("malformed", error.to_string()))
    }

    /// As it was sent; `null` is not given.
    pub fn raw(&self, field: Field) -> Option<&'a RawValue> {
        self.given[field as usize].filter(|value| value.get() != "null")
    }

    /// A string, or a number as it was written: exact, since it never becomes a float.
    pub fn text(&mut self, field: Field) -> Option<String> {
        let raw = self.raw(field)?;
        match raw.get().as_bytes()[0] {
            b'"' => match serde_json::from_str(raw.get()) {
                Ok(text) => Some(text),
                Err(_) => self.refuse(field, "malformed", "not valid Unicode"),
            },
            b'-' | b'0'..=b'9' => Some(raw.get().to_owned()),
            _ => self.refuse(field, "wrong_type", "expected a string or a number"),
        }
    }

    /// As `text`, where an empty one means that there is none.
    pub fn text_if_any(&mut self, field: Field) -> Option<String> {
        self.text(field).filter(|text| !text.is_empty())
    }

    /// As `text`, of at most so many bytes, not empty, without control characters.
    pub fn id(&mut self, field: Field, limit: usize) -> Option<String> {
        let text = self.text(field)?;
        if text.is_empty() {
            self.refuse(field, "empty", "empty; leave the field out where there is none")
        } else if text.len() > limit {
            self.refuse(field, "too_long", &format!("{} bytes; at most {limit} are accepted", text.len()))
        } else if text.contains(char::is_control) {
            self.refuse(field, "malformed", "contains a control character")
        } else {
            Some(text)
        }
    }

    /// Notes what is wrong with a field; returns `None` for the place where its value would be.
    pub fn refuse<T>(&mut self, field: Field, code: &'static str, reason: &str) -> Option<T> {
        let value = self.given[field as usize].map_or("", RawValue::get);
        self.error(FieldError { field: field.name().into(), code, value: shown(value), reason: reason.into() });
        None
    }

    fn error(&mut self, error: FieldError) {
        if self.errors.len() < ERRORS {
            self.errors.push(error);
        }
    }
}

/// As an error shows it.
pub fn shown(value: &str) -> String {
    cut(value, SHOWN_BYTES).to_owned()
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor(std::marker::PhantomData))
    }
}

struct FieldsVisitor<'a>(std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for FieldsVisitor<'a> {
    type Value = Fields<'a>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'a>, M::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<Name>()? {
            match name {
                Name::Known(field) => {
                    let value: &'de RawValue = map.next_value()?;
                    if fields.given[field as usize].replace(value).is_some() {
                        fields.refuse::<()>(field, "given_twice", "the field is there twice");
                    }
                }
                Name::Unknown(name) => {
                    let value: &'de RawValue = map.next_value()?;
                    let reason = format!("there is no such field; own data belongs in {:?}", Field::Properties.name());
                    let (field, value) = (cut(&name, SHOWN_BYTES).to_owned(), shown(value.get()));
                    fields.error(FieldError { field, code: "unknown_field", value, reason });
                }
            }
        }
        Ok(fields)
    }
}

enum Name {
    Known(Field),
    Unknown(String),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a field's name")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
                let known = Field::ALL.iter().find(|field| field.name() == name);
                Ok(known.map_or_else(|| Name::Unknown(name.to_owned()), |&field| Name::Known(field)))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
