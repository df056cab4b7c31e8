//! Wiring: settings -> adapters -> driver -> servers; the only place that sees everything.
//!
//! Deliberately no logic of its own beyond putting parts together and turning an error chain into one exit status.

mod adviser;
mod demo;
mod desk;
mod history;
mod init;
mod logging;
mod node;
mod pause_file;
mod reads;
mod rights;
mod simulate;
mod toll;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;

use crate::adapters::kafka::wire::Endpoint;
use crate::adapters::llm_adviser::install_ring;
use crate::config::{self, HostPort, Settings};
use crate::model::ids::ClusterId;
use crate::render;
use crate::surface::cli::{Arguments, Deed, NodeDeed, Output, Whom};
use crate::surface::exit::ExitStatus;
use crate::surface::grpc::client::Address;
use crate::surface::talk::{Form, Node, talk};
use crate::surface::terminal;

/// The file in the data directory that holds the id of the cluster that the node is tied to.
const CLUSTER_FILE: &str = "cluster-id";

/// Does what the command line says; gives the status to end with.
///
/// What goes wrong is written to standard error as one chain, the outermost first.
#[must_use]
pub fn main() -> ExitStatus {
    let arguments = Arguments::parse();
    let output = arguments.output();
    let deed = match arguments.meant() {
        Ok(deed) => deed,
        Err(error) => return fail(&error.into(), output),
    };
    install_ring();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("no runtime could be started"), output),
    };
    let done = runtime.block_on(async {
        match deed {
            Deed::CheckConfig(file) => check(&file, output),
            Deed::Simulate(what) => simulate::simulate(what, output, &mut std::io::stdout()),
            Deed::PrintConfig(file) => print(file.as_deref(), output),
            Deed::Node { what: NodeDeed::Run, config } => node::run(load(&config)?, output).await,
            Deed::Node { what: NodeDeed::Init, config } => init::init(&load(&config)?, output).await,
            Deed::Node { what: NodeDeed::Rejoin, config } => init::rejoin(&load(&config)?, output).await,
            Deed::Ask { inquiry, whom } => {
                let form = Form { output, style: terminal::style() };
                talk(inquiry, whom_of(whom)?, form, &mut std::io::stdout()).await
            }
        }
    });
    // A task that hangs on a dead disk must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done.unwrap_or_else(|error| fail(&error, output))
}

/// Tells what went wrong: people on standard error, machines as a line of JSON on standard output.
fn fail(error: &anyhow::Error, output: Output) -> ExitStatus {
    let status = ExitStatus::of_error(error);
    // Either may be closed; there is nobody else to tell.
    let _ = match output {
        Output::Table => writeln!(std::io::stderr(), "tanist: {error:#}"),
        Output::Json => write!(std::io::stdout(), "{}", failure(error, status)),
    };
    status
}

fn failure(error: &anyhow::Error, status: ExitStatus) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    render::machine::line("error", serde_json::json!({ "status": u8::from(status), "causes": causes }))
}

fn load(file: &Path) -> anyhow::Result<Settings> {
    Ok(config::load(file, std::env::vars_os())?)
}

fn check(file: &Path, output: Output) -> anyhow::Result<ExitStatus> {
    let loaded = config::load(file, std::env::vars_os());
    match output {
        Output::Table => {
            loaded?;
            writeln!(std::io::stdout(), "{}: good", file.display())?;
            Ok(ExitStatus::Yes)
        }
        Output::Json => {
            let problems = loaded.err().map(|error| error.problems()).unwrap_or_default();
            write!(std::io::stdout(), "{}", config::machine::checked(&problems))?;
            Ok(if problems.is_empty() { ExitStatus::Yes } else { ExitStatus::Usage })
        }
    }
}

fn print(file: Option<&Path>, output: Output) -> anyhow::Result<ExitStatus> {
    let settings = file.map_or_else(|| Ok(Settings::example()), load)?;
    let text = match output {
        Output::Table => config::print(&settings),
        Output::Json => config::machine::printed(&settings),
    };
    write!(std::io::stdout(), "{text}")?;
    Ok(ExitStatus::Yes)
}

fn whom_of(whom: Whom) -> anyhow::Result<Node> {
    let address = match (whom.server, whom.config) {
        (Some(address), _) => address,
        (None, Some(config)) => Address::Unix(load(&config)?.surface.socket),
        (None, None) => Address::Unix(Settings::example().surface.socket),
    };
    Ok(Node { address, tls: whom.tls })
}

fn endpoints(addresses: &[HostPort]) -> Vec<Endpoint> {
    addresses.iter().map(|one| Endpoint::new(one.host.clone(), one.port)).collect()
}

fn raft_dir(settings: &Settings) -> PathBuf {
    settings.node.data_dir.join("raft")
}

fn audit_dir(settings: &Settings) -> PathBuf {
    settings.node.data_dir.join("audit")
}

/// Reads which cluster the data directory is tied to.
fn tied_to(settings: &Settings) -> anyhow::Result<ClusterId> {
    let file = settings.node.data_dir.join(CLUSTER_FILE);
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!(
            "{} does not exist or cannot be read: prepare a new node's directory with `tanist node init`, or, for a node \
             whose data was lost, with `tanist node rejoin`",
            file.display()
        )
    })?;
    let tied = ClusterId(text.trim().to_owned());
    match &settings.node.cluster {
        Some(wanted) if *wanted != tied => anyhow::bail!(
            "{} belongs to Kafka cluster {tied}, but node.cluster is {wanted}: point node.data_dir at the directory of a \
             node of that cluster, or correct node.cluster",
            settings.node.data_dir.display()
        ),
        Some(_) | None => Ok(tied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::exit::Failure;

    #[test]
    fn an_error_is_one_line_of_json_with_its_status_and_every_cause() {
        let failure_ = Failure { status: ExitStatus::Unreachable, what: "nobody listens".to_owned() };
        let error = anyhow::Error::new(failure_).context("cannot ask \"n1\"");
        let line = failure(&error, ExitStatus::of_error(&error));
        let wanted =
            r#"{"error":{"causes":["cannot ask \"n1\"","nobody listens"],"status":3},"kind":"error","version":1}"#;
        assert_eq!(line, format!("{wanted}\n"));
    }
}
