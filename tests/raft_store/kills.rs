//! kill -9, again and again, at moments that nobody chose.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::writer::{WRITER, WRITER_DIR, holds, prepared};

const KILLS: u64 = 50;

/// Starts the writer on a directory; it ends with this process.
pub(crate) fn start_writer(dir: &Path, mut command: Command) -> Child {
    command.args(WRITER).env(WRITER_DIR, dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("this binary starts again")
}

pub(crate) fn this_binary() -> Command {
    Command::new(std::env::current_exe().expect("it runs"))
}

/// Reads what the writer says; gives the newest index that it kept, and its last words.
pub(crate) fn listen(child: &mut Child, until: impl Fn(u64) -> bool) -> (u64, Option<String>) {
    let mut newest = 0;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    for line in lines.map_while(Result::ok) {
        if let Some(index) = line.strip_prefix("kept ").and_then(|index| index.parse().ok()) {
            newest = index;
            if until(newest) {
                child.kill().expect("it runs");
            }
        } else if let Some(words) = line.strip_prefix("failed ") {
            return (newest, Some(words.to_owned()));
        }
    }
    (newest, None)
}

#[test]
fn fifty_kills_lose_nothing_that_was_acknowledged() {
    let dir = prepared();
    let mut acknowledged = 1;
    for kill in 0..KILLS {
        let mut child = start_writer(dir.path(), this_binary());
        // Every other one dies at a time of its own, perhaps while it opens; the rest after some writes.
        let (newest, words) = if kill % 2 == 0 {
            let enough = acknowledged + 1 + kill * 3;
            listen(&mut child, |index| enough < index)
        } else {
            std::thread::sleep(Duration::from_millis(kill % 30));
            child.kill().expect("it runs");
            listen(&mut child, |_| false)
        };
        child.wait().expect("it was started");
        assert_eq!(words, None, "kill {kill}");
        acknowledged = acknowledged.max(newest);
        let last = holds(dir.path(), acknowledged).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        // At most the write under way may have survived without its acknowledgement.
        assert!(last <= acknowledged + 1, "kill {kill}: {last} entries, {acknowledged} acknowledged");
        acknowledged = last;
    }
    assert!(acknowledged > KILLS * 10, "only {acknowledged} writes: the kills came too early to say anything");
}
