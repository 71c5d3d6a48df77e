//! The examples of docs/api.md, run as they stand there.

use super::Edge;
use crate::routes::tests::{API_KEY, BROWSER_KEY, POSTBACK_TOKEN};
use schemas::id::KeyHash;
use schemas::token::{MacKey, MacKeys};
use std::process::Command;

const API: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");

#[test]
fn every_example_of_the_documentation_works() {
    let edge = Edge::start_with(true);
    let text = std::fs::read_to_string(API).expect("docs/api.md");
    let examples: Vec<&str> = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 8, "{} examples", examples.len());
    let click = edge.request("GET /r/summer", "", "");
    let click = click.header("location").and_then(|to| to.split_once("click_id=")).expect("a token").1;
    let secret =
        MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key").signing_secret(KeyHash::of_api_key(API_KEY));
    let folder = tempfile::tempdir().expect("a folder");
    for example in examples {
        // An answer that is an error is one here too.
        let script =
            format!("set -eu\ncurl() {{ command curl --fail-with-body -sS --noproxy '*' \"$@\"; }}\n{example}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env("EDGE", format!("http://{}", edge.address))
            .env("KEY", API_KEY)
            .env("TOKEN", POSTBACK_TOKEN)
            .env("PUBLIC", BROWSER_KEY)
            .env("SECRET", &secret)
            .env("CLICK", click.split('&').next().unwrap_or_default())
            .output()
            .expect("sh runs");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{example}\n{told}");
        let taken = example.contains("pixel.gif") || ["accepted", "valid"].iter().any(|word| told.contains(word));
        assert!(taken && !told.contains("rejected"), "{example}\n{told}");
    }
    assert_eq!(std::fs::metadata(folder.path().join("pixel.gif")).expect("an image").len(), 43);
}
