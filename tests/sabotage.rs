//! Every row of `docs/sabotage.md` again: each deliberate bug is found by the check that the page names, and by nobody else
//! where it says so; without the bug the same run passes. `make sabotage` writes the page.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tanist::sim::checks::NUMBERS;
use tanist::sim::sabotage::Sabotage;
use tanist::sim::scan::{Alone, Row, Scan, Scenarios, Witness, page, rows};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn written() -> (String, Vec<Row>) {
    let text = std::fs::read_to_string(root().join("docs/sabotage.md")).expect("the page is there");
    let rows = rows(&text).expect("the page is as it was written");
    (text, rows)
}

fn scan(rows: &[Row]) -> Scan {
    let text =
        |name: &String| std::fs::read_to_string(root().join("simulations").join(name)).expect("the scenario is there");
    let named = rows.iter().filter_map(|row| match &row.witness {
        Witness::Scenario(name) => Some(name),
        Witness::Seed(_) => None,
    });
    let scenarios: Scenarios = named.map(|name| (name.clone(), text(name))).collect();
    Scan { scenarios, seeds: 0, span: Duration::from_secs(600), known: Vec::new() }
}

#[test]
fn the_page_names_every_sabotage_and_nothing_in_it_was_typed() {
    let (text, rows) = written();
    let named: Vec<Sabotage> = rows.iter().map(|row| row.sabotage).collect();
    assert_eq!(named, Sabotage::ALL);
    assert!(25 <= named.len());
    assert_eq!(page(&rows), text, "write it with `make sabotage`");
}

#[test]
fn each_invariant_has_a_sabotage_that_only_its_check_reports() {
    let (_, rows) = written();
    let own: BTreeSet<&str> =
        rows.iter().filter(|row| row.alone == Alone::Yes).map(|row| row.number.as_str()).collect();
    let missing: Vec<_> = NUMBERS.iter().map(|(number, _)| *number).filter(|number| !own.contains(number)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_sabotage_is_found_by_the_check_that_the_page_names() {
    let (_, rows) = written();
    let scan = scan(&rows);
    for row in &rows {
        let found = scan.play(row.sabotage, &row.witness, None);
        assert_eq!(found.map(|violation| violation.number.to_owned()), Some(row.number.clone()), "{}", row.sabotage);
    }
}

#[test]
fn with_its_check_muted_nobody_reports_what_the_page_says_is_its_own() {
    let (_, rows) = written();
    let scan = scan(&rows);
    for row in rows.iter().filter(|row| row.alone == Alone::Yes) {
        let found = scan.play(row.sabotage, &row.witness, Some(&row.number));
        assert_eq!(found.map(|violation| violation.to_string()), None, "{}", row.sabotage);
    }
}

#[test]
fn without_the_sabotage_the_same_run_passes() {
    let (_, rows) = written();
    let scan = scan(&rows);
    for row in &rows {
        let found = scan.play_without(row.sabotage, &row.witness);
        assert_eq!(found.map(|violation| violation.to_string()), None, "{}", row.sabotage);
    }
}
