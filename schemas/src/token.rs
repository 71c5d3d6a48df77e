//! Click tokens and journey cookies: what a visitor's browser and an advertiser carry back to us.
//!
//! A token is base64url of key id (1 byte), click (16), journey (16) and a MAC (15): 64 characters. A cookie is key id,
//! journey and MAC: 43 characters. The MAC is keyed BLAKE3 under a key derived per purpose, cut to 120 bits, so a cookie
//! never passes for a token. One key signs; all that are not revoked verify.

use crate::id::{ClickId, CustomerId, IpHash, JourneyId, KeyHash};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const MAC_BYTES: usize = 15;
const TOKEN_BYTES: usize = 1 + 16 + 16 + MAC_BYTES;
const COOKIE_BYTES: usize = 1 + 16 + MAC_BYTES;
/// Characters of a token.
pub const TOKEN_CHARS: usize = TOKEN_BYTES / 3 * 4;

/// One MAC key with its id.
pub struct MacKey {
    id: u8,
    revoked: bool,
    token: [u8; 32],
    cookie: [u8; 32],
    customer: [u8; 32],
    ip: [u8; 32],
    signing: [u8; 32],
}

impl MacKey {
    pub fn new(id: u8, secret: &[u8; 32]) -> Self {
        MacKey {
            id,
            revoked: false,
            token: blake3::derive_key("tributary click token v1", secret),
            cookie: blake3::derive_key("tributary journey cookie v1", secret),
            customer: blake3::derive_key("tributary customer id v1", secret),
            ip: blake3::derive_key("tributary ip address v1", secret),
            signing: blake3::derive_key("tributary request signing v1", secret),
        }
    }

    /// One whose tokens and cookies are refused. Customers and addresses keep the hashes that it gave them.
    pub fn revoked(self) -> Self {
        MacKey { revoked: true, ..self }
    }
}

/// The keys of an edge, newest first: one signs, all verify that are not revoked.
pub struct MacKeys {
    keys: Vec<MacKey>,
    signs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("not a token")]
    Malformed,
    #[error("signed with an unknown key")]
    UnknownKey,
    #[error("forged or altered")]
    Forged,
}

