//! Kafka keys: text, so that kcat and UIs show them; each starts with tenant and advertiser (P7).
//!
//! Names hold no slash and ids are hexadecimal, so parts cannot run into one another, and no personal data is in a key.

use crate::id::{ConversionId, CustomerId, JourneyId, RunId};
use crate::name::{AdvertiserId, PublisherId, TenantId};
use crate::record::budget::BudgetSpent;
use crate::record::catalog::EntityKind;

/// `tenant/advertiser/j/{journey}`: clicks, events that name a journey.
pub fn journey(tenant: &TenantId, advertiser: &AdvertiserId, journey: JourneyId) -> String {
    format!("{tenant}/{advertiser}/j/{journey}")
}

/// `tenant/advertiser/c/{conversion}`: candidates, decisions, events that name neither journey nor customer.
pub fn conversion(tenant: &TenantId, advertiser: &AdvertiserId, conversion: ConversionId) -> String {
    format!("{tenant}/{advertiser}/c/{conversion}")
}

/// `tenant/advertiser/u/{customer}`: events that name a customer and no journey, and join's copies of those that name both.
pub fn customer(tenant: &TenantId, advertiser: &AdvertiserId, customer: CustomerId) -> String {
    format!("{tenant}/{advertiser}/u/{customer}")
}

/// The conversion in a key of `conversion`'s form.
pub fn conversion_of(key: &[u8]) -> Option<ConversionId> {
    let (of, conversion) = std::str::from_utf8(key).ok()?.rsplit_once('/')?;
    of.ends_with("/c").then(|| conversion.parse().ok()).flatten()
}

/// As a click's, where the advertiser is known; a star takes its place where not even that is.
pub fn rejected(tenant: &TenantId, advertiser: Option<&AdvertiserId>, journey: JourneyId) -> String {
    match advertiser {
        Some(advertiser) => self::journey(tenant, advertiser, journey),
        None => format!("{tenant}/*/j/{journey}"),
    }
}

/// `tenant/*/p/{publisher}`: a publisher's account spans a tenant's advertisers, so their place is taken by a star,
/// which no advertiser can be called.
pub fn publisher(tenant: &TenantId, publisher: &PublisherId) -> String {
    format!("{tenant}/*/p/{publisher}")
}

/// `tenant/*/r/{run}/{partition}`: what a partition did in a run of settlement.
pub fn run(tenant: &TenantId, run: RunId, partition: i32) -> String {
    format!("{tenant}/*/r/{run}/{partition}")
}

/// `tenant/*/b/{campaign}/{publisher}/{currency}/{from}/{account}`, a star for the publisher of a campaign's own budget: what one
/// account has booked against it, of which compaction keeps the newest.
pub fn budget(spent: &BudgetSpent) -> String {
    let BudgetSpent { tenant, campaign, publisher, currency, from, account, .. } = spent;
    let publisher = publisher.as_ref().map_or("*", PublisherId::as_str);
    format!("{tenant}/*/b/{campaign}/{publisher}/{currency}/{}/{account}", from.0)
}

/// `tenant/{kind}/{id}/{version}`: each version of an entity outlives compaction.
pub fn catalog(tenant: &TenantId, kind: EntityKind, id: &str, version: i32) -> String {
    format!("{tenant}/{}/{id}/{version}", kind.name())
}

/// Kafka's partition of a key: murmur2 as Java's clients have it (`Utils.murmur2`, `BuiltInPartitioner`).
pub fn partition(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) as i32 % partitions
}

fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut word = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversion_is_found_in_its_key_only() {
        let (tenant, advertiser) = (TenantId::new("c").expect("a name"), AdvertiserId::new("acme").expect("a name"));
        let id = ConversionId([7; 16]);
        let key = conversion(&tenant, &advertiser, id);
        assert_eq!(conversion_of(key.as_bytes()), Some(id));
        for other in [journey(&tenant, &advertiser, JourneyId([7; 16])), "c".into(), format!("c/{id}"), key + "0"] {
            assert_eq!(conversion_of(other.as_bytes()), None, "{other}");
        }
    }

    /// Vectors of `org.apache.kafka.common.utils.UtilsTest#testMurmur2`.
    #[test]
    fn murmur2_is_that_of_the_java_client() {
        for (text, expected) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, expected, "{text}");
        }
    }
}
