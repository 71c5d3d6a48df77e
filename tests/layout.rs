//! The layout is a promise: who may depend on whom, which files are a dependency's door, what the pure crates never
//! hold, under which licences we stand.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Arrows of style: each crate, and the crates of ours that it may see (tests included).
const ARROWS: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("domain", &["schemas"]),
    ("kafka", &["schemas"]),
    ("service", &[]),
    ("edge", &["schemas", "kafka", "service", "stack"]),
    ("processor", &["schemas", "domain", "kafka", "service"]),
    ("sinks", &["schemas", "kafka", "service"]),
    ("history", &["schemas", "domain", "kafka", "service", "sinks"]),
    ("loadtest", &["schemas", "kafka", "service", "stack"]),
    ("stack", &["schemas", "service"]),
    (
        "tributary",
        &["schemas", "domain", "kafka", "service", "edge", "processor", "sinks", "history", "loadtest", "stack"],
    ),
];

/// What `schemas` and `domain` never see: threads of execution, sockets, stores, clocks, chance.
const IMPURE: &[&str] = &["tokio", "rdkafka", "rocksdb", "clickhouse", "hyper", "rand", "getrandom", "chrono", "time"];

/// A dependency's door: the folders and files that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("rdkafka", &["kafka/src"]),
    ("rocksdb", &["processor/src/state/rocks.rs"]),
    ("clickhouse", &["sinks/src"]),
    ("libloading", &["stack/src/chdb.rs"]),
    ("apache_avro", &["schemas/src"]),
];

/// Licences that Apache-2.0 software may be linked with.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unlicense",
    "CC0-1.0",
    "BSL-1.0",
    "Unicode-3.0",
    "0BSD",
    "Apache-2.0 WITH LLVM-exception",
    "CDLA-Permissive-2.0",
];

const LONGEST_FILE: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn texts<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
    value.as_array().into_iter().flatten().filter_map(|entry| entry[key].as_str()).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file of ours with its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    for (krate, _) in ARROWS {
        rust_files(&root().join(krate).join("src"), &mut files);
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("readable"))
    };
    files.into_iter().map(read).collect()
}

#[test]
fn crates_depend_along_the_arrows_only() {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> = texts(&metadata["packages"], "name").into_iter().collect();
    assert_eq!(ours, ARROWS.iter().map(|(name, _)| *name).collect(), "a new crate needs its arrows");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = ARROWS.iter().find(|(krate, _)| *krate == name).expect("checked above").1;
        for dependency in texts(&package["dependencies"], "name") {
            assert!(!ours.contains(dependency) || allowed.contains(&dependency), "{name} must not see {dependency}");
            let pure = matches!(name, "schemas" | "domain");
            assert!(!pure || !IMPURE.contains(&dependency), "{name} is pure and must not see {dependency}");
        }
    }
}

#[test]
fn a_dependency_has_one_door() {
    let metadata = metadata(&["--no-deps"]);
    let depends = |krate: &str, dependency: &str| {
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let package = packages.filter(|package| package["name"] == krate);
        package
            .flat_map(|package| texts(&package["dependencies"], "name"))
            .any(|name| name.replace('-', "_") == dependency)
    };
    for (name, source) in sources() {
        let krate = name.split('/').next().filter(|krate| *krate != "src").unwrap_or("tributary");
        for (dependency, doors) in DOORS {
            // A crate without the dependency may have a module of that name.
            let named = depends(krate, dependency) && source.contains(&format!("{dependency}::"));
            assert!(!named || doors.iter().any(|door| name.starts_with(door)), "{name} names {dependency}");
        }
    }
}

#[test]
fn money_never_passes_through_a_float() {
    for (name, source) in sources() {
        let pure = name.starts_with("schemas/") || name.starts_with("domain/");
        // The codec has to say that it refuses them.
        let refused = |line: &str| {
            name.starts_with("schemas/src/codec/")
                && ["fn serialize_f", "fn deserialize_f"].iter().any(|is| line.contains(is))
        };
        let float = source.lines().find(|line| (line.contains("f32") || line.contains("f64")) && !refused(line));
        assert!(!pure || float.is_none(), "{name}: {float:?}");
    }
}

#[test]
fn a_file_is_one_noun() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(name, source)| (name, source.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines: {long:?}");
    let untold: Vec<_> =
        sources().into_iter().filter(|(_, source)| !source.starts_with("//!")).map(|(name, _)| name).collect();
    assert!(untold.is_empty(), "does not say what it owns: {untold:?}");
}

#[test]
fn every_dependency_has_a_licence_that_fits() {
    let metadata = metadata(&[]);
    let mut strange = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let licence = package["license"].as_str().unwrap_or("none");
        // Any alternative of an OR is enough; all parts of an AND must fit.
        let fits = licence.replace('/', " OR ").split(" OR ").any(|choice| {
            choice
                .trim_matches(['(', ')', ' '])
                .split(" AND ")
                .all(|part| LICENCES.contains(&part.trim_matches(['(', ')', ' '])))
        });
        if !fits {
            strange.insert(package["name"].as_str().unwrap_or("").to_owned(), licence.to_owned());
        }
    }
    assert!(strange.is_empty(), "{strange:?}");
}
