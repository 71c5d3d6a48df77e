//! A schema as writing and reading need it: names resolved, and only the kinds that our records use.

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, NamesRef, ResolvedSchema};

#[derive(Clone, Debug)]
pub enum Shape {
    Boolean,
    /// `int` and `long`, with or without a logical type.
    Number,
    String,
    Bytes,
    /// Of so many bytes, with or without a logical type.
    Fixed(usize),
    Enum(Vec<String>),
    /// The union of null and something, in this order.
    Option(Box<Shape>),
    Array(Box<Shape>),
    Map(Box<Shape>),
    /// In the order of the schema, which is that of the struct.
    Record(Vec<(String, Shape)>),
}

impl Shape {
    /// # Panics
    /// On a schema with kinds that none of our records uses: schemas are compiled in.
    pub fn of(schema: &Schema) -> Shape {
        let resolved = ResolvedSchema::try_from(schema).expect("a compiled-in schema resolves");
        shape(schema, resolved.get_names())
    }
}

fn shape(schema: &Schema, names: &NamesRef<'_>) -> Shape {
    match schema {
        Schema::Boolean => Shape::Boolean,
        Schema::Int | Schema::Long | Schema::TimestampMicros => Shape::Number,
        Schema::String => Shape::String,
        Schema::Bytes => Shape::Bytes,
        Schema::Fixed(fixed) => Shape::Fixed(fixed.size),
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => Shape::Fixed(fixed.size),
            InnerDecimalSchema::Bytes => Shape::Bytes,
        },
        Schema::Enum(symbols) => Shape::Enum(symbols.symbols.clone()),
        Schema::Array(array) => Shape::Array(Box::new(shape(&array.items, names))),
        Schema::Map(map) => Shape::Map(Box::new(shape(&map.types, names))),
        Schema::Union(union) => match union.variants() {
            [Schema::Null, some] => Shape::Option(Box::new(shape(some, names))),
            other => panic!("a union that is not null and something: {other:?}"),
        },
        Schema::Record(record) => {
            Shape::Record(record.fields.iter().map(|field| (field.name.clone(), shape(&field.schema, names))).collect())
        }
        Schema::Ref { name } => shape(names.get(name).expect("a resolved name"), names),
        other => panic!("a kind that no record of ours uses: {other:?}"),
    }
}
