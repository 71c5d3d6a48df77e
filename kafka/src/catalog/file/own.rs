//! What is a publisher's own, in a catalog file: customers and addresses, each as the keyed hash that events and clicks
//! carry, so that no personal data is in the catalog. `tributary secrets hash` says it.

use super::fields::{Fields, Noted};
use super::tree::Value;
use crate::catalog::problem::Problem;
use schemas::id::BadId;
use std::str::FromStr;

/// Each conversion of the publisher looks through them.
const MOST: usize = 100;

/// Sorted, so that another order of writing is no other version.
pub fn hashes<T: FromStr<Err = BadId> + Ord>(
    fields: &Fields<'_>,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Result<Vec<T>, Noted> {
    let items = fields.list(field, problems)?.unwrap_or_default();
    let noted_before = problems.len();
    if items.len() > MOST {
        let reason = format!("{} of them; at most {MOST}", items.len());
        problems.push(Problem::without_value(fields.line_of(field), fields.path(field), reason));
    }
    let mut hashes: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        let reason = match &item.value {
            Value::Scalar(text) => match text.parse() {
                Ok(hash) if hashes.contains(&hash) => "named twice",
                Ok(hash) => {
                    hashes.push(hash);
                    continue;
                }
                Err(BadId(_)) => "expected a hash of 32 hexadecimal digits, as `tributary secrets hash` prints it",
            },
            Value::Null | Value::List(_) | Value::Map(_) => "expected a single value",
        };
        problems.push(Problem::new(item.line, fields.path(field), item.shown(), reason));
    }
    hashes.sort();
    if problems.len() == noted_before { Ok(hashes) } else { Err(Noted) }
}
