//! Configuration: a TOML file, overridden by `--set section.key=value`, over what was found running. Parsed once into
//! one immutable struct per section, all errors reported at once.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}")]
    Syntax { path: PathBuf, error: Box<toml::de::Error> },
    #[error("--set {given:?}: expected section.key=value")]
    BadSet { given: String },
    #[error("[{section}] {error}")]
    Section { section: String, error: Box<toml::de::Error> },
    #[error("configuration has {} errors:\n{}", .0.len(), .0.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n"))]
    Several(Vec<ConfigError>),
}

/// The merged settings of all roles; each role takes its sections from it.
#[derive(Debug, Clone, Default)]
pub struct Settings(Table);

impl Settings {
    /// `found` are weaker settings, such as the endpoints of a running stack.
    pub fn load(file: Option<&Path>, sets: &[String], found: Table) -> Result<Settings, ConfigError> {
        let mut table = found;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
            let parsed = text
                .parse::<Table>()
                .map_err(|error| ConfigError::Syntax { path: path.to_owned(), error: Box::new(error) })?;
            merge(&mut table, parsed);
        }
        let mut errors = Vec::new();
        for given in sets {
            match parse_set(given) {
                Some(set) => merge(&mut table, set),
                None => errors.push(ConfigError::BadSet { given: given.clone() }),
            }
        }
        if errors.is_empty() { Ok(Settings(table)) } else { Err(ConfigError::Several(errors)) }
    }

    /// Whether a source gives this key.
    pub fn has(&self, section: &str, key: &str) -> bool {
        self.0.get(section).and_then(|section| section.get(key)).is_some()
    }

    /// One section as its owner's struct; a missing section is an empty one.
    pub fn section<T: DeserializeOwned>(&self, section: &str) -> Result<T, ConfigError> {
        let value = self.0.get(section).cloned().unwrap_or_else(|| Value::Table(Table::new()));
        T::deserialize(value)
            .map_err(|error| ConfigError::Section { section: section.to_owned(), error: Box::new(error) })
    }
}

fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// `edge.listen=127.0.0.1:0`: the value is TOML where it parses as such, else text.
fn parse_set(given: &str) -> Option<Table> {
    let (path, value) = given.split_once('=')?;
    let (section, key) = path.split_once('.')?;
    let parsed = format!("v = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
    let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    let inner = Table::from_iter([(key.trim().to_owned(), value)]);
    Some(Table::from_iter([(section.trim().to_owned(), Value::Table(inner))]))
}

/// A duration written `"5s"`, `"200ms"`, `"1h 30m"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    pub const fn millis(millis: u64) -> Self {
        HumanDuration(Duration::from_millis(millis))
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map(HumanDuration)
            .map_err(|error| serde::de::Error::custom(format!("{text:?} is no duration like \"5s\": {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Edge {
        listen: String,
        wait: HumanDuration,
    }

    #[test]
    fn stronger_sources_win_and_errors_name_the_place() {
        let found: Table = "[edge]\nlisten = 'a'\nwait = '1s'".parse().expect("TOML");
        let sets = ["edge.listen=127.0.0.1:0".to_owned(), "edge.wait=\"2s\"".to_owned()];
        let settings = Settings::load(None, &sets, found.clone()).expect("loads");
        let expected = Edge { listen: "127.0.0.1:0".into(), wait: HumanDuration::millis(2000) };
        assert_eq!(settings.section::<Edge>("edge").expect("parses"), expected);

        for (sets, message) in [
            (vec!["edge.colour=red"], "unknown field `colour`"),
            (vec!["edge.wait=soon"], "\"soon\" is no duration like \"5s\""),
            (vec!["nonsense", "more"], "configuration has 2 errors"),
        ] {
            let sets: Vec<String> = sets.into_iter().map(String::from).collect();
            let result =
                Settings::load(None, &sets, found.clone()).and_then(|settings| settings.section::<Edge>("edge"));
            let error = result.expect_err("refused").to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
