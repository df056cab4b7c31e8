//! Counts what a test could not do on this machine (no root, no nbdkit, no model), so that it is printed last and never
//! passes for tested. Included by `#[path = "common/skip.rs"] mod skip;`.

use std::io::Write;

/// Records that `what` was not tested and `why`; `make test` prints all of these at its end.
pub(crate) fn skip(what: &str, why: &str) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(folder).expect("a folder for the list of skipped tests");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("skipped.txt"));
    let line = format!("{what}: {why}\n");
    file.and_then(|mut list| list.write_all(line.as_bytes())).expect("a line in the list of skipped tests");
    eprintln!("SKIPPED {line}");
}
