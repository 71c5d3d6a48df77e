//! Reads an Avro body where it lies, without allocating. `apache_avro` stays the authority; property tests hold what is
//! read here against it.

use super::DecodeError;

/// What is left of a body. Source: Avro 1.12 specification, Binary Encoding.
pub struct Body<'a> {
    record: &'static str,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    pub fn new(record: &'static str, body: &'a [u8]) -> Self {
        Body { record, rest: body }
    }

    /// An error that names the record.
    pub fn bad(&self, reason: &str) -> DecodeError {
        DecodeError::Body { record: self.record, reason: reason.to_owned() }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.bad("it ends too early")),
        }
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.bad("it ends too early")),
        }
    }

    /// A zigzag varint of at most ten bytes.
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        let mut bits = 0_u64;
        for (position, &byte) in self.rest.iter().enumerate().take(10) {
            bits |= u64::from(byte & 0x7f) << (position * 7);
            if byte < 0x80 {
                self.rest = &self.rest[position + 1..];
                return Ok((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
        }
        Err(self.bad("a number that does not end"))
    }

    /// Of bytes or a string.
    pub fn length(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(self.long()?).map_err(|_| self.bad("a negative length"))
    }

    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| self.bad("text that is not UTF-8"))
    }

    /// A string of which `valid` says that it is a name of its kind.
    pub fn name(&mut self, valid: fn(&str) -> bool) -> Result<&'a str, DecodeError> {
        let text = self.string()?;
        if valid(text) { Ok(text) } else { Err(self.bad("a name with other characters or length than names have")) }
    }

    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.fixed::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(self.bad("a boolean that is neither 0 nor 1")),
        }
    }

    /// Of the union of null and something: whether something follows.
    pub fn branch(&mut self) -> Result<bool, DecodeError> {
        match self.long()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad("a branch that the union does not have")),
        }
    }

    /// The union of null and something.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.branch()? { read(self).map(Some) } else { Ok(None) }
    }

    /// How many items the next block of an array or a map has; none at its end.
    pub fn block(&mut self) -> Result<u64, DecodeError> {
        let count = self.long()?;
        if count < 0 {
            // A negative count is followed by the block's size in bytes.
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    /// The entries of an array or a map, each read by `read`.
    pub fn blocks(&mut self, mut read: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        loop {
            match self.block()? {
                0 => return Ok(()),
                count => (0..count).try_for_each(|_| read(self))?,
            }
        }
    }

    /// Every byte must have been read.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.rest.len())) }
    }
}
