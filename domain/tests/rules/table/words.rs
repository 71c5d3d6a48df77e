//! The words of a cell, taken one by one.

use crate::shop::{DAY, HOUR, MINUTE, NOON, SECOND};
use schemas::time::Micros;

pub struct Words<'t> {
    text: &'t str,
    left: Vec<&'t str>,
}

impl<'t> Words<'t> {
    pub fn of(text: &'t str) -> Self {
        let mut left: Vec<&str> = text.split_whitespace().collect();
        left.reverse();
        Words { text, left }
    }

    pub fn peek(&self) -> Option<&'t str> {
        self.left.last().copied()
    }

    pub fn next(&mut self) -> Result<&'t str, String> {
        self.left.pop().ok_or_else(|| format!("`{}` ends too early", self.text))
    }

    /// The next word by its type.
    pub fn parse<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let word = self.next()?;
        word.parse().map_err(|_| format!("`{word}` in `{}`", self.text))
    }

    /// Takes the next words if they are these.
    pub fn take(&mut self, words: &str) -> bool {
        let wanted: Vec<&str> = words.split(' ').rev().collect();
        let found = self.left.ends_with(&wanted);
        if found {
            self.left.truncate(self.left.len() - wanted.len());
        }
        found
    }

    pub fn expect(&mut self, words: &str) -> Result<(), String> {
        if self.take(words) { Ok(()) } else { Err(format!("`{words}` is missing in `{}`", self.text)) }
    }

    pub fn unknown<T>(&self) -> Result<T, String> {
        Err(format!("what is {:?} in `{}`?", self.peek(), self.text))
    }

    pub fn end(&self) -> Result<(), String> {
        if self.left.is_empty() { Ok(()) } else { self.unknown() }
    }

    /// Whether a length of time comes next.
    pub fn has_span(&self) -> bool {
        let next = self.left.iter().rev().take(2).collect::<Vec<_>>();
        matches!(next.as_slice(), [number, unit] if number.parse::<i64>().is_ok() && micros(unit).is_some())
    }

    /// `30 d 1 us`
    pub fn span(&mut self) -> Result<i64, String> {
        let mut sum = 0;
        if !self.has_span() {
            return Err(format!("a length of time is missing in `{}`", self.text));
        }
        while self.has_span() {
            let number: i64 = self.parse()?;
            sum += number * micros(self.next()?).expect("has_span looked");
        }
        Ok(sum)
    }

    /// `1 h before`, `5 min after`, told from noon.
    pub fn time(&mut self) -> Result<Micros, String> {
        if self.take("noon") {
            return Ok(NOON);
        }
        let span = self.span()?;
        if self.take("before") {
            return Ok(NOON.plus(-span));
        }
        self.expect("after").map(|()| NOON.plus(span))
    }
}

fn micros(unit: &str) -> Option<i64> {
    Some(match unit {
        "d" => DAY,
        "h" => HOUR,
        "min" => MINUTE,
        "s" => SECOND,
        "us" => 1,
        _ => return None,
    })
}
