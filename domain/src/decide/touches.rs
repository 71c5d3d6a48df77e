//! Which touches of the known journeys may earn: judged one by one, as of the catalog that the click saw.

use super::explain::Span;
use super::facts::Facts;
use super::validity::{self, Lapse};
use schemas::catalog::{AsOf, Catalog, NamedOverride};
use schemas::id::{ClickId, JourneyId};
use schemas::limits::CLOCK_SKEW_MICROS;
use schemas::record::candidates::CustomerTie;
use schemas::record::candidates::Touch;
use schemas::record::event::Event;
use schemas::time::MICROS_PER_SECOND;
use std::fmt;

pub(super) struct JudgedJourney<'a> {
    pub id: JourneyId,
    /// By (time, id).
    pub touches: Vec<JudgedTouch<'a>>,
    pub not_listed: i64,
    pub tie: Option<&'a CustomerTie>,
}

pub(super) struct JudgedTouch<'a> {
    pub touch: &'a Touch,
    pub eligible: bool,
    /// A code, with what was measured.
    pub reason: &'static str,
    pub value: String,
}

impl<'a> JudgedJourney<'a> {
    pub fn eligible(&self) -> impl DoubleEndedIterator<Item = &'a Touch> {
        self.touches.iter().filter(|judged| judged.eligible).map(|judged| judged.touch)
    }

    /// Whether a click arrived. One in the middle of a journey too long to be listed is taken on its token's word: the
    /// edge verified it.
    pub fn has_seen(&self, click: ClickId) -> bool {
        self.not_listed > 0 || self.touches.iter().any(|judged| judged.touch.click_id == click)
    }
}

pub(super) fn judge<'a>(facts: &Facts<'a>, catalog: &Catalog) -> Vec<JudgedJourney<'a>> {
    let evidence = facts.events.iter().flat_map(|event| &event.evidence);
    let named: Vec<ClickId> = evidence.filter_map(|evidence| evidence.click_id).collect();
    facts
        .journeys
        .iter()
        .map(|journey| {
            let touches = journey.touches.iter();
            let touches: Vec<_> = touches.map(|touch| judge_one(touch, &named, facts.earning(), catalog)).collect();
            let not_listed = journey.touches_total.saturating_sub_unsigned(touches.len() as u64);
            JudgedJourney { id: journey.journey_id, touches, not_listed, tie: journey.tie.as_ref() }
        })
        .collect()
}

fn judge_one<'a>(touch: &'a Touch, named: &[ClickId], earning: &Event, catalog: &Catalog) -> JudgedTouch<'a> {
    let (eligible, reason, value) = verdict(touch, named, earning, catalog);
    JudgedTouch { touch, eligible, reason, value }
}

fn verdict(touch: &Touch, named: &[ClickId], earning: &Event, catalog: &Catalog) -> (bool, &'static str, String) {
    let age = earning.occurred_at.since(touch.occurred_at);
    let within_skew = age >= -CLOCK_SKEW_MICROS && named.contains(&touch.click_id);
    if age < 0 && !within_skew {
        return (false, "after_event", format!("{} after the event", Span(age)));
    }
    let as_of = AsOf { offset: touch.catalog_offset, time: touch.occurred_at };
    let Some(campaign) = catalog.campaign(&earning.tenant, &touch.campaign, as_of) else {
        return (false, "campaign_unknown", touch.campaign.to_string());
    };
    if campaign.body.advertiser != earning.advertiser {
        return (false, "campaign_of_other_advertiser", touch.campaign.to_string());
    }
    if !campaign.body.active {
        return (false, "campaign_inactive", format!("{}, version {}", touch.campaign, campaign.number));
    }
    if let Some(passed) = catalog.budget_passed(&earning.tenant, &touch.campaign, &touch.publisher, as_of) {
        return (false, "budget_spent", validity::spent(passed));
    }
    if let Some((reason, measured)) = link_not_in_force(touch, earning, as_of, catalog) {
        return (false, reason, measured);
    }
    let instead = catalog.overridden(&earning.tenant, &touch.campaign, &touch.publisher, as_of).unwrap_or_default();
    let look_back = Window::of(campaign.body.look_back_seconds, instead.look_back);
    let minimum = Window::of(campaign.body.minimum_seconds, instead.minimum);
    if age > look_back.micros {
        return (false, "outside_window", format!("age {}, look-back {look_back}", Span(age)));
    }
    // A click that seems to follow its event is younger than any minimum: whose clock is wrong, nobody knows.
    if minimum.micros > 0 && age < minimum.micros {
        let sign = if age < 0 { "-" } else { "" };
        return (false, "too_soon", format!("age {sign}{}, minimum {minimum}", Span(age)));
    }
    if age < 0 {
        return (true, "clock_skew", format!("{} after the event, named by its token", Span(age)));
    }
    let mut measured = format!("age {}, look-back {look_back}", Span(age));
    if minimum.instead.is_some() {
        measured = format!("{measured}, minimum {minimum}");
    }
    (true, "eligible", measured)
}

/// The edge has resolved the click's link; one that it did not find in the catalog would not have been counted.
fn link_not_in_force(touch: &Touch, earning: &Event, as_of: AsOf, catalog: &Catalog) -> Option<(&'static str, String)> {
    let link = catalog.link(&earning.tenant, &touch.link, as_of)?;
    if !link.body.active {
        return Some(("link_inactive", format!("{}, version {}", touch.link, link.number)));
    }
    let (lapse, measured) = validity::lapse(link.body.valid_from, link.body.valid_until, as_of.time)?;
    let reason = match lapse {
        Lapse::NotYetValid => "link_not_yet_valid",
        Lapse::Expired => "link_expired",
    };
    Some((reason, format!("{} {measured}", touch.link)))
}

/// A length of time that the campaign sets, or an override in its place.
struct Window<'c> {
    micros: i64,
    instead: Option<NamedOverride<'c>>,
}

impl<'c> Window<'c> {
    fn of(seconds: i64, instead: Option<(i64, NamedOverride<'c>)>) -> Self {
        let (seconds, instead) = instead.map_or((seconds, None), |(seconds, named)| (seconds, Some(named)));
        Window { micros: seconds.saturating_mul(MICROS_PER_SECOND), instead }
    }
}

impl fmt::Display for Window<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Span(self.micros))?;
        let Some(NamedOverride { id, version, body }) = &self.instead else { return Ok(()) };
        write!(out, " by override {id} version {version} of {} until {}", body.approver, body.expires_at)
    }
}
