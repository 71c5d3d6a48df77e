//! What makes an event the same event: its id, given or derived, and the hash of what was sent. Both are functions of the
//! request alone, so that a retry at another edge, or a year later, is the same event.

use super::items;
use super::parse::Content;
use crate::routes::Client;
use schemas::id::{PayloadHash, hash_of};
use schemas::record::event::Action;

/// Where an event's id comes from when the advertiser gave none.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub client: &'a Client,
    pub idempotency_key: Option<&'a str>,
    /// Of a signed request.
    pub nonce: Option<&'a str>,
    /// From 0.
    pub row: usize,
}

/// The id of an event without one; `None` where nothing tells two such events apart.
pub fn derive(source: Source<'_>, order_id: Option<&str>, action: Action) -> Option<String> {
    let Source { client, idempotency_key, nonce, row } = source;
    let of_request = |purpose, text: &str| {
        let tenant = client.tenant.as_bytes();
        hash_of(purpose, &[tenant, client.api_key.as_bytes(), text.as_bytes(), &(row as u64).to_be_bytes()])
    };
    let hash = match (idempotency_key, order_id) {
        (Some(key), _) => of_request("tributary event id of an idempotency key v1", key),
        (None, Some(order_id)) => {
            let (tenant, advertiser) = (client.tenant.as_bytes(), client.advertiser.as_bytes());
            let parts = [tenant, advertiser, order_id.as_bytes(), action.name().as_bytes()];
            hash_of("tributary event id of an order v1", &parts)
        }
        // The weakest: whoever signs a retry with a new nonce means the same order all the same.
        (None, None) => of_request("tributary event id of a nonce v1", nonce?),
    };
    Some(format!("auto-{:032x}", u128::from_be_bytes(hash)))
}

/// Of the content by meaning: `1.50` and `"1.5"` are the same value, a missing field is not an empty one.
pub fn payload_hash(content: &Content) -> PayloadHash {
    let customer = content.customer.map(|customer| customer.to_string());
    let occurred_at = content.occurred_at.map(|time| time.0.to_string());
    let value = content.value.to_string();
    let given = &content.evidence;
    let fields: [Option<&str>; 13] = [
        Some(content.action.name()),
        Some(&content.event_id),
        content.order_id.as_deref(),
        Some(&value),
        Some(content.currency.code()),
        occurred_at.as_deref(),
        content.properties.as_deref(),
        customer.as_deref(),
        given.coupon_code.as_deref(),
        given.click_id.as_deref(),
        given.ref_code.as_deref(),
        given.landing_url.as_deref(),
        given.referrer.as_deref(),
    ];
    // Present or not, then what: both parts of every field, so that fields cannot be taken for one another. What came to
    // be a field later is named, and only where it is there: so events without it hash as they always did.
    let items = (!content.items.is_empty()).then(|| items::told(&content.items));
    let later = [("items", items.as_deref()), ("refund_of", content.refund_of.as_deref())];
    let later = later.iter().filter_map(|(name, text)| Some([name.as_bytes(), text.as_ref()?.as_bytes()]));
    let parts: Vec<&[u8]> = fields
        .iter()
        .flat_map(|field| match field {
            Some(text) => [b"+".as_slice(), text.as_bytes()],
            None => [b"-".as_slice(), b"".as_slice()],
        })
        .chain(later.flatten())
        .collect();
    PayloadHash(hash_of("tributary event payload v1", &parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::name::{AdvertiserId, ApiKeyId, TenantId};

    fn client(advertiser: &str, api_key: &str) -> Client {
        Client {
            tenant: TenantId::new("default").expect("a name"),
            advertiser: AdvertiserId::new(advertiser).expect("a name"),
            api_key: ApiKeyId::new(api_key).expect("a name"),
            ..Client::for_test()
        }
    }

    #[test]
    fn a_retry_has_the_same_id_and_another_event_has_another() {
        let (acme, acme_other, bolt) = (client("acme", "main"), client("acme", "other"), client("bolt", "bolt"));
        let id = |client, idempotency_key, row, order_id, action| {
            derive(Source { client, idempotency_key, nonce: None, row }, order_id, action)
        };
        use Action::{Purchase, Signup};
        let by_key = id(&acme, Some("k"), 0, None, Purchase).expect("derived");
        assert_eq!(id(&acme, Some("k"), 0, None, Purchase), Some(by_key.clone()));
        assert_eq!(by_key.len(), 37);
        let by_order = id(&acme, None, 0, Some("o"), Purchase).expect("derived");
        assert_eq!(id(&acme_other, None, 5, Some("o"), Purchase), Some(by_order.clone()), "another key and row");
        let different = [
            by_key,
            by_order,
            id(&acme, Some("k"), 1, None, Purchase).expect("derived"),
            id(&acme, Some("l"), 0, None, Purchase).expect("derived"),
            id(&acme_other, Some("k"), 0, None, Purchase).expect("derived"),
            id(&acme, None, 0, Some("o"), Signup).expect("derived"),
            id(&bolt, None, 0, Some("o"), Purchase).expect("derived"),
        ];
        let distinct: std::collections::BTreeSet<&String> = different.iter().collect();
        assert_eq!(distinct.len(), different.len());
        assert_eq!(id(&acme, None, 0, None, Purchase), None);
        let signed = |nonce, order_id| {
            derive(Source { client: &acme, idempotency_key: None, nonce: Some(nonce), row: 0 }, order_id, Purchase)
        };
        assert_ne!(signed("k", None), signed("l", None));
        assert_ne!(signed("k", None), id(&acme, Some("k"), 0, None, Purchase), "a nonce is no Idempotency-Key");
        assert_eq!(signed("k", Some("o")), id(&acme, None, 0, Some("o"), Purchase), "an order is the same order");
    }
}
