//! Ids of 16 bytes: time-ordered ones (UUIDv7, RFC 9562) and hashes. Each kind is a type of its own.

use crate::decimal::Currency;
use crate::name::{AdvertiserId, CampaignId, PublisherId, TenantId};
use crate::time::{Micros, Month};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            /// 32 hexadecimal digits.
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
                number.map(|number| $name(number.to_be_bytes())).ok_or_else(|| BadId(text.chars().take(64).collect()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    deserializer.deserialize_bytes(IdBytes).map($name)
                }
            }
        }
    };
}

struct IdBytes;

impl de::Visitor<'_> for IdBytes {
    type Value = [u8; 16];

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("16 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 32 hexadecimal digits: {0:?}")]
pub struct BadId(pub String);

id!(
    /// One counted redirect; UUIDv7 of the moment it was taken.
    ClickId
);
id!(
    /// One visitor's browser on the tracking domain; UUIDv7 of its first click.
    JourneyId
);
id!(
    /// A conversion: hash of tenant, advertiser and order id, else event id.
    ConversionId
);
id!(
    /// A journal entry: hash of conversion, publisher, revision and currency.
    EntryId
);
id!(
    /// A settlement run: hash of tenant and label.
    RunId
);
id!(
    /// A statement: hash of run, tenant, publisher and currency.
    StatementId
);
id!(
    /// A payout: hash of the statement that it pays.
    PayoutId
);
id!(
    /// A redirect or event that was not counted or accepted.
    RejectedId
);
id!(
    /// An advertiser's customer, keyed-hashed at the edge.
    CustomerId
);
id!(
    /// A keyed hash of an IP address.
    IpHash
);
id!(
    /// A hash of what was sent.
    PayloadHash
);
id!(
    /// A hash of an API key.
    KeyHash
);

/// A UUIDv7 (RFC 9562) of this time; `random` comes from the caller.
pub fn time_ordered(at: Micros, random: [u8; 10]) -> [u8; 16] {
    let millis = u64::try_from(at.0 / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into_bytes()
}

/// A hash over parts that cannot run into one another: each is preceded by its length.
pub fn hash_of(purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

impl KeyHash {
    /// Of an API key as its owner sends it. Keys are generated with 128 random bits or more, so no salt is needed.
    pub fn of_api_key(key: &str) -> Self {
        KeyHash(hash_of("tributary api key v1", &[key.as_bytes()]))
    }
}

impl ConversionId {
    /// All events of one order are one conversion.
    pub fn of_order(tenant: &TenantId, advertiser: &AdvertiserId, order_id: &str) -> Self {
        let parts = [tenant.as_bytes(), advertiser.as_bytes(), order_id.as_bytes()];
        ConversionId(hash_of("tributary conversion of an order v1", &parts))
    }

    /// What a publisher's month on a campaign is corrected by is booked like a conversion of its own.
    pub fn of_month(tenant: &TenantId, publisher: &PublisherId, campaign: &CampaignId, month: Month) -> Self {
        let month = month.0.to_be_bytes();
        let parts = [tenant.as_bytes(), publisher.as_bytes(), campaign.as_bytes(), &month];
        ConversionId(hash_of("tributary correction of a month v1", &parts))
    }

    /// An event without an order is a conversion of its own.
    pub fn of_event(tenant: &TenantId, advertiser: &AdvertiserId, event_id: &str) -> Self {
        let parts = [tenant.as_bytes(), advertiser.as_bytes(), event_id.as_bytes()];
        ConversionId(hash_of("tributary conversion of an event v1", &parts))
    }
}

impl EntryId {
    /// A revision that changes a conversion's currency has two entries of a publisher, one in each.
    pub fn new(conversion: ConversionId, publisher: &PublisherId, revision: i32, currency: Currency) -> Self {
        let parts =
            [conversion.0.as_slice(), publisher.as_bytes(), &revision.to_be_bytes(), currency.code().as_bytes()];
        EntryId(hash_of("tributary journal entry v1", &parts))
    }
}

impl RunId {
    /// A tenant's runs have labels of their own, so that a run that is asked for twice is one run.
    pub fn of(tenant: &TenantId, label: &str) -> Self {
        RunId(hash_of("tributary settlement run v1", &[tenant.as_bytes(), label.as_bytes()]))
    }
}

impl StatementId {
    pub fn new(run: RunId, tenant: &TenantId, publisher: &PublisherId, currency: Currency) -> Self {
        let parts = [run.0.as_slice(), tenant.as_bytes(), publisher.as_bytes(), currency.code().as_bytes()];
        StatementId(hash_of("tributary statement v1", &parts))
    }
}

impl PayoutId {
    /// A statement has at most one payout.
    pub fn of(statement: StatementId) -> Self {
        PayoutId(hash_of("tributary payout v1", &[&statement.0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_one_another() {
        assert_ne!(hash_of("p", &[b"ab", b"c"]), hash_of("p", &[b"a", b"bc"]));
        assert_ne!(hash_of("p", &[b"ab"]), hash_of("q", &[b"ab"]));
    }

    #[test]
    fn ids_of_later_times_sort_later() {
        let early = time_ordered(Micros(1_700_000_000_000_000), [255; 10]);
        let late = time_ordered(Micros(1_700_000_000_001_000), [0; 10]);
        assert!(early < late);
        assert_eq!(uuid::Uuid::from_bytes(early).get_version_num(), 7);
    }

    #[test]
    fn ids_are_shown_and_read_as_hex() {
        let id = ClickId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("abc".parse::<ClickId>().is_err());
        assert!("+0000000000000000000000000000001".parse::<ClickId>().is_err());
    }
}
