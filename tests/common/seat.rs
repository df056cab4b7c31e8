//! Lets tests on real clusters have the machine's seats in turn, in one test binary or in several, whatever `--test-threads` says.
//! Included by `#[path = "common/seat.rs"] mod seat;`.
//!
//! One seat: two clusters and their trios side by side on two cores were tried (2026-11) and took eight minutes in place of fifteen, but
//! each whole run had one case in which somebody was late: a candidate passed over, an approval whose facts had moved.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Held for as long as a cluster lives; free again when this is dropped, or its process dies.
#[derive(Debug)]
#[must_use = "the seat is free again as soon as this is dropped"]
pub(crate) struct Seat {
    _seat: File,
    /// Shared: whoever wants the machine alone waits for every seat to be free.
    _machine: File,
}

const SEATS: usize = 1;
/// Only the first in the queue looks; a seat is held for minutes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits for one of the machine's seats.
pub(crate) fn seat() -> Seat {
    seat_in(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// Waits for one of the seats whose locks lie in `folder`.
pub(crate) fn seat_in(folder: &Path) -> Seat {
    std::fs::create_dir_all(folder).expect("a folder for the locks");
    let open = |name: &str| File::create(folder.join(name)).expect("a file for a lock");
    let queue = open("seats.lock");
    queue.lock().expect("the head of the queue");
    let machine = open("alone.lock");
    machine.lock_shared().expect("a share of the machine");
    loop {
        for number in 0..SEATS {
            let seat = open(&format!("seat-{number}.lock"));
            match seat.try_lock() {
                Ok(()) => return Seat { _seat: seat, _machine: machine },
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("the lock of a seat: {error}"),
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
