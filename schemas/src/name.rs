//! Names that people give: tenants, advertisers, campaigns, publishers, links, coupons. Checked when they come in,
//! cheap to clone afterwards.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}: {given:?}")]
pub struct BadName {
    pub expected: &'static str,
    pub given: String,
}

fn slug(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

fn code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

const SLUG: &str = "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit";
const CODE: &str = "1 to 64 of A-Z, a-z, 0-9, - and _";

/// Makes a name of the text as it stands in the input: no copy in between.
struct Text<T> {
    expected: &'static str,
    make: fn(&str) -> Result<T, BadName>,
}

impl<T> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.make)(text).map_err(E::custom)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident, $expected:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn is_valid(text: &str) -> bool {
                $check(text)
            }

            pub fn new(text: &str) -> Result<Self, BadName> {
                if Self::is_valid(text) {
                    Ok($name(text.into()))
                } else {
                    Err(BadName { expected: $expected, given: text.chars().take(80).collect() })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl Borrow<str> for $name {
            /// Maps keyed by a name are searched by what a request says.
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text { expected: $expected, make: $name::new })
            }
        }
    };
}

name!(
    /// One operator's account on an installation.
    TenantId, slug, SLUG
);
name!(
    /// Who sells.
    AdvertiserId, slug, SLUG
);
name!(
    /// An advertiser's offer or programme.
    CampaignId, slug, SLUG
);
name!(
    /// A temporary exception.
    OverrideId, slug, SLUG
);
name!(
    /// Who brings visitors.
    PublisherId, slug, SLUG
);
name!(
    /// The versioned terms of a campaign.
    ContractId, slug, SLUG
);
name!(
    /// The name of an API key, not the key.
    ApiKeyId, slug, SLUG
);
name!(
    /// The code of a publisher's link on a campaign: `/r/{code}` and `ref_code`. Unique on an installation.
    LinkCode, code, CODE
);
name!(
    /// A coupon's code as `CouponCode::fold` has it: customers type coupons in any case.
    CouponCode, code, CODE
);

impl CouponCode {
    /// Trims and upper-cases what a customer typed.
    pub fn fold(typed: &str) -> Result<Self, BadName> {
        CouponCode::new(&typed.trim().to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (text, as_slug, as_code) in [
            ("acme", true, true),
            ("Acme", false, true),
            ("-acme", false, true),
            ("", false, false),
            ("a/b", false, false),
            ("a b", false, false),
            ("ünï", false, false),
            (&"a".repeat(64), true, true),
            (&"a".repeat(65), false, false),
        ] {
            assert_eq!(TenantId::new(text).is_ok(), as_slug, "{text}");
            assert_eq!(LinkCode::new(text).is_ok(), as_code, "{text}");
        }
        assert_eq!(CouponCode::fold(" save10 ").map(|code| code.to_string()), Ok("SAVE10".into()));
    }
}
