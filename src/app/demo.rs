//! `tanist demo --simulated`: the trio and a cluster in this process, in real time; what is typed breaks it.
//!
//! Deliberately line by line: it reads a pipe as well as a terminal, and ends where the lines end.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::adapters::clock;
use crate::sim::demo::{Demo, Reply};
use crate::surface::cli::Output;
use crate::surface::demo::Show;
use crate::surface::exit::ExitStatus;

/// How often the world catches up with the clock.
const BEAT: Duration = Duration::from_millis(50);

/// How long the trio is given to elect a leader before the first line is taken: it needs about a second.
const SETTLES_IN: Duration = Duration::from_secs(12);

/// Shows the demo until `q` or the end of what is typed; gives 1 where an invariant did not hold.
///
/// Errors: what is to be shown cannot be written.
pub(super) fn demo(show: Show, output: Output, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let mut demo = Demo::new(show.seed);
    let mut page = Page { output, to };
    page.tell(
        "4 brokers in 3 racks, 6 partitions with acks=all writers, three nodes of ours; everything is simulated",
    )?;
    page.tell_all(&demo.pass(SETTLES_IN))?;
    page.tell_all(&demo.status())?;
    page.tell("now break it: type `kill b1`, `help` or `q`")?;
    let typed = typed_lines();
    let mut seen = clock::now();
    loop {
        let line = typed.recv_timeout(BEAT);
        let now = clock::now();
        let passed = now.saturating_duration_since(seen).saturating_mul(show.speed);
        seen = now;
        page.tell_all(&demo.pass(passed))?;
        match line {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Ok(line) => match demo.take(&line) {
                Reply::Lines(lines) => page.tell_all(&lines)?,
                Reply::Misunderstood(why) => page.tell(&format!("? {why}"))?,
                Reply::Ends => break,
            },
        }
        if demo.violation().is_some() {
            break;
        }
    }
    page.tell(&demo.summary())?;
    match demo.violation() {
        Some(violation) => {
            page.tell(&format!("an invariant does not hold: {violation}; please report it with seed {}", show.seed))?;
            Ok(ExitStatus::No)
        }
        None => Ok(ExitStatus::Yes),
    }
}

/// Where lines go.
struct Page<'a> {
    output: Output,
    to: &'a mut dyn Write,
}

impl Page<'_> {
    fn tell_all(&mut self, lines: &[String]) -> anyhow::Result<()> {
        lines.iter().try_for_each(|line| self.tell(line))
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        match self.output {
            Output::Table => writeln!(self.to, "{line}")?,
            Output::Json => {
                let value = serde_json::json!({ "version": 1, "kind": "demo", "line": line });
                writeln!(self.to, "{value}")?;
            }
        }
        self.to.flush()?;
        Ok(())
    }
}

/// Reads what is typed on a thread of its own, which ends with the process: nobody can wake it from a terminal.
fn typed_lines() -> Receiver<String> {
    let (send, typed) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    typed
}
