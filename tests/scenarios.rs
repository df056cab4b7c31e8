//! Plays every scenario: what it answers must be what stands in the file. `cargo bless` writes the answers anew.
#![cfg(test)]

use std::path::Path;

use tanist::sim::scenario::replay;

/// The most lines of one file: it is read by a person, on one screen or two.
const LINES_MAX: usize = 80;

fn scenario(path: &Path, text: String) -> datatest_stable::Result<()> {
    let played = replay(&text)?;
    expect_test::expect_file![path.canonicalize()?].assert_eq(&played.text);
    assert!(played.failures.is_empty(), "{}", played.failures.join("\n"));
    assert!(played.text.lines().count() < LINES_MAX, "{} lines", played.text.lines().count());
    Ok(())
}

datatest_stable::harness! {
    { test = scenario, root = "simulations", pattern = r"\.scn$" },
}
