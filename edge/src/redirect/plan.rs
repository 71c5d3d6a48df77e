//! Which of several destinations a click gets: the first rule that fits the visitor, else a variant that stays with the
//! journey. What nothing asks for is not looked at.

use super::destination::Destination;
use crate::visitor::Traits;
use schemas::id::{JourneyId, hash_of};
use schemas::record::catalog::{Device, Redirects, System};

/// A campaign's, or a link's own.
#[derive(Debug, Default)]
pub struct Plan {
    rules: Box<[Rule]>,
    variants: Box<[Variant]>,
    /// Of all variants; 0 where there is none.
    weight: u64,
}

#[derive(Debug)]
struct Rule {
    name: Box<str>,
    countries: Box<[Box<str>]>,
    devices: Box<[Device]>,
    systems: Box<[System]>,
    languages: Box<[Box<str>]>,
    destination: Destination,
}

#[derive(Debug)]
struct Variant {
    name: Box<str>,
    weight: u64,
    /// None: the campaign's own.
    destination: Option<Destination>,
}

/// What a click is sent by, besides its campaign's destination.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    pub rule: Option<&'a str>,
    pub variant: Option<&'a str>,
    pub destination: Option<&'a Destination>,
}

impl Plan {
    /// Destinations were checked when they came into the catalog; one that is none all the same is told of and left out.
    pub fn new(redirects: &Redirects, whose: &str) -> Plan {
        let parse = |text: &str| {
            let told = |error: &_| tracing::error!(whose, destination = text, %error, "bad destination, left out");
            Destination::parse(text).inspect_err(told).ok()
        };
        let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
        let rules = redirects.rules.iter().filter_map(|rule| {
            Some(Rule {
                name: rule.name.as_str().into(),
                countries: texts(&rule.countries),
                devices: rule.devices.as_slice().into(),
                systems: rule.systems.as_slice().into(),
                languages: texts(&rule.languages),
                destination: parse(&rule.destination)?,
            })
        });
        let variants = redirects.variants.iter().filter_map(|variant| {
            let destination = match &variant.destination {
                Some(text) => Some(parse(text)?),
                None => None,
            };
            let weight = u64::try_from(variant.weight).unwrap_or(0);
            Some(Variant { name: variant.name.as_str().into(), weight, destination })
        });
        let variants: Box<[Variant]> = variants.collect();
        let weight = variants.iter().map(|variant| variant.weight).sum();
        Plan { rules: rules.collect(), variants, weight }
    }

    pub fn rule(&self, traits: &Traits<'_>) -> Option<Choice<'_>> {
        let rule = self.rules.iter().find(|rule| rule.fits(traits))?;
        Some(Choice { rule: Some(&rule.name), variant: None, destination: Some(&rule.destination) })
    }

    /// A function of journey, name and weights: the same browser sees the same page until the weights change.
    pub fn variant(&self, journey: JourneyId, whose: &str) -> Option<Choice<'_>> {
        if self.weight == 0 {
            return None;
        }
        let hash = hash_of("tributary variant v1", &[&journey.0, whose.as_bytes()]);
        let mut at = (u128::from_be_bytes(hash) % u128::from(self.weight)) as u64;
        let found = self.variants.iter().find(|variant| match at.checked_sub(variant.weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        })?;
        Some(Choice { rule: None, variant: Some(&found.name), destination: found.destination.as_ref() })
    }
}

impl Rule {
    fn fits(&self, traits: &Traits<'_>) -> bool {
        let among = |texts: &[Box<str>], text: Option<&str>| {
            texts.is_empty() || text.is_some_and(|text| texts.iter().any(|one| **one == *text))
        };
        (self.devices.is_empty() || self.devices.contains(&traits.device().0))
            && (self.systems.is_empty() || self.systems.contains(&traits.device().1))
            && (self.languages.is_empty() || among(&self.languages, traits.language().as_deref()))
            && (self.countries.is_empty() || among(&self.countries, traits.country()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::record::catalog::{RedirectRule, Variant as VariantBody};

    fn rule(name: &str, countries: &[&str], devices: &[Device], languages: &[&str]) -> RedirectRule {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        RedirectRule {
            name: name.into(),
            countries: texts(countries),
            devices: devices.to_vec(),
            systems: Vec::new(),
            languages: texts(languages),
            destination: format!("https://shop.example/{name}"),
        }
    }

    #[test]
    fn the_first_rule_that_fits_in_all_it_names_counts() {
        let rules = vec![
            rule("de-mobile", &["DE", "AT"], &[Device::Mobile], &[]),
            rule("german", &[], &[], &["de"]),
            rule("de", &["DE"], &[], &[]),
        ];
        let plan = Plan::new(&Redirects { rules, ..Redirects::default() }, "sale");
        let (desktop, mobile) = ((Device::Desktop, System::Linux), (Device::Mobile, System::Ios));
        for (country, device, language, expected) in [
            (Some("DE"), mobile, Some("de"), Some("de-mobile")),
            (Some("AT"), mobile, None, Some("de-mobile")),
            (Some("DE"), desktop, Some("de"), Some("german")),
            (Some("DE"), desktop, Some("en"), Some("de")),
            (Some("FR"), mobile, Some("fr"), None),
            (None, mobile, None, None),
        ] {
            let traits = Traits::fixed(country, device, language);
            let found = plan.rule(&traits).and_then(|choice| choice.rule);
            assert_eq!(found, expected, "{country:?} {device:?} {language:?}");
        }
    }

    #[test]
    fn a_variant_stays_with_its_journey_and_the_weights_hold() {
        let variants = [("a", 1), ("b", 3), ("none", 0)].map(|(name, weight)| VariantBody {
            name: name.into(),
            weight,
            destination: None,
        });
        let plan = Plan::new(&Redirects { variants: variants.into(), ..Redirects::default() }, "sale");
        let mut shares = std::collections::BTreeMap::new();
        for number in 0..40_000_u128 {
            let journey = JourneyId(number.to_be_bytes());
            let chosen = plan.variant(journey, "sale").and_then(|choice| choice.variant).expect("one of them");
            assert_eq!(plan.variant(journey, "sale").and_then(|choice| choice.variant), Some(chosen));
            *shares.entry(chosen).or_insert(0) += 1;
        }
        // A binomial's standard deviation is 87 here; six of them.
        assert!((9_480..10_520).contains(&shares["a"]) && shares["a"] + shares["b"] == 40_000, "{shares:?}");
        assert!(Plan::default().variant(JourneyId([1; 16]), "sale").is_none());
    }
}
