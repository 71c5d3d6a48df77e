//! Signed requests: HMAC-SHA256 (RFC 2104) over time, nonce and body, as they come over the wire.
//!
//! The secret is made from the edge's MAC keys and the API key's hash, and stands nowhere.

use crate::http::problem::{Kind, Problem};
use crate::memory::Memory;
use crate::memory::nonces::{Taken, WINDOW};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use schemas::id::KeyHash;
use schemas::token::MacKeys;
use sha2::Sha256;

/// Seconds since 1970.
pub const TIMESTAMP: &str = "x-tributary-timestamp";
/// Anything that is not used twice, such as a UUID.
pub const NONCE: &str = "x-tributary-nonce";
/// `v1=` and 64 hexadecimal digits: the HMAC of `{timestamp}.{nonce}.{body}`.
pub const SIGNATURE: &str = "x-tributary-signature";

const NONCE_CHARS: std::ops::RangeInclusive<usize> = 16..=128;

/// What a request brings.
#[derive(Debug)]
pub struct Signature {
    stamp: i64,
    pub nonce: String,
    mac: [u8; 32],
}

impl Signature {
    /// None where there is none and none is needed; half a signature is a mistake.
    pub fn read(headers: &HeaderMap, required: bool) -> Result<Option<Signature>, Problem> {
        let given = [TIMESTAMP, NONCE, SIGNATURE].map(|name| headers.get(name));
        if given.iter().all(Option::is_none) && !required {
            return Ok(None);
        }
        let text = |at: usize, name: &str| {
            let value = given[at].ok_or_else(|| Problem::signature_required(&format!("no {name} header")))?;
            value.to_str().map(str::trim).map_err(|_| bad(&format!("{name} is not ASCII")))
        };
        let (stamp, nonce, signature) = (text(0, TIMESTAMP)?, text(1, NONCE)?, text(2, SIGNATURE)?);
        let digits = !stamp.is_empty() && stamp.len() <= 12 && stamp.bytes().all(|byte| byte.is_ascii_digit());
        let stamp = if digits { stamp.parse().ok() } else { None };
        let stamp = stamp.ok_or_else(|| bad(&format!("{TIMESTAMP} is no number of seconds since 1970")))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !NONCE_CHARS.contains(&nonce.len()) || !nonce.bytes().all(plain) {
            let (least, most) = (NONCE_CHARS.start(), NONCE_CHARS.end());
            return Err(bad(&format!("{NONCE} is not {least} to {most} of A-Z a-z 0-9 - _")));
        }
        let mac = signature.strip_prefix("v1=").and_then(from_hex);
        let mac = mac.ok_or_else(|| bad(&format!("{SIGNATURE} is not `v1=` and 64 hexadecimal digits")))?;
        Ok(Some(Signature { stamp, nonce: nonce.to_owned(), mac }))
    }

    /// By any of the key's secrets, in constant time.
    pub fn verify(&self, keys: &MacKeys, key: KeyHash, body: &[u8], now: i64) -> Result<(), Problem> {
        let off = now - self.stamp;
        if off.abs() > WINDOW {
            return Err(bad(&format!("its time is {off} s before ours; at most {WINDOW} s either way are accepted")));
        }
        let fits = keys.signing_secrets(key).any(|secret| {
            // Of any length, so there is nothing that could fail.
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
            mac.update(format!("{}.{}.", self.stamp, self.nonce).as_bytes());
            mac.update(body);
            mac.verify_slice(&self.mac).is_ok()
        });
        if fits { Ok(()) } else { Err(bad("it is not that of this time, nonce and body")) }
    }

    /// The nonce, for this request alone.
    pub fn take<'a>(&'a self, memory: &'a Memory, key: KeyHash, now: i64) -> Result<Nonce<'a>, Problem> {
        match memory.take_nonce(key, &self.nonce, self.stamp, now) {
            Taken::New => Ok(Nonce { memory, key, signature: self, used: false }),
            Taken::Again => {
                Err(Problem::new(Kind::Replayed, "this request was here before; sign it anew to repeat it"))
            }
            Taken::Full => Err(Problem::nonces_full()),
        }
    }
}

/// A nonce that is given back where its request comes to nothing.
pub struct Nonce<'a> {
    memory: &'a Memory,
    key: KeyHash,
    signature: &'a Signature,
    used: bool,
}

impl Nonce<'_> {
    pub fn used(&mut self) {
        self.used = true;
    }
}

