//! Lets a test have the machine for itself: no real cluster (`seat.rs`) runs meanwhile, and none starts.
//! Included by `#[path = "common/alone.rs"] mod alone;`.

use std::fs::File;
use std::path::Path;

/// Waits until no other test holds the machine or a seat; it is free again when the returned value is dropped, or its process dies.
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
