//! Every outcome and every reason code, one row each: these clicks and events, then this decision.

use crate::pipeline::{Input, Pipeline};
use crate::shop::*;
use crate::summary::summary;
use schemas::id::ConversionId;
use schemas::record::candidates::Touch;
use schemas::record::event::{Event, Evidence, EvidenceNames, EvidenceSource};

const PAID: &str = "100.00 USD x 10 % = 10.00; platform 30 % = 3.00; publisher";

struct Row {
    name: &'static str,
    clicks: Vec<Touch>,
    events: Vec<Event>,
    decision: Vec<String>,
}

fn row(name: &'static str, clicks: Vec<Touch>, events: Vec<Event>, decision: &[&str]) -> Row {
    let decision = decision.iter().map(|line| line.replace("PAID", PAID)).collect();
    Row { name, clicks, events, decision }
}

/// Decides the conversion of the first event of each row.
fn check(rows: Vec<Row>) {
    for Row { name, clicks, events, decision } in rows {
        let conversion = events[0].conversion_id;
        let clicks = clicks.into_iter().map(Input::Click);
        let events = events.into_iter().map(|event| Input::Event(Box::new(event)));
        let pipeline = Pipeline::run(catalog(), clicks.chain(events));
        let decided = pipeline.decision(conversion).unwrap_or_else(|| panic!("{name}: no decision"));
        assert_eq!(summary(&decided), decision, "{name}");
    }
}

fn token_of(source: EvidenceSource) -> Evidence {
    token(source, 1, 1)
}

fn nothing(source: EvidenceSource, value: &str, problem: Option<&str>) -> Evidence {
    Evidence { problem: problem.map(String::from), ..evidence(source, value, EvidenceNames::Nothing) }
}

#[test]
fn each_source_of_evidence_can_earn() {
    let alpha = || vec![click(1, 1, "alpha", "summer", HOUR)];
    let seen = "#1 alpha kept: eligible (age 01:00:00, look-back 30 d 00:00:00)";
    let journey = "used (1 of 1 touches of journey #1)";
    check(vec![
        row(
            "a click token",
            alpha(),
            vec![sale("e").token(1, 1)],
            &["attributed: click_id | PAID alpha 7.00", &format!("click_id T1: {journey}"), seen],
        ),
        row(
            "a token in the landing URL",
            alpha(),
            vec![sale("e").says(token_of(EvidenceSource::LandingUrl))],
            &["attributed: landing_url | PAID alpha 7.00", &format!("landing_url T1: {journey}"), seen],
        ),
        row(
            "a token in the referrer",
            alpha(),
            vec![sale("e").says(token_of(EvidenceSource::Referrer))],
            &["attributed: referrer | PAID alpha 7.00", &format!("referrer T1: {journey}"), seen],
        ),
        row(
            "an owned coupon",
            vec![],
            vec![sale("e").coupon("SAVE10")],
            &[
                "attributed: coupon | PAID gamma 7.00",
                "coupon SAVE10: used (coupon:SAVE10 of publisher gamma, campaign summer)",
                "synthetic gamma kept: synthetic ()",
            ],
        ),
        row(
            "a ref_code",
            vec![],
            vec![sale("e").ref_code("L-beta")],
            &[
                "attributed: ref_code | PAID beta 7.00",
                "ref_code L-beta: used (L-beta of publisher beta, campaign autumn)",
                "synthetic beta kept: synthetic ()",
            ],
        ),
    ]);
}

