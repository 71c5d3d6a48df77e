//! Clicks and events as the peers' generator writes them: Avro binary after the 5-byte Confluent header, decoded by
//! hand as the peers do. What ids mean here is `installation`'s.

use schemas::id::{ClickId, JourneyId};
use schemas::time::Micros;

/// Ids begin here, so that each takes the eight bytes of a snowflake id.
const ID_BASE: i64 = 1 << 48;
const CLICK: u32 = 1;
const EVENT: u32 = 2;

#[derive(Debug, thiserror::Error)]
#[error("not a peer's {what}: {reason}")]
pub struct BadPeerRecord {
    pub what: &'static str,
    pub reason: String,
}

#[derive(Debug, PartialEq, Eq)]
pub struct PeerClick<'a> {
    pub click_id: ClickId,
    pub journey_id: JourneyId,
    pub tenant: usize,
    pub campaign: usize,
    pub publisher: usize,
    pub link: usize,
    pub occurred_at: Micros,
    pub ip_hash: [u8; 16],
    pub user_agent_hash: i64,
    pub referrer: &'a str,
    pub sub1: &'a str,
    pub sub2: Option<&'a str>,
    pub country: &'a str,
    pub device: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
pub struct PeerEvent<'a> {
    pub event_id: [u8; 16],
    pub journey_id: JourneyId,
    pub tenant: usize,
    pub order_id: &'a str,
    pub amount_minor: i64,
    pub currency: &'a str,
    pub coupon: Option<&'a str>,
    pub customer_id: &'a str,
    pub occurred_at: Micros,
    pub landing_url: &'a str,
}

impl<'a> PeerClick<'a> {
    pub fn read(value: &'a [u8]) -> Result<Self, BadPeerRecord> {
        let mut cursor = Cursor::open(value, "click", CLICK)?;
        let click = PeerClick {
            click_id: ClickId(cursor.fixed()?),
            journey_id: JourneyId(cursor.fixed()?),
            tenant: cursor.id()?,
            campaign: cursor.id()?,
            publisher: cursor.id()?,
            link: cursor.id()?,
            occurred_at: Micros(cursor.long()?),
            ip_hash: cursor.fixed()?,
            user_agent_hash: cursor.long()?,
            referrer: cursor.text()?,
            sub1: cursor.text()?,
            sub2: cursor.nullable()?,
            country: cursor.text()?,
            device: cursor.text()?,
        };
        cursor.take(1)?; // bot, which no rule reads
        cursor.close(click)
    }
}

impl<'a> PeerEvent<'a> {
    /// As text: 32 hexadecimal digits.
    pub fn event_id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.event_id))
    }

    pub fn read(value: &'a [u8]) -> Result<Self, BadPeerRecord> {
        let mut cursor = Cursor::open(value, "event", EVENT)?;
        let (event_id, journey_id, tenant) = (cursor.fixed()?, JourneyId(cursor.fixed()?), cursor.id()?);
        cursor.id()?; // the campaign: its clicks name it
        cursor.text()?; // always "purchase"
        let event = PeerEvent {
            event_id,
            journey_id,
            tenant,
            order_id: cursor.text()?,
            amount_minor: cursor.long()?,
            currency: cursor.text()?,
            coupon: cursor.nullable()?,
            customer_id: cursor.text()?,
            occurred_at: Micros(cursor.long()?),
            landing_url: cursor.text()?,
        };
        cursor.close(event)
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    fn open(value: &'a [u8], what: &'static str, schema: u32) -> Result<Self, BadPeerRecord> {
        let mut cursor = Cursor { rest: value, what };
        let header = cursor.take(5)?;
        let found = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        if header[0] != 0 || found != schema {
            return Err(cursor.bad(format!("schema {found} after byte {:#04x}, expected {schema}", header[0])));
        }
        Ok(cursor)
    }

    fn close<T>(self, record: T) -> Result<T, BadPeerRecord> {
        if self.rest.is_empty() { Ok(record) } else { Err(self.bad(format!("{} bytes too many", self.rest.len()))) }
    }

    fn bad(&self, reason: String) -> BadPeerRecord {
        BadPeerRecord { what: self.what, reason }
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], BadPeerRecord> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or_else(|| self.bad("cut off".into()))?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed(&mut self) -> Result<[u8; 16], BadPeerRecord> {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(self.take(16)?);
        Ok(bytes)
    }

    /// Avro's long: zigzag, seven bits a byte.
    fn long(&mut self) -> Result<i64, BadPeerRecord> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err(self.bad("a number of more than 64 bits".into()))
    }

    fn id(&mut self) -> Result<usize, BadPeerRecord> {
        let id = self.long()?;
        usize::try_from(id - ID_BASE).map_err(|_| self.bad(format!("id {id} is below {ID_BASE}")))
    }

    fn text(&mut self) -> Result<&'a str, BadPeerRecord> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| self.bad(format!("a text of {length} bytes")))?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|error| self.bad(error.to_string()))
    }

    fn nullable(&mut self) -> Result<Option<&'a str>, BadPeerRecord> {
        if self.long()? == 0 { Ok(None) } else { self.text().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(number: i64, out: &mut Vec<u8>) {
        let mut zigzag = ((number << 1) ^ (number >> 63)) as u64;
        while zigzag > 0x7f {
            out.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        out.push(zigzag as u8);
    }

    fn text(text: &str, out: &mut Vec<u8>) {
        long(text.len() as i64, out);
        out.extend_from_slice(text.as_bytes());
    }

    fn event() -> Vec<u8> {
        let mut value = vec![0, 0, 0, 0, 2];
        value.extend_from_slice(&[1; 16]);
        value.extend_from_slice(&[2; 16]);
        long(ID_BASE + 7, &mut value);
        long(ID_BASE + 1999, &mut value);
        text("purchase", &mut value);
        text("ORD-1", &mut value);
        long(12_345, &mut value);
        text("EUR", &mut value);
        long(0, &mut value);
        text("cust-1", &mut value);
        long(1_767_225_600_000_000, &mut value);
        text("https://shop.example/", &mut value);
        value
    }

    #[test]
    fn an_event_is_read_whole() {
        let value = event();
        let read = PeerEvent::read(&value).expect("a peer's event");
        assert_eq!((read.tenant, read.amount_minor, read.coupon), (7, 12_345, None));
        assert_eq!((read.order_id, read.landing_url), ("ORD-1", "https://shop.example/"));
        assert_eq!(read.occurred_at, Micros(1_767_225_600_000_000));
    }

    #[test]
    fn what_is_no_event_is_refused_at_any_length() {
        let value = event();
        for cut in 0..value.len() {
            assert!(PeerEvent::read(&value[..cut]).is_err(), "{cut}");
        }
        assert!(PeerEvent::read(&[value.as_slice(), &[0]].concat()).is_err());
        assert!(PeerClick::read(&value).is_err());
    }
}
