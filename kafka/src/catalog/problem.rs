//! What is wrong with a catalog file, and where. All problems of a file are reported at once.

use std::fmt;

/// Longer values are cut: the line shows the rest.
const SHOWN_CHARS: usize = 80;

/// One field that cannot be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 where it concerns the file as a whole.
    pub line: u64,
    /// `links.campaign`; empty where it concerns no field.
    pub field: String,
    /// None where the field is missing.
    pub value: Option<String>,
    pub reason: String,
}

impl Problem {
    pub fn new(line: u64, field: impl Into<String>, value: &str, reason: impl Into<String>) -> Problem {
        let value = Some(value.chars().take(SHOWN_CHARS).collect());
        Problem { line, field: field.into(), value, reason: reason.into() }
    }

    pub fn without_value(line: u64, field: impl Into<String>, reason: impl Into<String>) -> Problem {
        Problem { line, field: field.into(), value: None, reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    /// After `FILE:`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.line)?;
        if !self.field.is_empty() {
            write!(out, "field `{}`: ", self.field)?;
        }
        if let Some(value) = &self.value {
            write!(out, "value {value:?}: ")?;
        }
        out.write_str(&self.reason)
    }
}

/// `; did you mean `x`?` where a candidate is at most two letters away, else nothing.
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    // Longer names are not typed by hand, and the distance costs the product of the lengths.
    if given.len() > 64 {
        return String::new();
    }
    let near = candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(given.len()) <= 2)
        .map(|candidate| (distance(given, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 2 && distance < candidate.len())
        .min();
    near.map_or_else(String::new, |(_, candidate)| format!("; did you mean `{candidate}`?"))
}

/// Letters to change, add or leave out (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..other.len() {
            let changed = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_not() {
        for (given, expected) in [
            ("campain", "; did you mean `campaign`?"),
            ("publishers", "; did you mean `publisher`?"),
            ("colour", ""),
            ("", ""),
        ] {
            assert_eq!(did_you_mean(given, ["campaign", "publisher", "code"]), expected, "{given}");
        }
    }
}