#[test]
fn the_strongest_evidence_wins_and_the_rest_says_why_not() {
    check(vec![
        row(
            "a coupon beats a token",
            vec![click(1, 1, "alpha", "summer", HOUR)],
            vec![sale("e").token(1, 1).coupon("SAVE10")],
            &[
                "attributed: coupon | PAID gamma 7.00",
                "coupon SAVE10: used (coupon:SAVE10 of publisher gamma, campaign summer)",
                "click_id T1: weaker_than_used (coupon)",
                "#1 alpha dropped: not_used (coupon)",
                "synthetic gamma kept: synthetic ()",
            ],
        ),
        row(
            "a coupon that nobody owns decides nothing",
            vec![click(1, 1, "alpha", "summer", HOUR)],
            vec![sale("e").coupon("ANY").token(1, 1)],
            &[
                "attributed: click_id | PAID alpha 7.00",
                "coupon ANY: generic_coupon (ANY, version 1)",
                "click_id T1: used (1 of 1 touches of journey #1)",
                "#1 alpha kept: eligible (age 01:00:00, look-back 30 d 00:00:00)",
            ],
        ),
        row(
            "the contract of the campaign orders the evidence",
            vec![click(1, 1, "alpha", "tokens", HOUR)],
            vec![sale("e").coupon("TOKENS").token(1, 1)],
            &[
                "attributed: click_id | 100.00 USD x 5 % = 5.00; platform 30 % = 1.50; publisher alpha 3.50",
                "click_id T1: used (1 of 1 touches of journey #1)",
                "coupon TOKENS: weaker_than_used (click_id)",
                "#1 alpha kept: eligible (age 01:00:00, look-back 30 d 00:00:00)",
            ],
        ),
        row(
            "a source that the contract leaves out earns nothing",
            vec![click(1, 1, "alpha", "coupons", HOUR)],
            vec![sale("e").token(1, 1)],
            &[
                "unattributed: not_in_contract | nobody earns: not_in_contract",
                "click_id T1: not_in_contract (coupon-only, version 1)",
                "#1 alpha dropped: not_in_contract (coupon-only, version 1)",
            ],
        ),
        row("nothing at all", vec![], vec![sale("e")], &["unattributed: no_evidence | nobody earns: no_evidence"]),
    ]);
}

#[test]
fn evidence_that_stands_for_nothing_says_what_was_measured() {
    let coupon = |code: &str| vec![sale("e").coupon(code)];
    let link = |code: &str| vec![sale("e").ref_code(code)];
    let unattributed = |reason: &str| format!("unattributed: {reason} | nobody earns: {reason}");
    let rows = [
        ("coupon_unknown", coupon("NEVER"), "coupon NEVER: coupon_unknown (NEVER)"),
        ("coupon_unknown", coupon("50 %"), "coupon 50 %: coupon_unknown (50 %)"),
        ("coupon_inactive", coupon("OLD"), "coupon OLD: coupon_inactive (OLD, version 1)"),
        ("coupon_of_other_advertiser", coupon("THEIRS"), "coupon THEIRS: coupon_of_other_advertiser (coupon:THEIRS)"),
        ("generic_coupon", coupon("any"), "coupon any: generic_coupon (ANY, version 1)"),
        ("link_unknown", link("L-none"), "ref_code L-none: link_unknown (L-none)"),
        ("link_unknown", link("no code"), "ref_code no code: link_unknown (no code)"),
        ("link_inactive", link("L-off"), "ref_code L-off: link_inactive (L-off, version 1)"),
        ("link_of_other_advertiser", link("L-theirs"), "ref_code L-theirs: link_of_other_advertiser (L-theirs)"),
        ("campaign_unknown", link("L-ghost"), "ref_code L-ghost: campaign_unknown (ghost)"),
        ("campaign_inactive", link("L-closed"), "ref_code L-closed: campaign_inactive (closed, version 1)"),
        (
            "budget_spent",
            link("L-spent"),
            "ref_code L-spent: budget_spent (spent, budget of alpha 20.000000 USD from 1970-01-01T00:00:00.000000Z, spent \
             21.500000)",
        ),
        ("click_not_seen", vec![sale("e").token(7, 1)], "click_id T7: click_not_seen (#7)"),
        (
            "token_forged",
            vec![sale("e").says(nothing(EvidenceSource::ClickId, "T9", Some("token_forged")))],
            "click_id T9: token_forged (T9)",
        ),
        (
            "names_nothing",
            vec![sale("e").says(nothing(EvidenceSource::Customer, "c", None))],
            "customer c: names_nothing (c)",
        ),
        (
            "token_incomplete",
            vec![sale("e").says(evidence(EvidenceSource::ClickId, "T", EvidenceNames::Touch))],
            "click_id T: token_incomplete (T)",
        ),
    ];
    check(
        rows.into_iter().map(|(code, events, line)| row(code, vec![], events, &[&unattributed(code), line])).collect(),
    );
}

