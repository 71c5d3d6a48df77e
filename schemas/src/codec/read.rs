//! Reads a record as Avro's binary encoding says, walking its schema's shape beside it: the counterpart of `write`.
//!
//! Structs are read by position. That their fields are those of the schema, in its order, is what `write` checks with
//! every record.

use super::in_place::Body;
use super::misfit::Misfit;
use super::shape::Shape;
use serde::de::value::StrDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

pub struct Reader<'s, 'b, 'de> {
    pub shape: &'s Shape,
    pub body: &'b mut Body<'de>,
}

impl From<super::DecodeError> for Misfit {
    fn from(error: super::DecodeError) -> Self {
        Misfit(match error {
            super::DecodeError::Body { reason, .. } => reason,
            other => other.to_string(),
        })
    }
}

impl<'de> Deserializer<'de> for Reader<'_, '_, 'de> {
    type Error = Misfit;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Reader { shape, body } = self;
        match shape {
            Shape::Boolean => visitor.visit_bool(body.boolean()?),
            Shape::Number => visitor.visit_i64(body.long()?),
            Shape::String => visitor.visit_borrowed_str(body.string()?),
            Shape::Bytes => {
                let length = body.length()?;
                visitor.visit_borrowed_bytes(body.take(length)?)
            }
            Shape::Fixed(length) => visitor.visit_borrowed_bytes(body.take(*length)?),
            Shape::Enum(_) => visitor.visit_str(symbol(shape, body)?),
            Shape::Option(some) => match body.branch()? {
                false => visitor.visit_none(),
                true => visitor.visit_some(Reader { shape: some, body }),
            },
            Shape::Array(item) => {
                let mut items = Items { item, body, left: 0, ended: false };
                let value = visitor.visit_seq(&mut items)?;
                if items.step()? { Err(Misfit("more items than the type takes".into())) } else { Ok(value) }
            }
            Shape::Map(item) => {
                let mut items = Items { item, body, left: 0, ended: false };
                let value = visitor.visit_map(&mut items)?;
                if items.step()? { Err(Misfit("more entries than the type takes".into())) } else { Ok(value) }
            }
            Shape::Record(fields) => visitor.visit_seq(Fields { left: fields.iter(), body }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.shape {
            Shape::Option(_) => self.deserialize_any(visitor),
            other => Err(Misfit(format!("an option where the schema has {other:?}"))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let symbol: StrDeserializer<'_, Misfit> = symbol(self.shape, self.body)?.into_deserializer();
        visitor.visit_enum(symbol)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Misfit> {
        Err(Misfit("no record of ours holds a float".into()))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Misfit> {
        Err(Misfit("no record of ours holds a float".into()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn symbol<'s>(shape: &'s Shape, body: &mut Body<'_>) -> Result<&'s str, Misfit> {
    let Shape::Enum(symbols) = shape else { return Err(Misfit(format!("an enum where the schema has {shape:?}"))) };
    let position = body.long()?;
    let symbol = usize::try_from(position).ok().and_then(|position| symbols.get(position));
    symbol.map(String::as_str).ok_or_else(|| Misfit(format!("symbol {position} of {symbols:?}")))
}

struct Fields<'s, 'b, 'de> {
    left: std::slice::Iter<'s, (String, Shape)>,
    body: &'b mut Body<'de>,
}

impl<'de> de::SeqAccess<'de> for Fields<'_, '_, 'de> {
    type Error = Misfit;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some((_, shape)) = self.left.next() else { return Ok(None) };
        seed.deserialize(Reader { shape, body: self.body }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// The blocks of an array or a map.
struct Items<'s, 'b, 'de> {
    item: &'s Shape,
    body: &'b mut Body<'de>,
    left: u64,
    ended: bool,
}

impl Items<'_, '_, '_> {
    /// Whether an item comes.
    fn step(&mut self) -> Result<bool, Misfit> {
        if self.left == 0 && !self.ended {
            self.left = self.body.block()?;
            self.ended = self.left == 0;
        }
        Ok(self.left > 0)
    }
}

impl<'de> de::SeqAccess<'de> for &mut Items<'_, '_, 'de> {
    type Error = Misfit;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        if !self.step()? {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Reader { shape: self.item, body: self.body }).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for &mut Items<'_, '_, 'de> {
    type Error = Misfit;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        if !self.step()? {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Reader { shape: &Shape::String, body: self.body }).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        seed.deserialize(Reader { shape: self.item, body: self.body })
    }
}
