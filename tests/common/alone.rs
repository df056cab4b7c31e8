//! Lets tests on the real cluster run one at a time, in one test binary or in several, whatever `--test-threads` says: six
//! Java machines are enough for two cores. Included by `#[path = "common/alone.rs"] mod alone;`.

use std::fs::File;

/// Waits until no other test holds the machine; it is free again when the returned value is dropped, or its process dies.
#[must_use = "the machine is free again as soon as this is dropped"]
pub(crate) fn alone() -> File {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(folder).expect("a folder for the lock");
    let file = File::create(folder.join("alone.lock")).expect("a file for the lock");
    file.lock().expect("the lock of the machine");
    file
}
