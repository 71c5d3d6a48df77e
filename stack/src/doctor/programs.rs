//! The installed programs' part of the report: those that run the servers, those that fetch them, those that build.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Check, Verdict};
use crate::cache;
use crate::kafka;
use crate::options::Server;

/// Kafka 4 needs it (KIP-1013).
const MIN_JAVA: u32 = 17;

/// A check when it is asked for, not before.
pub(super) fn checks() -> impl Iterator<Item = Check> {
    let checks: [fn() -> Check; 11] = [
        java,
        || fetcher("mvn", Server::Kafka, "maven"),
        || fetcher("node", Server::ClickHouse, "nodejs"),
        || fetcher("npm", Server::ClickHouse, "npm"),
        || fetcher("tar", Server::ClickHouse, "tar"),
        || builder("cargo", "the Rust toolchain of rust-toolchain.toml (rustup)"),
        || builder("clang", "apt install clang"),
        libclang,
        || builder("cmake", "apt install cmake"),
        || builder("make", "apt install make"),
        || builder("g++", "apt install g++"),
    ];
    checks.into_iter().map(|check| check())
}

fn java() -> Check {
    let program = kafka::java_program();
    let Some(said) = version(&program, "-version") else {
        return Check::new("java", "not found", Verdict::Missing("apt install openjdk-17-jre-headless".into()));
    };
    let verdict = match java_major(&said) {
        Some(major) if major >= MIN_JAVA => Verdict::Ok,
        _ => Verdict::Missing(format!("Kafka needs Java {MIN_JAVA} or newer (JAVA_HOME chooses one)")),
    };
    Check::new("java", first_line(&said), verdict)
}

/// The major version in `openjdk version "17.0.15" 2025-04-15`, or in the old spelling `"1.8.0_292"`.
fn java_major(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    let mut parts = quoted.split(['.', '-', '_', '+']);
    match parts.next()?.parse().ok()? {
        1 => parts.next()?.parse().ok(),
        major => Some(major),
    }
}

/// A program that downloads a server: needed until that server is in the cache.
fn fetcher(program: &str, server: Server, package: &str) -> Check {
    let install = format!("apt install {package}; it downloads {server}");
    match version(program.as_ref(), "--version") {
        Some(said) => Check::new(program, first_line(&said), Verdict::Ok),
        None if cache::has(server) => {
            Check::new(program, "not found", Verdict::Advice(format!("{server} is downloaded already")))
        }
        None => Check::new(program, "not found", Verdict::Missing(install)),
    }
}

/// A program that only building needs.
fn builder(program: &str, install: &str) -> Check {
    match version(program.as_ref(), "--version") {
        Some(said) => Check::new(program, first_line(&said), Verdict::Ok),
        None => Check::new(program, "not found", Verdict::Advice(format!("needed only to build: {install}"))),
    }
}

fn libclang() -> Check {
    match find_libclang() {
        Some(path) => Check::new("libclang", path.display().to_string(), Verdict::Ok),
        None => {
            let advice = "needed only to build: apt install libclang-dev, or set LIBCLANG_PATH";
            Check::new("libclang", "not found", Verdict::Advice(advice.into()))
        }
    }
}

/// `libclang*.so*` where clang-sys, which RocksDB's bindings are made with, looks first.
fn find_libclang() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("LIBCLANG_PATH").map(PathBuf::from).into_iter().collect();
    let entries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut versions: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"))
        .map(|entry| entry.path().join("lib"))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.extend(["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"].map(PathBuf::from));
    folders.iter().find_map(|folder| {
        fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).find(|path| is_libclang(path))
    })
}

fn is_libclang(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (name.starts_with("libclang.so") || name.starts_with("libclang-")) && name.contains(".so")
}

/// What the program says about its version; `None` when it cannot be run.
fn version(program: &Path, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    // Java answers on stderr.
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

/// The first line, without the escape sequences that Maven paints its name with.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut plain = String::new();
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        if letter == '\x1b' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_major_version_is_read_in_all_its_spellings() {
        let rows = [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"22-ea\" 2024-03-19", Some(22)),
            ("java version \"1.8.0_292\"", Some(8)),
            ("no java here", None),
        ];
        for (said, expected) in rows {
            assert_eq!(java_major(said), expected, "{said}");
        }
    }

    #[test]
    fn a_version_line_is_plain_text() {
        assert_eq!(first_line("\x1b[1mApache Maven 3.8.7\x1b[m\nMaven home"), "Apache Maven 3.8.7");
    }
}
