//! The real model server of the demo: llama.cpp with a small model, from the virtual environment that set-up makes.
//!
//! It ends with the value, and by itself when this process does: it watches the pipe that is held here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time;

/// The script lies with the tests that use it, too.
const SCRIPT: &str = "tests/model_server.py";
/// The script itself gives up after a minute.
const START_WITHIN: Duration = Duration::from_secs(70);

/// A running model server.
#[derive(Debug)]
pub(super) struct Model {
    /// Where its OpenAI-compatible API begins.
    pub(super) url: String,
    /// The name to ask for.
    pub(super) name: String,
    /// Its stdin keeps it alive; killed when dropped.
    _process: Child,
}

impl Model {
    /// Starts the server and waits until it answers.
    ///
    /// Errors: in words, why there is no model on this machine; the demo goes on without.
    pub(super) async fn start() -> Result<Self, String> {
        let python =
            python().filter(|path| path.exists()).ok_or("no Python environment for it; make setup installs one")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
        let mut command = Command::new(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().map_err(|error| format!("its server does not start: {error}"))?;
        let out = process.stdout.take().ok_or("no pipe to its server")?;
        let mut line = String::new();
        let mut out = BufReader::new(out);
        let read = time::timeout(START_WITHIN, out.read_line(&mut line)).await;
        read.map_err(|_| "its server did not start in time")?
            .map_err(|error| format!("its server fell silent: {error}"))?;
        let told: Value = serde_json::from_str(&line).map_err(|_| "its server ended while starting")?;
        let word = |key: &str| told.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(url), Some(name)) = (word("base_url"), word("model")) else {
            return Err("its server did not say where it listens".to_owned());
        };
        Ok(Self { url, name, _process: process })
    }
}

/// Gives where set-up puts the interpreter; the rule is that of tests/setup/versions.sh.
#[expect(clippy::disallowed_methods, reason = "the lab looks for its own tools; this is no setting of Tanist's")]
fn python() -> Option<PathBuf> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("tanist/python/bin/python3"))
}
