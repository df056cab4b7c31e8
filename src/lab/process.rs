//! Processes that die with the lab, whatever kills it.
//!
//! `setpriv --pdeathsig KILL` asks the kernel to kill the child when the *thread* that made it ends. Test threads end early, so one
//! thread of the lab, the nursery, makes all children and lives as long as their cluster; if the lab itself is killed, it goes too.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::adapters::clock;
use crate::lab::LabError;

/// The thread that makes all children of a cluster.
#[derive(Debug)]
pub(crate) struct Nursery {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
struct Order {
    command: Command,
    made: mpsc::Sender<io::Result<Child>>,
}

impl Nursery {
    /// Starts the thread; it ends, and takes what still lives with it, when the nursery is dropped.
    pub(crate) fn start() -> Result<Self, LabError> {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new()
            .name("lab-nursery".to_owned())
            .spawn(move || {
                while let Ok(Order { mut command, made }) = inbox.recv() {
                    // Whoever asked may have given up; the child then goes when its handle's owner does, or with this thread.
                    let _asked = made.send(command.spawn());
                }
            })
            .map_err(LabError::socket("start the thread that makes children"))?;
        Ok(Self { orders })
    }

    /// Starts `program` with its output in `log`; it dies with the lab.
    pub(crate) fn spawn(&self, name: &str, program: &[String], log: &Path) -> Result<Process, LabError> {
        let file = File::options().create(true).append(true).open(log).map_err(LabError::file("open", log))?;
        let errors = file.try_clone().map_err(LabError::file("open", log))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(program).stdin(Stdio::null()).stdout(file).stderr(errors);
        let (made, answer) = mpsc::channel();
        let gone = |_| io::Error::other("the thread that makes children is gone");
        let child = self
            .orders
            .send(Order { command, made })
            .map_err(|_| gone(()))
            .and_then(|()| answer.recv().map_err(|_| gone(()))?)
            .map_err(|source| LabError::Missing { program: "setpriv", package: "util-linux", source })?;
        Ok(Process { name: name.to_owned(), pid: child.id(), child: Mutex::new(child), log: log.to_owned() })
    }
}

/// One child of the lab; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Process {
    /// Gives the process id, which stays its own until it is reaped.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives the status with which it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.lock().try_wait().ok().flatten()
    }

    /// Waits until it has ended, blocking; gives whether it has. A killed JVM's threads take some milliseconds to go, one after another.
    pub(crate) fn ends_within(&self, within: Duration) -> bool {
        let deadline = clock::now() + within;
        while self.ended().is_none() {
            if deadline <= clock::now() {
                return false;
            }
            thread::sleep(REAP_EVERY);
        }
        true
    }

    /// Sends a signal if it still runs; its id cannot have been given to another, as only the holder of the lock reaps it.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), LabError> {
        let mut child = self.lock();
        if matches!(child.try_wait(), Ok(None)) {
            let pid =
                i32::try_from(child.id()).map_err(io::Error::other).map_err(LabError::socket("name a process"))?;
            signal::kill(Pid::from_raw(pid), signal).map_err(|errno| LabError::Command {
                command: format!("kill -{signal} {}", self.name),
                output: errno.to_string(),
            })?;
        }
        Ok(())
    }

    /// Gives the last lines that it logged.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Gives the error for a process that ended while it was wanted.
    pub(crate) fn ended_error(&self, awaited: &str) -> LabError {
        LabError::Ended { node: self.name.clone(), awaited: awaited.to_owned(), log_tail: self.log_tail() }
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.lock();
        // Already ended is what is wanted; a process stuck on a stalled disk cannot be reaped now and dies when the disk goes.
        let _ended = child.kill();
        for _ in 0..REAP_ATTEMPTS {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(REAP_EVERY);
        }
    }
}

const REAP_EVERY: Duration = Duration::from_millis(5);
/// One second: a killed process is gone within milliseconds unless the kernel holds it in a stalled write.
const REAP_ATTEMPTS: u32 = 200;
/// Enough of a log to hold the exception that ended a Kafka and its causes.
const TAIL_BYTES: u64 = 4_000;

fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