impl Drop for Nonce<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.memory.release_nonce(self.key, &self.signature.nonce, self.signature.stamp);
        }
    }
}

fn bad(detail: &str) -> Problem {
    Problem::bad_signature(detail)
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::tests::SIGNED_KEY;
    use hyper::header::{HeaderName, HeaderValue};
    use schemas::token::MacKey;

    const NONCE_TEXT: &str = "0123456789abcdef";
    const BODY: &[u8] = br#"{"action":"signup"}"#;
    /// By Python's hashlib, hmac and the package blake3, from the MAC key and the API key alone.
    const SECRET: &str = "ts_BdbrICIFZvq1ViRchN4JrVja5BeJ_fmgWrag7rI4zNA";
    const MAC: &str = "fa2ddc864ddf740033f4cee16416fa0f7cf0f4ed7831d4ed98c5eb797820dd5a";

    fn read(pairs: &[(&str, &str)], required: bool) -> Result<Option<Signature>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        Signature::read(&headers, required).map_err(|problem| problem.kind().name().to_owned())
    }

    #[test]
    fn a_signature_is_that_of_its_time_nonce_body_and_key() {
        let keys = |ids: &[u8]| MacKeys::new(ids.iter().map(|&id| MacKey::new(id, &[id; 32])).collect()).expect("keys");
        let key = KeyHash::of_api_key(SIGNED_KEY);
        assert_eq!(keys(&[1]).signing_secret(key), SECRET);
        let signed = |stamp: &str, nonce: &str, mac: &str| {
            let signature = format!("v1={mac}");
            let pairs = [(TIMESTAMP, stamp), (NONCE, nonce), (SIGNATURE, signature.as_str())];
            read(&pairs, true).expect("well formed").expect("there")
        };
        let at = 1_800_000_000;
        let good = || signed("1800000000", NONCE_TEXT, MAC);
        let altered = MAC.replace("fa2d", "fa2c");
        let other = KeyHash::of_api_key("other");
        for (name, signature, ids, key, body, now, fits) in [
            ("good", good(), &[1][..], key, BODY, at, true),
            ("300 s late", good(), &[1], key, BODY, at + 300, true),
            ("300 s early", good(), &[1], key, BODY, at - 300, true),
            ("upper case", signed("1800000000", NONCE_TEXT, &MAC.to_uppercase()), &[1], key, BODY, at, true),
            ("an older MAC key", good(), &[2, 1], key, BODY, at, true),
            ("301 s late", good(), &[1], key, BODY, at + 301, false),
            ("301 s early", good(), &[1], key, BODY, at - 301, false),
            ("another body", good(), &[1], key, b"{}", at, false),
            ("another time", signed("1800000001", NONCE_TEXT, MAC), &[1], key, BODY, at, false),
            ("another nonce", signed("1800000000", "0123456789abcdeg", MAC), &[1], key, BODY, at, false),
            ("another MAC", signed("1800000000", NONCE_TEXT, &altered), &[1], key, BODY, at, false),
            ("another API key", good(), &[1], other, BODY, at, false),
            ("another MAC key", good(), &[2], key, BODY, at, false),
        ] {
            assert_eq!(signature.verify(&keys(ids), key, body, now).is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn half_a_signature_is_refused() {
        let signature = format!("v1={MAC}");
        let whole = [(TIMESTAMP, "1800000000"), (NONCE, NONCE_TEXT), (SIGNATURE, signature.as_str())];
        assert!(read(&[], false).expect("none").is_none());
        assert_eq!(read(&[], true).err().as_deref(), Some("signature-required"));
        for left_out in 0..3 {
            let mut pairs = whole.to_vec();
            pairs.remove(left_out);
            assert_eq!(read(&pairs, false).err().as_deref(), Some("signature-required"));
        }
        let long = "x".repeat(129);
        for (at, value) in [
            (0, "1800000000.5"),
            (0, "-1"),
            (0, "+1800000000"),
            (0, "9999999999999"),
            (0, ""),
            (1, "short"),
            (1, "0123456789abcde."),
            (1, long.as_str()),
            (2, MAC),
            (2, "v1=00"),
            (2, "v2=fa2ddc864ddf740033f4cee16416fa0f7cf0f4ed7831d4ed98c5eb797820dd5a"),
        ] {
            let mut pairs = whole;
            pairs[at].1 = value;
            assert_eq!(read(&pairs, false).err().as_deref(), Some("bad-signature"), "{value}");
        }
    }
}