impl BadToken {
    /// The reason code in a decision.
    pub fn code(self) -> &'static str {
        match self {
            BadToken::Malformed => "token_malformed",
            BadToken::UnknownKey => "token_unknown_key",
            BadToken::Forged => "token_forged",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClickToken {
    pub click: ClickId,
    pub journey: JourneyId,
}

impl MacKeys {
    /// The first signs. `None` without a key: there is no default secret.
    pub fn new(keys: Vec<MacKey>) -> Option<Self> {
        MacKeys::signing_with(keys, 0)
    }

    /// The one at this place signs. `None` where it is not there, or revoked.
    pub fn signing_with(keys: Vec<MacKey>, signs: usize) -> Option<Self> {
        let usable = keys.get(signs).is_some_and(|key| !key.revoked);
        usable.then_some(MacKeys { keys, signs })
    }

    /// The id of the key that signs.
    pub fn signs(&self) -> u8 {
        self.keys[self.signs].id
    }

    /// The ids of all that verify.
    pub fn verify(&self) -> impl Iterator<Item = u8> {
        self.keys.iter().filter(|key| !key.revoked).map(|key| key.id)
    }

    pub fn sign_token(&self, token: ClickToken) -> String {
        let key = &self.keys[self.signs];
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = key.id;
        bytes[1..17].copy_from_slice(&token.click.0);
        bytes[17..33].copy_from_slice(&token.journey.0);
        let mac = mac(&key.token, &bytes[..33]);
        bytes[33..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn verify_token(&self, text: &str) -> Result<ClickToken, BadToken> {
        let bytes: [u8; TOKEN_BYTES] = decode(text)?;
        self.check(&bytes, |key| &key.token)?;
        let (click, journey) = bytes[1..33].split_at(16);
        let sixteen = |part: &[u8]| <[u8; 16]>::try_from(part).map_err(|_| BadToken::Malformed);
        Ok(ClickToken { click: ClickId(sixteen(click)?), journey: JourneyId(sixteen(journey)?) })
    }

    pub fn sign_cookie(&self, journey: JourneyId) -> String {
        let key = &self.keys[self.signs];
        let mut bytes = [0; COOKIE_BYTES];
        bytes[0] = key.id;
        bytes[1..17].copy_from_slice(&journey.0);
        let mac = mac(&key.cookie, &bytes[..17]);
        bytes[17..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn verify_cookie(&self, text: &str) -> Result<JourneyId, BadToken> {
        let bytes: [u8; COOKIE_BYTES] = decode(text)?;
        self.check(&bytes, |key| &key.cookie)?;
        bytes[1..17].try_into().map(JourneyId).map_err(|_| BadToken::Malformed)
    }

    /// A customer id never leaves the edge in the clear. Of the last key, so that rotation does not split customers.
    pub fn hash_customer(&self, tenant: &str, customer_id: &str) -> CustomerId {
        let key = &self.keys[self.keys.len() - 1];
        CustomerId(keyed(&key.customer, &[tenant.as_bytes(), b"/", customer_id.as_bytes()]))
    }

    /// As a catalog names a publisher's own address. By the key that signs: `is_own` knows those of earlier ones too.
    pub fn hash_ip(&self, address: &[u8]) -> IpHash {
        IpHash(keyed(&self.keys[self.signs].ip, &[address]))
    }

    /// Whether an address is one of these, by whichever key they were named.
    pub fn is_own(&self, address: &[u8], own: &[IpHash]) -> bool {
        !own.is_empty() && self.keys.iter().any(|key| own.contains(&IpHash(keyed(&key.ip, &[address]))))
    }

    /// As a click carries it: another one each day (UTC, since 1970) and under each key, so that clicks of different days
    /// do not tell that they are of one address.
    pub fn hash_ip_of_day(&self, address: &[u8], day: i64) -> IpHash {
        IpHash(keyed(&self.keys[self.signs].ip, &[b"day", &day.to_le_bytes(), address]))
    }

    /// The secret with which the owner of an API key signs requests. It stands nowhere: who has the MAC keys can make it
    /// from the key's hash, and a new API key has another one.
    pub fn signing_secret(&self, key: KeyHash) -> String {
        secret_of(&self.keys[self.signs], key)
    }

    /// That of each MAC key that is not revoked: a secret lives as long as the MAC key that it was made with.
    pub fn signing_secrets(&self, key: KeyHash) -> impl Iterator<Item = String> {
        self.keys.iter().filter(|mac_key| !mac_key.revoked).map(move |mac_key| secret_of(mac_key, key))
    }

    fn check(&self, bytes: &[u8], secret: impl Fn(&MacKey) -> &[u8; 32]) -> Result<(), BadToken> {
        let key = self.keys.iter().find(|key| key.id == bytes[0] && !key.revoked).ok_or(BadToken::UnknownKey)?;
        let (signed, given) = bytes.split_at(bytes.len() - MAC_BYTES);
        let differences = mac(secret(key), signed).iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
        if differences == 0 { Ok(()) } else { Err(BadToken::Forged) }
    }
}

/// The click that a token names, unverified: for a client that was just given the token and keeps a record of it. Whoever
/// decides anything by a token uses `MacKeys::verify_token`.
pub fn peek_click(text: &str) -> Result<ClickId, BadToken> {
    let bytes: [u8; TOKEN_BYTES] = decode(text)?;
    bytes[1..17].try_into().map(ClickId).map_err(|_| BadToken::Malformed)
}

/// As its owner gets it; the whole text is the key of the HMAC.
fn secret_of(mac_key: &MacKey, key: KeyHash) -> String {
    let bytes = blake3::keyed_hash(&mac_key.signing, &key.0);
    format!("ts_{}", URL_SAFE_NO_PAD.encode(bytes.as_bytes()))
}

/// The id of the key that a token says it was signed with, unverified.
pub fn key_id(text: &str) -> Option<u8> {
    decode::<TOKEN_BYTES>(text).ok().map(|bytes| bytes[0])
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; MAC_BYTES] {
    let mut short = [0; MAC_BYTES];
    short.copy_from_slice(&blake3::keyed_hash(key, bytes).as_bytes()[..MAC_BYTES]);
    short
}

fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], BadToken> {
    let mut bytes = [0; N];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(length) if length == N => Ok(bytes),
        _ => Err(BadToken::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(ids: &[u8]) -> MacKeys {
        MacKeys::new(ids.iter().map(|&id| MacKey::new(id, &[id; 32])).collect()).expect("keys")
    }

    const TOKEN: ClickToken = ClickToken { click: ClickId([1; 16]), journey: JourneyId([2; 16]) };

    #[test]
    fn a_token_is_64_characters_and_comes_back() {
        let text = keys(&[7]).sign_token(TOKEN);
        assert_eq!(text.len(), TOKEN_CHARS);
        assert_eq!(text.len(), 64);
        assert_eq!(keys(&[9, 7]).verify_token(&text), Ok(TOKEN), "an older key verifies");
        assert_eq!(keys(&[9]).verify_token(&text), Err(BadToken::UnknownKey));
        assert_eq!(peek_click(&text), Ok(TOKEN.click));
        assert_eq!((key_id(&text), key_id("")), (Some(7), None));
    }

    #[test]
    fn a_cookie_is_no_token_and_a_token_no_cookie() {
        let keys = keys(&[7]);
        let cookie = keys.sign_cookie(TOKEN.journey);
        assert_eq!(keys.verify_cookie(&cookie), Ok(TOKEN.journey));
        assert_eq!(keys.verify_token(&cookie), Err(BadToken::Malformed));
        assert_eq!(keys.verify_cookie(&keys.sign_token(TOKEN)), Err(BadToken::Malformed));
    }

    #[test]
    fn a_signing_secret_is_of_one_api_key_and_one_mac_key() {
        let key = KeyHash::of_api_key("k");
        let secret = keys(&[7]).signing_secret(key);
        assert_eq!(secret.len(), 46);
        assert_ne!(keys(&[7]).signing_secret(KeyHash::of_api_key("l")), secret, "another API key");
        assert_ne!(keys(&[9, 7]).signing_secret(key), secret, "another MAC key");
        assert!(keys(&[9, 7]).signing_secrets(key).any(|other| other == secret), "an older one still holds");
    }

    #[test]
    fn one_key_signs_all_verify_but_revoked_ones_and_customers_stay_the_same() {
        let of = |signs: usize, revoked: bool| {
            let old = MacKey::new(7, &[7; 32]);
            let keys = vec![MacKey::new(9, &[9; 32]), if revoked { old.revoked() } else { old }];
            MacKeys::signing_with(keys, signs)
        };
        let (pending, rotated, revoked) =
            (of(1, false).expect("keys"), of(0, false).expect("keys"), of(0, true).expect("keys"));
        let (early, late) = (pending.sign_token(TOKEN), rotated.sign_token(TOKEN));
        assert_eq!((pending.signs(), rotated.signs()), (7, 9));
        for keys in [&pending, &rotated] {
            assert_eq!((keys.verify_token(&early), keys.verify_token(&late)), (Ok(TOKEN), Ok(TOKEN)));
        }
        assert_eq!(revoked.verify_token(&early), Err(BadToken::UnknownKey));
        assert_eq!(revoked.verify_cookie(&pending.sign_cookie(TOKEN.journey)), Err(BadToken::UnknownKey));
        assert_eq!(revoked.verify_token(&late), Ok(TOKEN));
        assert_eq!(revoked.verify().collect::<Vec<_>>(), [9]);
        assert!(of(1, true).is_none() && of(2, false).is_none());
        let customer = pending.hash_customer("default", "c");
        assert!([&rotated, &revoked].iter().all(|keys| keys.hash_customer("default", "c") == customer));
        let own = [pending.hash_ip(b"1234")];
        assert!([&pending, &rotated, &revoked].iter().all(|keys| keys.is_own(b"1234", &own)));
        assert!(!rotated.is_own(b"1235", &own) && !rotated.is_own(b"1234", &[]));
        let today = rotated.hash_ip_of_day(b"1234", 20_000);
        assert_eq!(today, rotated.hash_ip_of_day(b"1234", 20_000));
        assert!(today != rotated.hash_ip_of_day(b"1234", 20_001) && today != pending.hash_ip_of_day(b"1234", 20_000));
    }

    proptest! {
        #[test]
        fn an_altered_token_never_verifies(at in 0_usize..64, to in "[A-Za-z0-9_-]") {
            let keys = keys(&[7]);
            let text = keys.sign_token(TOKEN);
            let mut altered = text.clone();
            altered.replace_range(at..=at, &to);
            prop_assume!(altered != text);
            prop_assert!(keys.verify_token(&altered).is_err());
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,100}") {
            prop_assert!(keys(&[7]).verify_token(&text).is_err());
        }
    }
}
