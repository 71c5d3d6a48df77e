//! Whether a link, a coupon or a budget was in force at a time.

use super::explain::Span;
use schemas::name::PublisherId;
use schemas::record::catalog::BudgetPassed;
use schemas::time::Micros;

/// On which side of its validity a time falls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapse {
    NotYetValid,
    Expired,
}

/// Why something with these first and last moments was not in force at `at`, with what was measured.
pub(super) fn lapse(from: Option<Micros>, until: Option<Micros>, at: Micros) -> Option<(Lapse, String)> {
    match (from, until) {
        (Some(from), _) if at < from => {
            Some((Lapse::NotYetValid, format!("valid from {from}, {} before", Span(from.since(at)))))
        }
        (_, Some(until)) if at > until => {
            Some((Lapse::Expired, format!("valid until {until}, {} after", Span(at.since(until)))))
        }
        _ => None,
    }
}

/// A budget that pauses its campaign, as a decision names it.
pub(super) fn spent(passed: &BudgetPassed) -> String {
    let BudgetPassed { campaign, publisher, currency, from, limit, spent } = passed;
    let of = publisher.as_ref().map_or("all publishers", PublisherId::as_str);
    format!("{campaign}, budget of {of} {limit} {currency} from {from}, spent {spent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_moment_belong_to_a_validity() {
        let (from, until) = (Some(Micros(10)), Some(Micros(20)));
        for (at, expected) in [
            (9, Some("valid from 1970-01-01T00:00:00.000010Z, 00:00:00.000001 before")),
            (10, None),
            (20, None),
            (21, Some("valid until 1970-01-01T00:00:00.000020Z, 00:00:00.000001 after")),
        ] {
            let found = lapse(from, until, Micros(at)).map(|(_, measured)| measured);
            assert_eq!(found.as_deref(), expected, "{at}");
            assert!(lapse(None, None, Micros(at)).is_none());
        }
    }
}
