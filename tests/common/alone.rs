//! Lets tests on the real cluster run one at a time, in one test binary or in several, whatever `--test-threads` says: six
//! Java machines are enough for two cores. Included by `#[path = "common/alone.rs"] mod alone;`.
//!
//! Two clusters and their trios side by side were tried (2026-11) and took eight minutes in place of fifteen, but each whole run had
//! one case in which somebody was late: a candidate passed over, an approval whose facts had moved.

use std::fs::File;
use std::path::Path;

/// Waits until no other test holds the machine; it is free again when the returned value is dropped, or its process dies.
#[must_use = "the machine is free again as soon as this is dropped"]
pub(crate) fn alone() -> File {
    alone_in(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// Waits until nobody holds what is locked in `folder`.
pub(crate) fn alone_in(folder: &Path) -> File {
    std::fs::create_dir_all(folder).expect("a folder for the lock");
    let file = File::create(folder.join("alone.lock")).expect("a file for the lock");
    file.lock().expect("the lock of the machine");
    file
}
