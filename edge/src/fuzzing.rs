//! Doors of the parsers of what strangers send, for `tests/fuzz` alone: bytes in, and nothing to rely on comes out.

use crate::event::identity::Source;
use crate::event::params as form;
use crate::event::parse::{self, Context};
use crate::event::postback;
use crate::event::rows::Rows;
use crate::event::signature::{self, Signature};
use crate::http::body::Format;
use crate::redirect::destination::{Destination, Fill};
use crate::redirect::params::Params;
use crate::routes::Client;
use crate::spool::format;
use crate::wire::Scan;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use schemas::id::{JourneyId, KeyHash};
use schemas::name::{AdvertiserId, ApiKeyId, TenantId};
use schemas::offset::Offset;
use schemas::record::catalog::KeyUse;
use schemas::record::event::Channel;
use schemas::time::Micros;
use schemas::token::{self, MacKey, MacKeys};
use schemas::topic::Topic;
use serde_json::value::RawValue;
use std::borrow::Cow;

pub struct Doors {
    keys: MacKeys,
    client: Client,
    destination: Destination,
}

impl Default for Doors {
    fn default() -> Doors {
        let client = Client {
            tenant: TenantId::new("default").expect("a name"),
            advertiser: AdvertiserId::new("acme").expect("a name"),
            api_key: ApiKeyId::new("acme-server").expect("a name"),
            key_hash: KeyHash::of_api_key("secret"),
            usage: KeyUse::Server,
            signed: true,
        };
        let destination = "https://shop.example/{sub1}/p?a=1&x={click_id}&s={sub10}#{sub2}";
        Doors {
            keys: MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key"),
            client,
            destination: Destination::parse(destination).expect("a destination"),
        }
    }
}

impl Doors {
    /// A token and a cookie that are good.
    pub fn signed(&self) -> [String; 2] {
        let token = token::ClickToken { click: schemas::id::ClickId([7; 16]), journey: JourneyId([9; 16]) };
        [self.keys.sign_token(token), self.keys.sign_cookie(JourneyId([9; 16]))]
    }

    /// Nobody without our key makes one up: only what was signed is taken for it.
    pub fn token(&self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let [token, cookie] = self.signed();
        assert!(self.keys.verify_token(text).is_err() || text == token);
        assert!(self.keys.verify_cookie(text).is_err() || text == cookie);
        let _ = token::peek_click(text);
    }

    /// What a visitor's query does to the place where it is sent: that stays on its host, and has no line ends.
    pub fn query(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let params = Params::from_query(Some(&text));
        let location = self.destination.location(&fill("summer", Some("T"), &params));
        let plain = location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        assert!(plain && location.starts_with("https://shop.example/"), "{location}");
        params.into_map();
    }

    /// A link's destination with macros: what is taken leads to one host, whatever the parameters are.
    pub fn destination(&self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let Ok(destination) = Destination::parse(text) else { return };
        let host =
            |location: String| url::Url::parse(&location).expect("an address").host().map(|host| host.to_owned());
        let params = Params::from_query(Some("sub1=%2F%2Fevil.example%2F&sub2=@evil.example&sub3=\\\\evil"));
        let (with, without) =
            (destination.location(&fill("c", Some("T"), &params)), destination.location(&fill("c", None, &params)));
        assert!(with.bytes().all(|byte| byte.is_ascii_graphic()), "{with}");
        let evil = host(with.clone()).is_some_and(|host| host.to_string() == "evil.example");
        assert!(!evil || text.contains("evil.example"), "{with}");
        assert_eq!(host(with), host(without));
    }

    /// A body of events, and the same as lines.
    pub fn events(&self, bytes: &[u8]) {
        for format in [Format::Json, Format::Lines] {
            let Ok(rows) = Rows::split(bytes, format) else { continue };
            let rows = match rows {
                Rows::One(row) => vec![Ok(row)],
                Rows::Batch(rows) => rows,
            };
            for (index, row) in rows.into_iter().enumerate() {
                row.into_iter().for_each(|row| self.row(index, row, Channel::Api));
            }
        }
    }

