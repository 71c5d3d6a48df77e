//! Writes a record as Avro's binary encoding says, walking its schema's shape beside it. `apache_avro` does the same
//! through look-ups by name and cost two thirds of a conversion; a property test holds this against it.

use super::misfit::Misfit;
use super::shape::Shape;
use serde::ser::{self, Impossible, Serialize};

/// Where the next value goes, and what it must be.
pub struct Writer<'s, 'o> {
    pub shape: &'s Shape,
    pub out: &'o mut Vec<u8>,
}

/// Zigzag, then seven bits a byte, the lowest first.
pub fn long(value: i64, out: &mut Vec<u8>) {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

fn misfit<T>(what: &str, shape: &Shape) -> Result<T, Misfit> {
    Err(Misfit(format!("{what} where the schema has {shape:?}")))
}

impl Writer<'_, '_> {
    /// What an option holds is written behind the number of its branch.
    fn some(&mut self) -> &mut Self {
        if let Shape::Option(inner) = self.shape {
            self.out.push(2);
            self.shape = inner;
        }
        self
    }

    fn number(mut self, value: i64) -> Result<(), Misfit> {
        match self.some().shape {
            Shape::Number => {
                long(value, self.out);
                Ok(())
            }
            other => misfit("a number", other),
        }
    }
}

/// The items of an array or a map: one block, and the empty one that ends it.
pub struct Items<'s, 'o> {
    item: &'s Shape,
    out: &'o mut Vec<u8>,
}

impl Items<'_, '_> {
    fn push<T: Serialize + ?Sized>(&mut self, shape: &Shape, value: &T) -> Result<(), Misfit> {
        value.serialize(Writer { shape, out: self.out })
    }

    fn begin(length: Option<usize>, out: &mut Vec<u8>) -> Result<(), Misfit> {
        let length = length.ok_or_else(|| Misfit("a list of unknown length".into()))?;
        if length > 0 {
            long(length as i64, out);
        }
        Ok(())
    }
}

pub struct Fields<'s, 'o> {
    left: std::slice::Iter<'s, (String, Shape)>,
    out: &'o mut Vec<u8>,
}

impl ser::SerializeStruct for Fields<'_, '_> {
    type Ok = ();
    type Error = Misfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Misfit> {
        match self.left.next() {
            Some((expected, shape)) if expected == name => value.serialize(Writer { shape, out: self.out }),
            other => Err(Misfit(format!("field {name} where the schema has {:?}", other.map(|(name, _)| name)))),
        }
    }

    fn end(mut self) -> Result<(), Misfit> {
        self.left.next().map_or(Ok(()), |(name, _)| Err(Misfit(format!("no field {name}"))))
    }
}

impl ser::SerializeSeq for Items<'_, '_> {
    type Ok = ();
    type Error = Misfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        self.push(self.item, value)
    }

    fn end(self) -> Result<(), Misfit> {
        self.out.push(0);
        Ok(())
    }
}

impl ser::SerializeMap for Items<'_, '_> {
    type Ok = ();
    type Error = Misfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Misfit> {
        self.push(&Shape::String, key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        self.push(self.item, value)
    }

    fn end(self) -> Result<(), Misfit> {
        self.out.push(0);
        Ok(())
    }
}

impl<'s, 'o> ser::Serializer for Writer<'s, 'o> {
    type Ok = ();
    type Error = Misfit;
    type SerializeSeq = Items<'s, 'o>;
    type SerializeTuple = Impossible<(), Misfit>;
    type SerializeTupleStruct = Impossible<(), Misfit>;
    type SerializeTupleVariant = Impossible<(), Misfit>;
    type SerializeMap = Items<'s, 'o>;
    type SerializeStruct = Fields<'s, 'o>;
    type SerializeStructVariant = Impossible<(), Misfit>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(mut self, value: bool) -> Result<(), Misfit> {
        match self.some().shape {
            Shape::Boolean => {
                self.out.push(value.into());
                Ok(())
            }
            other => misfit("a boolean", other),
        }
    }

    fn serialize_i8(self, value: i8) -> Result<(), Misfit> {
        self.number(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Misfit> {
        self.number(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Misfit> {
        self.number(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Misfit> {
        self.number(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), Misfit> {
        self.number(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Misfit> {
        self.number(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Misfit> {
        self.number(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Misfit> {
        let value = i64::try_from(value).map_err(|_| Misfit(format!("{value} is beyond a long")))?;
        self.number(value)
    }

    fn serialize_f32(self, _: f32) -> Result<(), Misfit> {
        misfit("a float", self.shape)
    }

    fn serialize_f64(self, _: f64) -> Result<(), Misfit> {
        misfit("a float", self.shape)
    }

    fn serialize_char(self, value: char) -> Result<(), Misfit> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(mut self, text: &str) -> Result<(), Misfit> {
        match self.some().shape {
            Shape::String => {
                long(text.len() as i64, self.out);
                self.out.extend_from_slice(text.as_bytes());
                Ok(())
            }
            other => misfit("text", other),
        }
    }

    fn serialize_bytes(mut self, bytes: &[u8]) -> Result<(), Misfit> {
        match self.some().shape {
            Shape::Bytes => long(bytes.len() as i64, self.out),
            Shape::Fixed(length) if *length == bytes.len() => {}
            other => return misfit("bytes", other),
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Misfit> {
        match self.shape {
            Shape::Option(_) => {
                self.out.push(0);
                Ok(())
            }
            other => misfit("nothing", other),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), Misfit> {
        if !matches!(self.shape, Shape::Option(_)) {
            return misfit("an option", self.shape);
        }
        self.some();
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Misfit> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Misfit> {
        self.serialize_none()
    }

    fn serialize_unit_variant(mut self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Misfit> {
        let shape = self.some().shape;
        let Shape::Enum(symbols) = shape else { return misfit("an enum", shape) };
        match symbols.iter().position(|symbol| symbol == variant) {
            Some(position) => {
                long(position as i64, self.out);
                Ok(())
            }
            None => misfit(variant, shape),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Misfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Misfit> {
        misfit(variant, self.shape)
    }

    fn serialize_seq(mut self, length: Option<usize>) -> Result<Items<'s, 'o>, Misfit> {
        match self.some().shape {
            Shape::Array(item) => {
                Items::begin(length, self.out)?;
                Ok(Items { item, out: self.out })
            }
            other => misfit("a list", other),
        }
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Misfit> {
        misfit("a tuple", self.shape)
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Misfit> {
        misfit(name, self.shape)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Misfit> {
        misfit(variant, self.shape)
    }

    fn serialize_map(mut self, length: Option<usize>) -> Result<Items<'s, 'o>, Misfit> {
        match self.some().shape {
            Shape::Map(item) => {
                Items::begin(length, self.out)?;
                Ok(Items { item, out: self.out })
            }
            other => misfit("a map", other),
        }
    }

    fn serialize_struct(mut self, name: &'static str, _: usize) -> Result<Fields<'s, 'o>, Misfit> {
        match self.some().shape {
            Shape::Record(fields) => Ok(Fields { left: fields.iter(), out: self.out }),
            other => misfit(name, other),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Misfit> {
        misfit(variant, self.shape)
    }
}
