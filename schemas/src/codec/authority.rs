//! Writing and reading by `apache_avro`, for tests to hold our own against.

use super::{HEADER_BYTES, MAGIC, PARSED, Record};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;

pub fn encode<T: Record>(record: &T) -> Vec<u8> {
    let parsed = &PARSED[T::SCHEMA];
    let schema = parsed.schemas.last().expect("a version");
    let writer = GenericDatumWriter::builder(schema).validate(false).human_readable(false).build().expect("a writer");
    let mut bytes = vec![MAGIC];
    bytes.extend_from_slice(&super::current_id::<T>().to_be_bytes());
    writer.write_ser(&mut bytes, record).expect("fits its schema");
    bytes
}

/// Of a record with the header of its current schema; every byte must belong to it.
pub fn decode<T: Record>(framed: &[u8]) -> Option<T> {
    let schema = PARSED[T::SCHEMA].schemas.last().expect("a version");
    let reader = GenericDatumReader::builder(schema).human_readable(false).build().expect("a reader");
    let mut body = framed.get(HEADER_BYTES..)?;
    let record = reader.read_deser(&mut body).ok()?;
    body.is_empty().then_some(record)
}