    fn row(&self, index: usize, row: &RawValue, channel: Channel) {
        let context = Context {
            source: Source { client: &self.client, idempotency_key: Some("key"), nonce: None, row: index },
            keys: &self.keys,
            received_at: Micros(1_700_000_000_000_000),
            catalog_offset: Offset(7),
            action: None,
            channel,
        };
        match parse::parse(row, &context) {
            Ok(event) => drop(schemas::codec::encode(&event)),
            Err(refused) => assert!(!refused.errors.is_empty()),
        }
    }

    /// A postback's parameters, by way of the event that they say.
    pub fn postback(&self, bytes: &[u8]) {
        let Ok(params) = form::Params::read(&[bytes]) else { return };
        let Ok(event) = postback::event(params, &self.client, &self.keys) else { return };
        let json = serde_json::Value::Object(event).to_string();
        let row: &RawValue = serde_json::from_str(&json).expect("what was written as JSON");
        self.row(0, row, Channel::Postback);
    }

    /// The three headers of a signed request, one on each line: nobody without the secret makes them up.
    pub fn signature(&self, bytes: &[u8]) {
        let names = [signature::TIMESTAMP, signature::NONCE, signature::SIGNATURE];
        let values = bytes.split(|byte| *byte == b'\n').map(HeaderValue::from_bytes);
        let headers: HeaderMap = names
            .into_iter()
            .zip(values)
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), value.ok()?)))
            .collect();
        if let Ok(Some(signature)) = Signature::read(&headers, true) {
            assert!(signature.verify(&self.keys, self.client.key_hash, b"body", 1_700_000_000).is_err());
        }
    }

    /// A segment of the spool; the salt is the file's.
    pub fn spool(&self, bytes: &[u8]) {
        // The sum is right in this one: it gets to be a record, whatever stands in it.
        let mut framed = [&SALT.to_le_bytes()[..], &(bytes.len() as u32).to_le_bytes()].concat();
        let sum = crc32c::crc32c_append(crc32c::crc32c(&framed), bytes);
        framed.extend_from_slice(&sum.to_le_bytes());
        framed.extend_from_slice(bytes);
        let whole = format::next(&framed, SALT, 0);
        assert!(whole.is_none_or(|(_, next)| next <= framed.len()));
        let mut at = 0;
        while let Some((_, next)) = format::next(bytes, SALT, at) {
            assert!(next > at && next <= bytes.len(), "{at} {next}");
            at = next;
        }
    }

    /// Two entries and a note as the spool writes them.
    pub fn segment() -> Vec<u8> {
        let mut bytes = Vec::new();
        for sequence in 0..2 {
            let entry =
                format::Entry { sequence, stored_at: Micros(7), topic: Topic::Clicks, key: b"key", value: b"value" };
            format::put_entry(&mut bytes, SALT, &entry);
        }
        format::put_closed(&mut bytes, SALT, &[0..1, 5..9]);
        bytes
    }

    /// The bytes of a connection, in two reads: at most one line is spoiled, and the same however they are cut.
    pub fn wire(&self, bytes: &[u8]) {
        let mut whole = bytes.to_vec();
        Scan::http1().scan(&mut whole);
        assert!(whole.iter().zip(bytes).filter(|(new, old)| new != old).count() <= 1);
        let mut parts = bytes.to_vec();
        let (first, second) = parts.split_at_mut(bytes.len() / 2);
        let mut scan = Scan::http1();
        scan.scan(first);
        scan.scan(second);
        // A line that is longer than what is kept of one may be refused in parts and pass as a whole.
        assert!(parts == whole || bytes.split(|byte| *byte == b'\n').any(|line| line.len() > 60));
    }
}

fn fill<'a>(code: &'a str, token: Option<&'a str>, params: &'a Params) -> Fill<'a> {
    Fill { code, token, params, rest: &|_| Cow::Borrowed("") }
}

const SALT: u64 = 0x5a17;
