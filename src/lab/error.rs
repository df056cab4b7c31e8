//! What can go wrong in the lab, named by what a person does next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the lab could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A program that the lab runs is not installed.
    #[error("{program} is not installed or does not start: install it (Debian: apt-get install {package})")]
    Missing {
        /// The program as it was called.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Maven could not bring the jars.
    #[error("maven could not copy the jars of Kafka {version}; its last words:\n{output}")]
    Jars {
        /// The Kafka version asked for.
        version: String,
        /// The tail of Maven's output.
        output: String,
    },
    /// A file or folder of the lab could not be read or written.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried: "write", "make", ...
        act: &'static str,
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A socket could not be had.
    #[error("cannot {act}")]
    Socket {
        /// What was tried.
        act: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A helper command of the lab ended badly.
    #[error("{command} failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        output: String,
    },
    /// A node ended while it was still wanted.
    #[error("{node} ended while the lab waited for {awaited}; the end of its log:\n{log_tail}")]
    Ended {
        /// The node by name.
        node: String,
        /// What was awaited.
        awaited: String,
        /// The last lines that it logged.
        log_tail: String,
    },
    /// A condition did not come true in time.
    #[error("{awaited} did not happen within {}; {last_seen}", humantime::format_duration(*.within))]
    Late {
        /// The condition.
        awaited: String,
        /// How long the lab waited.
        within: Duration,
        /// What was seen instead, or a log tail.
        last_seen: String,
    },
    /// The fault cannot be done to that target in this cluster.
    #[error("cannot {fault}: {reason}")]
    Unfit {
        /// The fault, as a person would type it.
        fault: String,
        /// Why not.
        reason: String,
    },
    /// This machine lacks what the fault needs; tests count it and print it last.
    #[error("skipped: {0}")]
    Skipped(String),
    /// Kafka answered with an error, or not at all.
    #[error("{act} failed: {answer}")]
    Kafka {
        /// What was asked of Kafka.
        act: String,
        /// What it answered.
        answer: String,
    },
    /// A text is no fault, or no cluster answers at that folder.
    #[error("{0}")]
    Usage(String),
}

impl LabError {
    /// Gives the error of an act on a file, for use in `map_err`.
    pub(crate) fn file(act: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }

    /// Gives the error of an act on a socket, for use in `map_err`.
    pub(crate) fn socket(act: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let act = act.into();
        move |source| Self::Socket { act, source }
    }
}
