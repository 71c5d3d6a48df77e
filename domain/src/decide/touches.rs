//! Which touches of the known journeys may earn: judged one by one, as of the catalog that the click saw.

use super::explain::Span;
use super::facts::Facts;
use schemas::catalog::{AsOf, Catalog};
use schemas::id::{ClickId, JourneyId};
use schemas::limits::CLOCK_SKEW_MICROS;
use schemas::record::candidates::Touch;
use schemas::record::event::Event;
use schemas::time::MICROS_PER_SECOND;

pub(super) struct JudgedJourney<'a> {
    pub id: JourneyId,
    /// By (time, id).
    pub touches: Vec<JudgedTouch<'a>>,
    pub not_listed: i64,
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
            JudgedJourney { id: journey.journey_id, touches, not_listed }
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
    let look_back = campaign.body.look_back_seconds.saturating_mul(MICROS_PER_SECOND);
    if age > look_back {
        return (false, "outside_window", format!("age {}, look-back {}", Span(age), Span(look_back)));
    }
    match age {
        0.. => (true, "eligible", format!("age {}, look-back {}", Span(age), Span(look_back))),
        _ => (true, "clock_skew", format!("{} after the event, named by its token", Span(age))),
    }
}
