//! Produces `docs/explain.md` by the rules themselves and holds it against the committed file. After a change that is meant:
//! `EXPLAIN=write cargo test -p domain --test rules explained`.

use crate::table::{Case, cases_of_tables};
use domain::explanation::meaning::{Said, meaning};
use domain::explanation::text;
use schemas::record::decision::{Decision, Outcome};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A case in the words of `table/README.md`: what it is about, clicks, events, contract.
struct Shown {
    title: &'static str,
    /// The reason of the decision that it is to show.
    reason: &'static str,
    clicks: &'static str,
    events: &'static str,
    contract: &'static str,
}

const fn shown(
    title: &'static str,
    reason: &'static str,
    clicks: &'static str,
    events: &'static str,
    contract: &'static str,
) -> Shown {
    Shown { title, reason, clicks, events, contract }
}

const SHOWN: [Shown; 20] = [
    shown(
        "The last of two clicks is paid",
        "click_id",
        "1 beta 3 d before; 2 alpha 1 h before",
        "sale 100.00 order O-1001 token 2",
        "usual",
    ),
    shown(
        "A publisher's coupon is stronger than a click",
        "coupon",
        "1 alpha 1 h before",
        "sale 80.00 order O-1002 token 1 coupon SAVE10",
        "usual",
    ),
    shown("The shop names a link", "ref_code", "none", "sale 49.90 order O-1003 ref_code L-beta", "usual"),
    shown(
        "A click id in the address of the landing page",
        "landing_url",
        "1 alpha 20 min before",
        "sale 60.00 order O-1004 landing_url https://shop.example/?utm_source=x&click_id=T1",
        "usual",
    ),
    shown(
        "The shop says nothing of where the customer came from",
        "no_evidence",
        "none",
        "sale 100.00 order O-1005",
        "usual",
    ),
    shown(
        "The click is too old",
        "no_eligible_touch",
        "1 alpha 31 d before",
        "sale 100.00 order O-1006 token 1",
        "usual",
    ),
    shown("The click is still on its way", "click_not_seen", "none", "sale 100.00 order O-1007 token 1", "usual"),
    shown("A coupon that belongs to nobody", "generic_coupon", "none", "sale 100.00 order O-1008 coupon ANY", "usual"),
    shown(
        "A coupon that has expired",
        "coupon_expired",
        "none",
        "sale 100.00 order O-1009 coupon SAVE10",
        "coupon SAVE10 until 2 h before",
    ),
    shown(
        "A link of another advertiser",
        "link_of_other_advertiser",
        "none",
        "sale 100.00 order O-1010 ref_code L-alpha",
        "link L-alpha of rival",
    ),
    shown(
        "A click id that was made up",
        "token_forged",
        "none",
        "sale 100.00 order O-1011 landing_url https://shop.example/?click_id=Tx",
        "usual",
    ),
    shown(
        "The contract does not pay for this evidence",
        "not_in_contract",
        "none",
        "sale 100.00 order O-1012 ref_code L-alpha",
        "order coupon click_id",
    ),
    shown(
        "Reported three months late",
        "too_late",
        "1 alpha 1 h before",
        "sale 100.00 order O-1013 token 1 received 90 d later",
        "usual",
    ),
    shown(
        "Bought a second after the click: held",
        "fraud_score",
        "1 alpha 1 s before",
        "sale 100.00 order O-1014 token 1",
        "too_soon under 10 s scores 60; hold at 50; reject at 100",
    ),
    shown(
        "Held, then released by a person",
        "click_id",
        "1 alpha 1 s before",
        "sale 100.00 order O-1015 token 1; release by ana 1 d after",
        "too_soon under 10 s scores 60; hold at 50",
    ),
    shown(
        "Rejected by a person",
        "rejected_by_command",
        "1 alpha 1 h before",
        "sale 100.00 order O-1016 token 1; reject by ana 2 d after",
        "usual",
    ),
    shown(
        "The customer is the publisher",
        "fraud_score",
        "none",
        "sale 100.00 order O-1017 coupon SAVE10 customer ann",
        "customer ann is gamma; self_referral scores 100; reject at 100",
    ),
    shown(
        "A partial refund, and a repeat with another value",
        "click_id",
        "1 alpha 1 h before",
        "sale 100.00 id e-1 order O-1018 token 1; refund 30.00 order O-1018; sale 120.00 id e-1 order O-1018 token 1 received 1 h later",
        "usual",
    ),
    shown(
        "Two publishers share, one of them by a contract of its own, under a longer look-back",
        "click_id",
        "1 beta 40 d before; 2 alpha 1 h before",
        "sale 200.00 order O-1019 token 2",
        "linear; publisher alpha 20 %; override strike look-back 60 d for beta until 30 d before",
    ),
    shown("A lead that waits for its sale", "click_id", "1 alpha 1 h before", "lead order O-1020 token 1", "usual"),
];

