//! Starts the real model server (tests/model_server.py) for a test and ends it with the returned value. Included by
//! `#[path = "common/model.rs"] mod model;`.
//!
//! The server also ends by itself when this process does, however it ends: it watches the pipe that is held here.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running model server.
#[derive(Debug)]
pub(crate) struct Model {
    /// Where its OpenAI-compatible API begins: `http://127.0.0.1:PORT/v1`.
    pub(crate) base_url: String,
    /// The name to ask for.
    pub(crate) name: String,
    /// The process; its stdin is the pipe that keeps it alive.
    pub(crate) process: Child,
}

impl Model {
    /// Starts the server and waits until it answers (about a second on an idle machine).
    ///
    /// Errors: why there is no model on this machine, for the list of skipped tests.
    pub(crate) fn start() -> Result<Self, String> {
        let python = python().filter(|path| path.exists()).ok_or("no Python environment; run `make setup`")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model_server.py");
        let mut command = Command::new(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| format!("the model server does not start: {error}"))?;
        let mut line = String::new();
        let stdout = process.stdout.take().ok_or("no pipe to the model server")?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| format!("the model server says nothing: {error}"))?;
        let told: serde_json::Value =
            serde_json::from_str(&line).map_err(|_| "the model server ended while starting")?;
        let word = |key: &str| told.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        Ok(Self { base_url: word("base_url"), name: word("model"), process })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Gives where set-up puts the interpreter; the rule is that of tests/setup/versions.sh.
#[expect(clippy::disallowed_methods, reason = "a test asks for its tools, not for settings")]
fn python() -> Option<PathBuf> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("tanist/python/bin/python3"))
}
