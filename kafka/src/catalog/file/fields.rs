//! The fields of one mapping of a catalog file: taken by name, each checked, every problem noted with its line.

use super::tree::{Node, Value};
use crate::catalog::problem::{Problem, did_you_mean};
use schemas::time::Micros;

/// Longer names break tables and reports.
const NAME_CHARS: usize = 200;

pub struct Fields<'a> {
    pub line: u64,
    section: &'static str,
    entries: &'a [(Node, Node)],
}

impl<'a> Fields<'a> {
    /// None when it is no mapping. Keys outside `known` are problems.
    pub fn open(
        node: &'a Node,
        section: &'static str,
        known: &[&str],
        problems: &mut Vec<Problem>,
    ) -> Option<Fields<'a>> {
        let Value::Map(entries) = &node.value else {
            let reason = format!("expected a mapping with the fields {}", known.join(", "));
            problems.push(Problem::new(node.line, section, node.shown(), reason));
            return None;
        };
        let fields = Fields { line: node.line, section, entries };
        for (key, _) in entries {
            if !known.contains(&key.shown()) {
                let hint = did_you_mean(key.shown(), known.iter().copied());
                let reason = format!("unknown field{hint}");
                problems.push(Problem::without_value(key.line, fields.path(key.shown()), reason));
            }
        }
        Some(fields)
    }

    /// `links.campaign`.
    pub fn path(&self, field: &str) -> String {
        if self.section.is_empty() { field.to_owned() } else { format!("{}.{field}", self.section) }
    }

    /// None when it is missing or null.
    pub fn get(&self, field: &str) -> Option<&'a Node> {
        let (_, node) = self.entries.iter().find(|(key, _)| key.shown() == field)?;
        (node.value != Value::Null).then_some(node)
    }

    pub fn line_of(&self, field: &str) -> u64 {
        self.get(field).map_or(self.line, |node| node.line)
    }

    /// A scalar as `parse` reads it; `Ok(None)` when it is missing, `Err` when a problem was noted.
    pub fn optional<T>(
        &self,
        field: &str,
        problems: &mut Vec<Problem>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Noted> {
        let Some(node) = self.get(field) else { return Ok(None) };
        let parsed = match &node.value {
            Value::Scalar(text) => parse(text),
            Value::Null | Value::List(_) | Value::Map(_) => Err("expected a single value".into()),
        };
        parsed.map(Some).map_err(|reason| {
            problems.push(Problem::new(node.line, self.path(field), node.shown(), reason));
            Noted
        })
    }

    pub fn required<T>(
        &self,
        field: &str,
        problems: &mut Vec<Problem>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Noted> {
        let found = self.optional(field, problems, parse)?;
        found.ok_or_else(|| {
            problems.push(Problem::without_value(self.line, self.path(field), "missing"));
            Noted
        })
    }

    pub fn list(&self, field: &str, problems: &mut Vec<Problem>) -> Result<Option<&'a [Node]>, Noted> {
        match self.get(field).map(|node| (node, &node.value)) {
            None => Ok(None),
            Some((_, Value::List(items))) => Ok(Some(items)),
            Some((node, Value::Null | Value::Scalar(_) | Value::Map(_))) => {
                problems.push(Problem::new(node.line, self.path(field), node.shown(), "expected a list"));
                Err(Noted)
            }
        }
    }
}

/// A problem has been noted; there is nothing to add.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Noted;

/// A name that people read.
pub fn display_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let good = (1..=NAME_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if good { Ok(text.to_owned()) } else { Err(format!("expected 1 to {NAME_CHARS} printable characters")) }
}

pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

pub fn time(text: &str) -> Result<Micros, String> {
    Micros::parse(text).map_err(|_| "expected a time like 2026-01-31T08:00:00Z".into())
}

/// One of the enum's names.
pub fn one_of<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().copied().find(|&candidate| name(candidate) == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|&candidate| name(candidate)).collect();
        format!("expected one of {}{}", names.join(", "), did_you_mean(text, names.iter().copied()))
    })
}