#[test]
fn touches_that_may_not_earn_say_what_was_measured() {
    let one = |name: &'static str, touch: Touch, last: &str, line: &str| {
        let verdict = format!("click_id T1: no_eligible_touch (0 of 1, the last one: {last})");
        let outcome = "unattributed: no_eligible_touch | nobody earns: no_eligible_touch";
        row(name, vec![touch], vec![sale("e").token(1, 1)], &[outcome, &verdict, line])
    };
    check(vec![
        one(
            "older than the look-back",
            click(1, 1, "alpha", "short", DAY + 1),
            "outside_window",
            "#1 alpha dropped: outside_window (age 1 d 00:00:00.000001, look-back 1 d 00:00:00)",
        ),
        one(
            "a campaign that the click's edge did not know",
            Touch { catalog_offset: schemas::offset::Offset(0), ..click(1, 1, "alpha", "summer", HOUR) },
            "campaign_unknown",
            "#1 alpha dropped: campaign_unknown (summer)",
        ),
        one(
            "a campaign that is closed",
            click(1, 1, "alpha", "closed", HOUR),
            "campaign_inactive",
            "#1 alpha dropped: campaign_inactive (closed, version 1)",
        ),
        one(
            "a budget that was spent before the click",
            click(1, 1, "alpha", "spent", HOUR),
            "budget_spent",
            "#1 alpha dropped: budget_spent (spent, budget of alpha 20.000000 USD from 1970-01-01T00:00:00.000000Z, spent \
             21.500000)",
        ),
        one(
            "a campaign of somebody else",
            click(1, 1, "alpha", "theirs", HOUR),
            "campaign_of_other_advertiser",
            "#1 alpha dropped: campaign_of_other_advertiser (theirs)",
        ),
    ]);
}

#[test]
fn the_journey_of_a_token_earns_with_all_its_eligible_touches() {
    check(vec![
        row(
            "the token's own click may be outside its window",
            vec![click(1, 1, "alpha", "short", 2 * DAY), click(2, 1, "beta", "summer", 3 * DAY)],
            vec![sale("e").token(1, 1)],
            &[
                "attributed: click_id | PAID beta 7.00",
                "click_id T1: used (1 of 2 touches of journey #1)",
                "#2 beta kept: eligible (age 3 d 00:00:00, look-back 30 d 00:00:00)",
                "#1 alpha dropped: outside_window (age 2 d 00:00:00, look-back 1 d 00:00:00)",
            ],
        ),
        row(
            "while the token's click has not been seen its journey waits",
            vec![click(2, 1, "beta", "summer", HOUR)],
            vec![sale("e").token(1, 1)],
            &[
                "unattributed: click_not_seen | nobody earns: click_not_seen",
                "click_id T1: click_not_seen (#1)",
                "#2 beta dropped: click_not_seen (#1)",
            ],
        ),
        row(
            "a click after the event counts for its own token only",
            vec![
                click(1, 1, "alpha", "summer", HOUR),
                click(2, 1, "beta", "summer", -MINUTE),
                click(3, 1, "gamma", "summer", -MINUTE - SECOND),
            ],
            vec![sale("e").token(2, 1)],
            &[
                "attributed: click_id | PAID beta 7.00",
                "click_id T2: used (2 of 3 touches of journey #1)",
                "#1 alpha kept: eligible (age 01:00:00, look-back 30 d 00:00:00)",
                "#2 beta kept: clock_skew (00:01:00 after the event, named by its token)",
                "#3 gamma dropped: after_event (00:01:01 after the event)",
            ],
        ),
        row(
            "two journeys: the evidence of one is used",
            vec![click(1, 1, "alpha", "summer", HOUR), click(2, 2, "beta", "summer", MINUTE)],
            vec![sale("e").token(1, 1).says(token(EvidenceSource::LandingUrl, 2, 2))],
            &[
                "attributed: click_id | PAID alpha 7.00",
                "click_id T1: used (1 of 1 touches of journey #1)",
                "landing_url T2: weaker_than_used (click_id)",
                "#1 alpha kept: eligible (age 01:00:00, look-back 30 d 00:00:00)",
                "#2 beta dropped: not_used (click_id)",
            ],
        ),
        row(
            "a campaign without its contract",
            vec![click(1, 1, "alpha", "orphan", HOUR)],
            vec![sale("e").token(1, 1)],
            &[
                "unattributed: contract_unknown | nobody earns: contract_unknown",
                "click_id T1: contract_unknown (orphan)",
                "#1 alpha dropped: contract_unknown (orphan)",
            ],
        ),
    ]);
}

