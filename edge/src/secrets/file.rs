//! The lines of the keys' file: `ID HEX64`, then perhaps `from=TIME`, until which a key only verifies, and `revoked`, from
//! then on it does not verify either. Newest first.

use schemas::time::Micros;
use schemas::token::{MacKey, MacKeys};

pub const SECRET_BYTES: usize = 32;
const FROM: &str = "from=";
pub const REVOKED: &str = "revoked";

pub struct KeyLine {
    pub id: u8,
    secret: [u8; SECRET_BYTES],
    /// When it begins to sign; none: since ever.
    pub from: Option<Micros>,
    pub revoked: bool,
}

impl KeyLine {
    fn may_sign(&self, now: Micros) -> bool {
        !self.revoked && self.from.is_none_or(|from| from <= now)
    }

    /// Tells whether two machines have the same key, and nothing else of it.
    pub fn fingerprint(&self) -> String {
        hex(&blake3::derive_key("tributary MAC key fingerprint v1", &self.secret)[..4])
    }
}

/// Errors name the line and never show it.
pub fn parse(text: &str) -> Result<Vec<KeyLine>, (usize, &'static str)> {
    let mut keys: Vec<KeyLine> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(line) = content(line) else { continue };
        let bad = |problem| (index + 1, problem);
        let mut words = line.split_ascii_whitespace();
        let (id, secret) = words.next().zip(words.next()).ok_or_else(|| bad("expected `id hex64`"))?;
        let id: u8 = id.parse().map_err(|_| bad("the id is no number from 0 to 255"))?;
        if keys.iter().any(|key| key.id == id) {
            return Err(bad("the id stands on an earlier line too"));
        }
        let secret = from_hex(secret).ok_or_else(|| bad("the key is not 64 hexadecimal digits"))?;
        if secret == [0; SECRET_BYTES] {
            return Err(bad("the key is all zeros"));
        }
        let mut key = KeyLine { id, secret, from: None, revoked: false };
        for word in words {
            match word.strip_prefix(FROM).map(Micros::parse) {
                Some(Ok(from)) => key.from = Some(from),
                Some(Err(_)) => return Err(bad("`from=` is no time like 2026-01-31T08:00:00Z")),
                None if word == REVOKED => key.revoked = true,
                None => return Err(bad("expected `from=TIME` or `revoked` after the key")),
            }
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Without comments and empty lines.
pub fn content(line: &str) -> Option<&str> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with('#')).then_some(line)
}

/// The place of the key that signs: of those whose time has come the newest; of equal ones the first.
pub fn signs(keys: &[KeyLine], now: Micros) -> Option<usize> {
    let able = (0..keys.len()).filter(|&place| keys[place].may_sign(now));
    able.min_by_key(|&place| (std::cmp::Reverse(keys[place].from), place))
}

/// What they are at a time; none where no key signs.
pub fn mac_keys(keys: &[KeyLine], now: Micros) -> Option<MacKeys> {
    let signs = signs(keys, now)?;
    let keys = keys.iter().map(|line| {
        let key = MacKey::new(line.id, &line.secret);
        if line.revoked { key.revoked() } else { key }
    });
    MacKeys::signing_with(keys.collect(), signs)
}

/// When the next key begins to sign.
pub fn next_change(keys: &[KeyLine], now: Micros) -> Option<Micros> {
    keys.iter().filter(|key| !key.revoked).filter_map(|key| key.from).filter(|&from| from > now).min()
}

/// The line of a new key.
pub fn line(id: u8, secret: &[u8; SECRET_BYTES], from: Option<Micros>) -> String {
    let from = from.map_or(String::new(), |from| format!(" {FROM}{}", from));
    format!("{id} {}{from}\n", hex(secret))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; SECRET_BYTES]> {
    if text.len() != 2 * SECRET_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; SECRET_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
