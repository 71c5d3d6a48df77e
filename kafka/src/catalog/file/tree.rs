//! A YAML text as a tree in which every node knows its line, so that one pass can find all problems. The door to the
//! YAML parser; what the nodes mean is the sections'.

use crate::catalog::problem::Problem;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Budget, Options, Spanned};
use std::fmt;

/// About a quarter of a million links; more come in several files. Reading takes some twenty times this in memory.
const FILE_BYTES: usize = 16 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub line: u64,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    /// As it was written: a number is kept as text, so that no rate passes through a float.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The value in an error message.
    pub fn shown(&self) -> &str {
        match &self.value {
            Value::Null => "null",
            Value::Scalar(text) => text,
            Value::List(_) => "[...]",
            Value::Map(_) => "{...}",
        }
    }
}

pub fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > FILE_BYTES {
        let reason = format!("{} bytes are more than {FILE_BYTES}; split the file", text.len());
        return Err(Problem::without_value(0, "", reason));
    }
    let mut budget = Budget::default();
    // Nodes take two bytes at the least, so the length of the file is what limits them.
    budget.max_nodes = FILE_BYTES;
    budget.max_events = 2 * FILE_BYTES;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.with_snippet = false;
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        Problem::without_value(line, "", format!("not YAML: {error}"))
    })?;
    Ok(resolve(raw, text))
}

/// What the parser tells: not the spelling of a number, but where it stands.
enum Raw {
    Null,
    Text(String),
    Plain,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

fn resolve(raw: Spanned<Raw>, source: &str) -> Node {
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(text),
        Raw::Plain => Value::Scalar(spelling(&raw.defined, source)),
        Raw::List(items) => Value::List(items.into_iter().map(|item| resolve(item, source)).collect()),
        Raw::Map(entries) => {
            let entries = entries.into_iter().map(|(key, value)| (resolve(key, source), resolve(value, source)));
            Value::Map(entries.collect())
        }
    };
    Node { line: raw.referenced.line(), value }
}

fn spelling(location: &serde_saphyr::Location, source: &str) -> String {
    let span = location.span();
    let bytes = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
        let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
        source.get(start..start.checked_add(length)?)
    });
    bytes.unwrap_or("").trim().to_owned()
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scalar_keeps_its_spelling_and_line() {
        let text = "a: 007\nb:\n- 1.50\n- \"x\\ty\"\n- true\n- ~\n- {2: 10 %}\nc: 1_000\nd: &anchor 0.10\ne: *anchor\n";
        let node = parse(text).expect("YAML");
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        let mut seen = Vec::new();
        fn walk(node: &Node, seen: &mut Vec<(u64, String)>) {
            match &node.value {
                Value::List(items) => items.iter().for_each(|item| walk(item, seen)),
                Value::Map(entries) => entries.iter().for_each(|(key, value)| {
                    walk(key, seen);
                    walk(value, seen);
                }),
                Value::Null | Value::Scalar(_) => seen.push((node.line, node.shown().to_owned())),
            }
        }
        entries.iter().for_each(|(_, value)| walk(value, &mut seen));
        let expected = [
            (1, "007"),
            (3, "1.50"),
            (4, "x\ty"),
            (5, "true"),
            (6, "null"),
            (7, "2"),
            (7, "10 %"),
            (8, "1_000"),
            (9, "0.10"),
            (10, "0.10"),
        ];
        assert_eq!(seen, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        for (text, line) in [("a: 1\nb: [1, 2\n", 2), ("a: 1\na: 2\n", 2), ("a: 1\nb: ]\n", 2)] {
            let problem = parse(text).expect_err("refused");
            assert_eq!(problem.line, line, "{text:?}: {problem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[a-z0-9:{}\\[\\],\"'%&*#!|>\n -]{0,200}") {
            let _ = parse(&text);
        }
    }
}
