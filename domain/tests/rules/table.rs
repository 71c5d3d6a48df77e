//! Runs the tables of `table/*.md`, which people read who do not program; `table/README.md` says what their words mean.

mod given;
mod shown;
mod words;
mod world;

use crate::pipeline::{Input, Pipeline};
use schemas::id::ConversionId;
use schemas::record::decision::Decision;
use schemas::record::journal::JournalEntry;
use std::path::{Path, PathBuf};
use world::World;

const COLUMNS: [&str; 6] = ["case", "clicks", "events", "contract", "decision", "entries"];

/// A row, with where it stands.
struct Row {
    place: String,
    cells: [String; COLUMNS.len()],
}

/// The parts of a cell; none where it says `none` or `usual`.
fn parts(cell: &str) -> Vec<&str> {
    let parts: Vec<&str> = cell.split(';').map(str::trim).collect();
    if matches!(parts.as_slice(), ["none" | "usual"]) { Vec::new() } else { parts }
}

fn rows(file: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(file).expect("a table");
    let name = file.file_name().expect("a file").to_string_lossy();
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| line.starts_with('|')) {
        let place = format!("{name}:{number}");
        let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let is_head = cells == COLUMNS || cells.iter().all(|cell| cell.chars().all(|letter| letter == '-'));
        if !is_head {
            let cells = cells.try_into().unwrap_or_else(|cells| panic!("{place}: {COLUMNS:?}, not {cells:?}"));
            rows.push(Row { place, cells });
        }
    }
    rows
}

/// What the row's clicks and events come to, in the order in which it lists them and in others.
fn run(world: &World, inputs: &[Input]) -> Pipeline {
    let straight = Pipeline::run(world.catalog(), inputs.iter().cloned());
    let expected = straight.ending();
    for first in 0..inputs.len() {
        let mut rotated = inputs.to_vec();
        rotated.rotate_left(first);
        let backwards = rotated.iter().rev().cloned().collect();
        for order in [rotated, backwards] {
            let again = order.iter().take(1).chain(&order).cloned().collect::<Vec<_>>();
            assert_eq!(Pipeline::run(world.catalog(), again).ending(), expected, "another order of arrival");
        }
    }
    straight
}

/// What clicks and events come to under a contract, in the words of a row.
pub struct Case {
    pipeline: Pipeline,
    /// The conversion of the first event.
    first: ConversionId,
}

impl Case {
    pub fn of(clicks: &str, events: &str, contract: &str) -> Result<Case, String> {
        let world = World::new(&parts(contract))?;
        let touches = given::clicks(&world, &parts(clicks))?;
        let (events, first) = given::events(&world, &touches, &parts(events))?;
        let inputs: Vec<Input> = touches.into_iter().map(Input::Click).chain(events).collect();
        Ok(Case { pipeline: run(&world, &inputs), first })
    }

    pub fn decision(&self) -> Decision {
        self.pipeline.decision(self.first).expect("there is a decision")
    }

    /// Of the first event's conversion.
    pub fn entries(&self) -> Vec<JournalEntry> {
        self.pipeline.entries.iter().filter(|entry| entry.conversion_id == self.first).cloned().collect()
    }
}

/// Every row of every table.
pub fn cases_of_tables() -> impl Iterator<Item = Case> {
    files().into_iter().flat_map(|file| rows(&file)).map(|row| {
        let [_, clicks, events, contract, ..] = &row.cells;
        Case::of(clicks, events, contract).unwrap_or_else(|why| panic!("{}: {why}", row.place))
    })
}

fn check(row: &Row) -> Result<(), String> {
    let [_, clicks, events, contract, decision, entries] = &row.cells;
    let Case { pipeline, first } = Case::of(clicks, events, contract)?;
    check_decision(&pipeline, first, &parts(decision))?;
    let booked: Vec<String> = pipeline.entries.iter().map(shown::entry).collect();
    if booked == parts(entries) { Ok(()) } else { Err(format!("booked is\n    {}", booked.join("; "))) }
}

fn check_decision(pipeline: &Pipeline, of: ConversionId, expected: &[&str]) -> Result<(), String> {
    let decision = pipeline.decision(of).ok_or("there is no decision")?;
    let lines = shown::decision(&decision);
    let says = |line: &String, part: &str| line == part || line.split(" (").next() == Some(part);
    let outcome = expected.first().is_some_and(|part| says(&lines[0], part));
    let missing = expected.iter().find(|part| !lines.iter().any(|line| says(line, part)));
    match missing {
        None if outcome => Ok(()),
        _ => {
            Err(format!("{missing:?} is not in the decision, or its outcome is another:\n    {}", lines.join("\n    ")))
        }
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/table");
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_table = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "md") && !path.ends_with("README.md");
    let mut files: Vec<PathBuf> = entries.filter(is_table).collect();
    files.sort();
    files
}

#[test]
fn every_row_of_the_tables_is_decided_and_booked_as_it_says() {
    let files = files();
    let rows: Vec<Row> = files.iter().flat_map(|file| rows(file)).collect();
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| check(row).err().map(|why| format!("{} {}: {why}", row.place, row.cells[0])))
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows are wrong\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(rows.len() >= 170, "only {} rows were found", rows.len());
}
