//! Where one click goes: a rule of its link, of its campaign, a deep link, a variant, or the campaign's destination. And what
//! the click keeps of that, under names that no link can send.

use super::deep_link;
use super::destination::{Destination, Fill};
use super::params::Params;
use super::plan::Choice;
use crate::http::problem::{Kind, Problem};
use crate::routes::KnownLink;
use crate::visitor::{Traits, Visitors};
use schemas::evidence::cut;
use schemas::id::JourneyId;
use schemas::placeholder::Macro;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of a deep link that a click keeps.
const DEEP_LINK_BYTES: usize = 256;

#[derive(Default)]
pub struct Chosen<'a> {
    rule: Option<&'a str>,
    variant: Option<&'a str>,
    /// As it was asked for, and why it was not followed.
    deep_link: Option<(&'a str, Option<&'static str>)>,
    destination: Option<Cow<'a, Destination>>,
}

impl<'a> Chosen<'a> {
    /// Of a link whose clicks count.
    pub fn open(link: &'a KnownLink, traits: &Traits<'_>, params: &'a Params, journey: JourneyId) -> Chosen<'a> {
        let campaign = &link.campaign;
        let own = link.own.as_ref().map(|own| &own.plan);
        let mut chosen = Chosen::default();
        let rule = own.and_then(|plan| plan.rule(traits)).or_else(|| campaign.plan.rule(traits));
        if let Some(rule) = rule {
            chosen.take(rule);
            return chosen;
        }
        if let Some(asked) = params.deep_link().filter(|_| !campaign.deep_link_hosts.is_empty()) {
            match deep_link::resolve(asked, &campaign.deep_link_hosts) {
                Ok(destination) => {
                    chosen.deep_link = Some((asked, None));
                    chosen.destination = Some(Cow::Owned(destination));
                    return chosen;
                }
                Err(why) => chosen.deep_link = Some((asked, Some(why))),
            }
        }
        let of_link = own.and_then(|plan| plan.variant(journey, link.code.as_str()));
        let variant = of_link.or_else(|| campaign.plan.variant(journey, campaign.id.as_str()));
        chosen.take(variant.unwrap_or_default());
        if chosen.destination.is_none() {
            chosen.destination = campaign.destination.as_ref().map(Cow::Borrowed);
        }
        chosen
    }

    /// Of one whose clicks do not.
    pub fn closed(link: &'a KnownLink, of_edge: Option<&'a Destination>) -> Chosen<'a> {
        let destination = link.fallback().or(of_edge).or(link.campaign.destination.as_ref());
        Chosen { destination: destination.map(Cow::Borrowed), ..Chosen::default() }
    }

    fn take(&mut self, choice: Choice<'a>) {
        (self.rule, self.variant) = (choice.rule, choice.variant);
        self.destination = choice.destination.map(Cow::Borrowed);
    }

    pub fn location(
        &self,
        link: &KnownLink,
        token: Option<&str>,
        params: &Params,
        traits: &Traits<'_>,
    ) -> Result<String, Problem> {
        let destination = self.destination.as_ref();
        let destination = destination
            .ok_or_else(|| Problem::new(Kind::InactiveLink, "the link leads nowhere now: destination_bad"))?;
        let rest = |asked: Macro| match asked {
            Macro::Campaign => Cow::Borrowed(link.campaign.id.as_str()),
            Macro::Publisher => Cow::Borrowed(link.publisher.id.as_str()),
            Macro::Country => Cow::Borrowed(traits.country().unwrap_or("")),
            Macro::Device => Cow::Borrowed(traits.device().0.name()),
            Macro::Os => Cow::Borrowed(traits.device().1.name()),
            Macro::Variant => Cow::Borrowed(self.variant.or(self.rule).unwrap_or("")),
            Macro::ClickId | Macro::RefCode | Macro::Sub(_) | Macro::Source => Cow::Borrowed(""),
        };
        Ok(destination.location(&Fill { code: link.code.as_str(), token, params, rest: &rest }))
    }

    /// For the click.
    pub fn note(&self, kept: &mut BTreeMap<String, String>) {
        let mut keep = |name: &str, value: &str| kept.insert(name.to_owned(), value.to_owned());
        if let Some(rule) = self.rule {
            keep("rule", rule);
        }
        if let Some(variant) = self.variant {
            keep("variant", variant);
        }
        if let Some((asked, refused)) = self.deep_link {
            keep("deep_link", cut(deep_link::told(asked), DEEP_LINK_BYTES));
            if let Some(why) = refused {
                keep("deep_link_refused", why);
            }
        }
    }
}

/// Country, device and operating system, as far as this edge keeps them.
pub fn note_traits(visitors: &Visitors, traits: &Traits<'_>, kept: &mut BTreeMap<String, String>) {
    if visitors.knows_countries()
        && let Some(country) = traits.country()
    {
        kept.insert("country".into(), country.to_owned());
    }
    if visitors.keep_device() {
        let (device, system) = traits.device();
        kept.insert("device".into(), device.name().to_owned());
        kept.insert("os".into(), system.name().to_owned());
    }
}

/// The edge's own page, for a link of which nothing else is known.
pub fn bare(destination: &Destination, code: &str) -> String {
    let rest = |_: Macro| Cow::Borrowed("");
    destination.location(&Fill { code, token: None, params: &Params::default(), rest: &rest })
}
