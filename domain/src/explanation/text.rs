//! The layout of an explanation: headings, and items with what they mean below them, at most 110 characters wide.

use schemas::time::{MICROS_PER_SECOND, Micros};

const WIDTH: usize = 110;
const INDENT: &str = "  ";
const DEEPER: &str = "      ";

#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    pub fn line(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    pub fn heading(&mut self, heading: &str) {
        self.line("");
        self.line(heading);
    }

    /// `code (measured)`, and what the code means.
    pub fn item(&mut self, code: &str, measured: &str, meaning: Option<&str>) {
        let measured = if measured.is_empty() { String::new() } else { format!(" ({measured})") };
        self.wrapped(&format!("{code}{measured}"), INDENT);
        if let Some(meaning) = meaning {
            self.wrapped(meaning, DEEPER);
        }
    }

    /// What was looked at, then the verdict on it.
    pub fn judged(&mut self, head: &str, code: &str, measured: &str, meaning: Option<&str>) {
        let measured = if measured.is_empty() { String::new() } else { format!(" ({measured})") };
        self.wrapped(head, INDENT);
        self.wrapped(&format!("{code}{measured}"), DEEPER);
        if let Some(meaning) = meaning {
            self.wrapped(meaning, DEEPER);
        }
    }

    pub fn note(&mut self, note: &str) {
        self.wrapped(note, INDENT);
    }

    pub fn done(self) -> String {
        self.0
    }

    /// Broken between words; a word that is longer than a line stays whole.
    fn wrapped(&mut self, text: &str, indent: &str) {
        let mut line = indent.to_owned();
        let mut empty = true;
        for word in text.split(' ') {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = indent.to_owned();
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(&line);
    }
}

/// `2026-01-31 08:00:00 UTC`, with its microseconds where it has any.
pub(super) fn time(at: Micros) -> String {
    let text = at.to_string().replace('T', " ");
    let (whole, micros) = text.trim_end_matches('Z').split_once('.').unwrap_or((&text, ""));
    match at.0.rem_euclid(MICROS_PER_SECOND) {
        0 => format!("{whole} UTC"),
        _ => format!("{whole}.{micros} UTC"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_long_words_stay_whole() {
        let mut text = Text::default();
        let (word, long) = ("x".repeat(60), "y".repeat(120));
        text.note(&format!("{word} {word} {long} end"));
        assert_eq!(text.done(), format!("  {word}\n  {word}\n  {long}\n  end\n"));
    }

    #[test]
    fn times_are_whole_seconds_where_they_can_be() {
        for (micros, expected) in [
            (1_760_000_000_000_000, "2025-10-09 08:53:20 UTC"),
            (1_760_000_000_000_001, "2025-10-09 08:53:20.000001 UTC"),
        ] {
            assert_eq!(time(Micros(micros)), expected);
        }
    }
}
