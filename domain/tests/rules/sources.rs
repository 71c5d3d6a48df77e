//! What the sources must not contain: the crate is pure, and a rule is found in under a minute.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_rules_are_pure_and_their_files_short() {
    const NOT_PURE: [&str; 15] = [
        "f32",
        "f64",
        "HashMap",
        "HashSet",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "std::process",
        "async ",
        "SystemTime",
        "Instant",
        "unsafe",
        "println!",
        "rand::",
    ];
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 10, "{found:?}");
    for path in found {
        let text = std::fs::read_to_string(&path).expect("a source file");
        let forbidden = NOT_PURE.iter().find(|word| text.contains(**word));
        assert_eq!(forbidden, None, "{}", path.display());
        assert!(text.starts_with("//!"), "{} says what it owns", path.display());
        assert!(text.lines().count() <= 400, "{} is one noun", path.display());
    }
}