#[test]
fn several_reports_of_one_order_earn_once() {
    let of_event = |event_id: &str| ConversionId::of_event(&tenant(), &acme(), event_id);
    check(vec![
        row(
            "the earliest event is the conversion, the evidence of all counts",
            vec![click(1, 1, "alpha", "summer", HOUR)],
            vec![
                sale("late").order("O").value("80", "USD").after(MINUTE).token(1, 1),
                sale("same").order("O").after(SECOND),
                sale("first").order("O"),
            ],
            &[
                "attributed: click_id | PAID alpha 7.00",
                "click_id T1: used (1 of 1 touches of journey #1)",
                "#1 alpha kept: eligible (age 01:00:00, look-back 30 d 00:00:00)",
                "late: same_order (purchase 80.00 USD, but first says purchase 100.00 USD)",
                "same: same_order (purchase 100.00 USD, as first says)",
            ],
        ),
        row(
            "a repeat that says something else is noted, the first received counts",
            vec![],
            vec![
                sale("e").value("500", "USD").coupon("SAVE10").delayed(HOUR),
                sale("e").coupon("SAVE10").delayed(SECOND),
                sale("e").coupon("SAVE10").delayed(DAY),
            ],
            &[
                "attributed: coupon | PAID gamma 7.00",
                "coupon SAVE10: used (coupon:SAVE10 of publisher gamma, campaign summer)",
                "synthetic gamma kept: synthetic ()",
                "e: conflicting_repeat (worth purchase 500.00 USD instead of purchase 100.00 USD)",
            ],
        ),
        row(
            "an event id that came without and with its order earns in the order",
            vec![],
            vec![sale("e").coupon("SAVE10"), sale("e").order("O").coupon("SAVE10")],
            &[
                "same_as_order: same_as_order | nobody earns: same_as_order",
                &format!("coupon SAVE10: same_as_order ({})", sale("e").order("O").conversion_id),
            ],
        ),
    ]);
    let pipeline = Pipeline::run(catalog(), [Input::Event(Box::new(sale("e").order("O")))]);
    assert_eq!(pipeline.decision(of_event("e")), None, "an alias alone decides nothing");
    assert_eq!(pipeline.states[&of_event("e")].same_as, Some(sale("e").order("O").conversion_id));
}

#[test]
fn what_is_received_too_late_earns_nothing_and_changes_nothing() {
    let lateness = schemas::limits::LATENESS_MICROS;
    check(vec![
        row(
            "at the limit",
            vec![],
            vec![sale("e").coupon("SAVE10").delayed(lateness)],
            &[
                "attributed: coupon | PAID gamma 7.00",
                "coupon SAVE10: used (coupon:SAVE10 of publisher gamma, campaign summer)",
                "synthetic gamma kept: synthetic ()",
            ],
        ),
        row(
            "a microsecond over it",
            vec![],
            vec![sale("e").coupon("SAVE10").delayed(lateness + 1)],
            &["too_late: too_late | nobody earns: too_late", "coupon SAVE10: too_late (60 d 00:00:00.000001)"],
        ),
        row(
            "beside an event that came in time",
            vec![],
            vec![
                sale("in-time").order("O").ref_code("L-beta"),
                sale("late").order("O").coupon("SAVE10").after(-HOUR).delayed(lateness + 1),
            ],
            &[
                "attributed: ref_code | PAID beta 7.00",
                "coupon SAVE10: delivery_too_late (60 d 00:00:00.000001)",
                "ref_code L-beta: used (L-beta of publisher beta, campaign autumn)",
                "synthetic beta kept: synthetic ()",
                "late: too_late (purchase 100.00 USD, as in-time says)",
            ],
        ),
    ]);
}
