//! `tanist demo --simulated` as a person uses it: lines go in, a timeline comes out.
#![cfg(test)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// No line takes longer: a check that hangs must fail.
const PATIENCE: Duration = Duration::from_secs(120);

struct Shown {
    child: Child,
    typed: Option<ChildStdin>,
    told: Receiver<String>,
    seen: String,
}

impl Shown {
    fn start(more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tanist"))
            .args(["demo", "--simulated", "--speed", "20"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (typed, out) = (child.stdin.take(), child.stdout.take().expect("it is piped"));
        let (send, told) = channel();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        Self { child, typed, told, seen: String::new() }
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.typed.as_mut().expect("it is open"), "{line}").expect("it reads");
    }

    fn wait_for(&mut self, wanted: &str) {
        loop {
            let line =
                self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {wanted:?} after\n{}", self.seen));
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(wanted) {
                return;
            }
        }
    }

    fn ends(mut self) -> (i32, String) {
        drop(self.typed.take());
        self.seen.extend(self.told.iter().map(|line| line + "\n"));
        (self.child.wait().expect("it ends").code().expect("it exits"), self.seen)
    }
}

#[test]
fn a_person_breaks_it_and_sees_what_the_trio_does() {
    let mut shown = Shown::start(&[]);
    shown.wait_for("now break it");
    shown.type_in("kill b1");
    shown.wait_for("finding");
    shown.wait_for("sent");
    shown.wait_for("outcome");
    shown.type_in("status");
    shown.wait_for("b1: dead");
    shown.type_in("crash n2");
    shown.wait_for("n2 is dead");
    shown.type_in("heal b1");
    shown.wait_for("closed");
    shown.type_in("q");
    let (status, seen) = shown.ends();
    assert_eq!(status, 0, "{seen}");
    assert!(seen.ends_with("nothing that was acknowledged was lost\n"), "{seen}");
}

#[test]
fn what_cannot_be_done_is_explained_and_the_end_of_the_lines_ends_it() {
    let mut shown = Shown::start(&["--seed", "3"]);
    shown.wait_for("now break it");
    for (line, why) in [("kill b7", "b1 to b4"), ("explode", "type help"), ("heal b1", "nothing was done to it")] {
        shown.type_in(line);
        shown.wait_for(why);
    }
    let (status, seen) = shown.ends();
    assert_eq!(status, 0, "{seen}");
}

#[test]
fn machines_read_it_as_json() {
    let mut shown = Shown::start(&["-o", "json"]);
    shown.wait_for("now break it");
    let (status, seen) = shown.ends();
    assert_eq!(status, 0, "{seen}");
    for line in seen.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(value["kind"], "demo", "{line}");
    }
}
