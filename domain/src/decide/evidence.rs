//! What each piece of evidence is worth by itself: the touches or the code that it stands for, or why it stands for
//! nothing. Which one wins is `ruling`'s.

use super::explain::Span;
use super::facts::{self, Facts};
use super::touches::JudgedJourney;
use super::validity::{self, Lapse};
use schemas::catalog::{AsOf, Catalog};
use schemas::name::{CampaignId, CouponCode, LinkCode, PublisherId};
use schemas::record::event::{Event, Evidence, EvidenceNames};

pub(super) struct JudgedEvidence<'a> {
    pub event: &'a Event,
    pub evidence: &'a Evidence,
    pub finding: Finding,
}

#[derive(Clone)]
pub(super) enum Finding {
    /// All eligible touches of this journey, an index, of which there are some.
    Journey(usize),
    Code(Code),
    Nothing {
        reason: String,
        measured: String,
    },
}

/// A publisher's link or coupon without a click: one synthetic touch.
#[derive(Clone)]
pub(super) struct Code {
    pub campaign: CampaignId,
    pub publisher: PublisherId,
    /// The link's code, or `coupon:` and the coupon's.
    pub link: String,
}

/// Judges all evidence, by (time of its event, event id, position); then the customer's journeys, the one tied last first.
pub(super) fn judge<'f>(facts: &'f Facts, journeys: &[JudgedJourney], catalog: &Catalog) -> Vec<JudgedEvidence<'f>> {
    let pairs = facts.events.iter().flat_map(|event| event.evidence.iter().map(move |evidence| (event, evidence)));
    let judged = pairs.map(|(event, evidence)| {
        let finding = if facts.too_late_to_count(event) {
            nothing("delivery_too_late", Span(facts::lateness(event)).to_string())
        } else {
            match evidence.names {
                EvidenceNames::Touch => token(evidence, journeys),
                EvidenceNames::Link => link(event, evidence, catalog),
                EvidenceNames::Coupon => coupon(event, evidence, catalog),
                EvidenceNames::Nothing => {
                    nothing(evidence.problem.as_deref().unwrap_or("names_nothing"), evidence.value.clone())
                }
            }
        };
        JudgedEvidence { event, evidence, finding }
    });
    let tied = facts.of_customer.iter().map(|(at, evidence)| JudgedEvidence {
        event: facts.earning(),
        evidence,
        finding: customer(*at, facts.earning(), journeys),
    });
    judged.chain(tied).collect()
}

/// A customer stands for a journey that an event at or before this one tied to it.
fn customer(at: usize, earning: &Event, journeys: &[JudgedJourney]) -> Finding {
    let Some(tie) = journeys[at].tie else { return nothing("customer_not_tied", journeys[at].id.to_string()) };
    let later = tie.at.since(earning.occurred_at);
    if later > 0 {
        return nothing("customer_tied_later", format!("by {}, {} after the event", tie.event_id, Span(later)));
    }
    eligible(at, journeys)
}

fn nothing(reason: &str, measured: impl Into<String>) -> Finding {
    Finding::Nothing { reason: reason.to_owned(), measured: measured.into() }
}

/// A token stands for its whole journey, once its own click has been seen: until then it may still arrive.
fn token(evidence: &Evidence, journeys: &[JudgedJourney]) -> Finding {
    let (Some(click), Some(journey)) = (evidence.click_id, evidence.journey_id) else {
        return nothing("token_incomplete", evidence.value.clone());
    };
    let known = journeys.iter().position(|known| known.id == journey && known.has_seen(click));
    let Some(at) = known else { return nothing("click_not_seen", click.to_string()) };
    eligible(at, journeys)
}

fn eligible(at: usize, journeys: &[JudgedJourney]) -> Finding {
    if journeys[at].eligible().next().is_some() {
        return Finding::Journey(at);
    }
    let touches = &journeys[at].touches;
    let last = touches.last().map_or("", |last| last.reason);
    nothing("no_eligible_touch", format!("0 of {}, the last one: {last}", touches.len()))
}

/// Codes are judged by the event that brought them: by its time, and by what its edge knew.
fn as_of(event: &Event) -> AsOf {
    AsOf { offset: event.catalog_offset, time: event.occurred_at }
}

fn link(event: &Event, evidence: &Evidence, catalog: &Catalog) -> Finding {
    let text = evidence.code.as_deref().unwrap_or(&evidence.value);
    let Ok(code) = LinkCode::new(text) else { return nothing("link_unknown", text) };
    let Some(link) = catalog.link(&event.tenant, &code, as_of(event)) else { return nothing("link_unknown", text) };
    if !link.body.active {
        return nothing("link_inactive", format!("{code}, version {}", link.number));
    }
    if let Some((lapse, measured)) = validity::lapse(link.body.valid_from, link.body.valid_until, event.occurred_at) {
        let reason = match lapse {
            Lapse::NotYetValid => "link_not_yet_valid",
            Lapse::Expired => "link_expired",
        };
        return nothing(reason, format!("{code} {measured}"));
    }
    let code =
        Code { campaign: link.body.campaign.clone(), publisher: link.body.publisher.clone(), link: code.to_string() };
    in_campaign(event, code, "link_of_other_advertiser", catalog)
}

fn coupon(event: &Event, evidence: &Evidence, catalog: &Catalog) -> Finding {
    let text = evidence.code.as_deref().unwrap_or(&evidence.value);
    let Ok(code) = CouponCode::fold(text) else { return nothing("coupon_unknown", text) };
    let Some(coupon) = catalog.coupon(&event.tenant, &event.advertiser, &code, as_of(event)) else {
        return nothing("coupon_unknown", code.to_string());
    };
    if !coupon.body.active {
        return nothing("coupon_inactive", format!("{code}, version {}", coupon.number));
    }
    if let Some((lapse, measured)) = validity::lapse(coupon.body.valid_from, coupon.body.valid_until, event.occurred_at)
    {
        let reason = match lapse {
            Lapse::NotYetValid => "coupon_not_yet_valid",
            Lapse::Expired => "coupon_expired",
        };
        return nothing(reason, format!("{code} {measured}"));
    }
    let Some(publisher) = coupon.body.publisher.clone() else {
        return nothing("generic_coupon", format!("{code}, version {}", coupon.number));
    };
    let code = Code { campaign: coupon.body.campaign.clone(), publisher, link: format!("coupon:{code}") };
    in_campaign(event, code, "coupon_of_other_advertiser", catalog)
}

fn in_campaign(event: &Event, code: Code, of_other: &str, catalog: &Catalog) -> Finding {
    let Some(campaign) = catalog.campaign(&event.tenant, &code.campaign, as_of(event)) else {
        return nothing("campaign_unknown", code.campaign.to_string());
    };
    if campaign.body.advertiser != event.advertiser {
        return nothing(of_other, code.link);
    }
    if !campaign.body.active {
        return nothing("campaign_inactive", format!("{}, version {}", code.campaign, campaign.number));
    }
    if let Some(passed) = catalog.budget_passed(&event.tenant, &code.campaign, &code.publisher, as_of(event)) {
        return nothing("budget_spent", validity::spent(passed));
    }
    Finding::Code(code)
}