const INTRODUCTION: &str = "\
# Why somebody is paid, or is not

`tributary explain ORDER` (or a conversion's id, or an event's) tells how a conversion was decided: what was reported, what was
considered and why each piece counted or did not, how the money was reckoned, and every journal entry. A reason is a code with
what was measured; the sentence below it says what the code means. `+` counted, `-` did not.

```
tributary explain O-1001                        # an order; --advertiser acme where several have one of that name
tributary explain O-1001 --json                 # the records themselves: money as text, times in microseconds since 1970, UTC
tributary explain O-1001 --scan                 # without ClickHouse: reads the topics decisions and journal whole
```

Each example here was decided by the rules and told by the code that `tributary explain` runs; a test
(`domain/tests/rules/explained.rs`) fails where this file differs from it, and writes it anew with
`EXPLAIN=write cargo test -p domain --test rules explained`. In all of them publishers `alpha`, `beta` and `gamma` have links on
campaign `summer` of advertiser `acme`, `gamma` owns coupon `SAVE10`, and unless it is said otherwise the contract pays 10 % of the
value for the last click of 30 days, of which the platform keeps 30 %.
";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/explain.md")
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for shown in &SHOWN {
        let case =
            Case::of(shown.clicks, shown.events, shown.contract).unwrap_or_else(|why| panic!("{}: {why}", shown.title));
        let decision = case.decision();
        assert_eq!(decision.reason, shown.reason, "{}", shown.title);
        page.push_str(&format!("\n## {}\n\n```\n{}```\n", shown.title, text(&decision, &case.entries())));
    }
    page
}

#[test]
fn the_page_of_explanations_is_what_the_rules_say() {
    let page = page();
    if std::env::var("EXPLAIN").is_ok_and(|what| what == "write") {
        std::fs::write(file(), &page).expect("writable");
    }
    let committed = std::fs::read_to_string(file()).expect("docs/explain.md");
    let differs = page.lines().zip(committed.lines()).position(|(now, then)| now != then);
    let at = differs.unwrap_or_else(|| page.lines().count().min(committed.lines().count()));
    assert!(
        page == committed,
        "docs/explain.md differs from line {} on: {:?}\nwrite it anew with EXPLAIN=write",
        at + 1,
        page.lines().nth(at)
    );
    let reasons: BTreeSet<&str> = SHOWN.iter().map(|shown| shown.reason).collect();
    assert!(reasons.len() >= 15, "{reasons:?}");
}

/// Each code that a decision uses, with what it is said of.
fn codes(decision: &Decision) -> BTreeSet<(u8, String)> {
    let outcome = if decision.outcome == Outcome::Attributed { Said::Winner } else { Said::Outcome };
    let mut codes = vec![(outcome, decision.reason.clone())];
    codes.extend(decision.evidence.iter().map(|verdict| (Said::Evidence, verdict.reason.clone())));
    codes.extend(decision.deliveries.iter().map(|note| (Said::Delivery, note.reason.clone())));
    codes
        .extend(decision.fraud.iter().flat_map(|fraud| &fraud.findings).map(|found| (Said::Fraud, found.rule.clone())));
    codes.extend(decision.command.iter().map(|command| (Said::Command, command.effect.clone())));
    codes.into_iter().map(|(said, code)| (said as u8, code)).collect()
}

#[test]
fn every_code_of_the_tables_has_a_sentence() {
    let said = [
        Said::Winner,
        Said::Outcome,
        Said::Status,
        Said::Evidence,
        Said::Touch,
        Said::Delivery,
        Said::Fraud,
        Said::Command,
    ];
    let mut used = BTreeSet::new();
    for case in cases_of_tables() {
        let decision = case.decision();
        used.extend(codes(&decision));
        // A click that may earn under a decision that nobody earns by has that decision's reason.
        let told = text(&decision, &case.entries());
        for verdict in &decision.touches {
            let head = format!("      {}", verdict.reason);
            let mut lines = told.lines().skip_while(|line| !line.starts_with(&head)).skip(1);
            let explained = lines.next().is_some_and(|line| line.starts_with("      "));
            assert!(explained, "a click's {} has no sentence:\n{told}", verdict.reason);
        }
    }
    assert!(used.len() >= 40, "only {} codes: {used:?}", used.len());
    let silent: Vec<_> = used
        .iter()
        .map(|(number, code)| (said[usize::from(*number)], code))
        .filter(|(said, code)| meaning(*said, code).is_none())
        .collect();
    assert!(silent.is_empty(), "without a sentence: {silent:?}");
}
