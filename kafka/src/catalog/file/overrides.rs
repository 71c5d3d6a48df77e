//! Overrides in a catalog file: temporary exceptions from campaigns' windows, each with who approved it and why.

use super::fields::{Fields, Noted, display_name, time};
use super::sections::Notes;
use super::terms::{look_back_seconds, minimum_seconds};
use super::tree::Node;
use crate::catalog::problem::Problem;
use schemas::name::{CampaignId, PublisherId};
use schemas::record::catalog::{EntityKind, Override};
use schemas::time::Micros;

pub const KNOWN: [&str; 9] =
    ["id", "campaign", "publisher", "look_back", "minimum_time", "expires_at", "approver", "why", "effective_from"];

pub fn exception(fields: &Fields<'_>, notes: &mut Notes<'_>) -> Result<Override, Noted> {
    let campaign = notes.reference_if_any(fields, "campaign", EntityKind::Campaign, CampaignId::new);
    let publisher = notes.reference_if_any(fields, "publisher", EntityKind::Publisher, PublisherId::new);
    let problems = &mut *notes.problems;
    let look_back = fields.optional("look_back", problems, look_back_seconds);
    let minimum = fields.optional("minimum_time", problems, minimum_seconds);
    let expires_at = fields.required("expires_at", problems, time);
    let approver = fields.required("approver", problems, display_name);
    let why = fields.required("why", problems, display_name);
    let noted_before = problems.len();
    let mut wrong = |reason: &str| problems.push(Problem::without_value(fields.line, "overrides", reason));
    if let (Ok(None), Ok(None)) = (&campaign, &publisher) {
        wrong("names no campaign and no publisher; what holds for all is the campaigns' own");
    }
    match (look_back, minimum) {
        (Ok(None), Ok(None)) => wrong("changes neither look_back nor minimum_time"),
        (Ok(Some(look_back)), Ok(Some(minimum))) if minimum > look_back => {
            wrong("minimum_time is more than look_back: no click would earn");
        }
        (Ok(_) | Err(Noted), Ok(_) | Err(Noted)) => {}
    }
    if problems.len() > noted_before {
        return Err(Noted);
    }
    Ok(Override {
        campaign: campaign?,
        publisher: publisher?,
        look_back_seconds: look_back?,
        minimum_seconds: minimum?,
        expires_at: expires_at?,
        approver: approver?,
        why: why?,
    })
}

/// One that is over when it begins holds for nothing.
pub fn check_end(fields: &Fields<'_>, exception: &Override, effective_from: Micros, problems: &mut Vec<Problem>) {
    if exception.expires_at <= effective_from {
        let shown = fields.get("expires_at").map_or("", Node::shown);
        let reason = format!("not after effective_from {effective_from}: it would hold for nothing");
        problems.push(Problem::new(fields.line_of("expires_at"), fields.path("expires_at"), shown, reason));
    }
}
