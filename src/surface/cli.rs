//! The command line: arguments as typed (clap) and as meant ([`Deed`]).
//!
//! Deliberately carries nothing out but questions to a node (`talk`): running a node and reading settings is `app`'s part.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::demo::DemoArguments;
use super::grpc::TlsFiles;
use super::grpc::client::Address;
use super::simulate::{SimulateArguments, Simulation};
use crate::model::ids::{CaseId, RecordIndex};
use crate::model::operator::question::{Question, QuestionError};
use crate::model::operator::{Ask, DigestPrefix, Reason};

/// Most records that one list holds.
const LIST_RECORDS_MAX: u32 = 200;

/// Moves Kafka leadership away from failing brokers, and can prove why.
#[derive(Debug, Parser)]
#[command(name = "tanist", version, about, after_help = EXIT_HELP, max_term_width = 110)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const EXIT_HELP: &str = "\
Exit status: 0 yes or done, 1 the answer is no, 2 usage or settings, 3 unreachable, 4 held or needs approval, 5 no quorum.";

#[derive(Debug, Args)]
struct Common {
    /// Settings of a node; questions go to the socket that it names.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The node to ask, instead of the one in --config.
    #[arg(long, global = true, value_name = "unix:PATH|HOST:PORT")]
    server: Option<Address>,
    /// Your certificate, for a node at HOST:PORT (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of your certificate (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "tls_ca")]
    tls_key: Option<PathBuf>,
    /// The authority that signed the node's certificate (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// How the answer is written.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For machines: one line, {"version":1,"kind":...}.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one node; three of them make the trio.
    Run,
    /// Who leads, the brokers as seen from each node, findings, plans and what a person must know.
    Status,
    /// Plans that wait for approval or are in flight.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// The history of decisions.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Why something is, or is not, so: a partition (orders-7), a broker (b2), a case (c-17) or a time (03:12, UTC).
    Why {
        /// The question, in words or in names: orders-7; not b3 orders-7; why did nothing happen at 03:12.
        #[arg(required = true, value_name = "QUESTION")]
        question: Vec<String>,
    },
    /// Puts the recorded order of a case back, as a plan of its own.
    Undo {
        /// The case: c-17.
        case: CaseId,
    },
    /// Stops automation on all nodes. Without a majority: make a file named PAUSE in a node's data directory.
    Pause {
        /// Why.
        #[arg(long)]
        reason: Reason,
    },
    /// Lets automation go on.
    Resume,
    /// Plays the trio on a pretended Kafka: a scenario, or faults by chance; needs no node and no cluster.
    Simulate(SimulateArguments),
    /// Shows the trio on a simulated cluster in real time; you break it from the keyboard.
    Demo(DemoArguments),
    /// Settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Data directories of nodes.
    #[command(subcommand)]
    Node(NodeCommand),
}

#[derive(Debug, Subcommand)]
enum PlanCommand {
    /// All of them.
    List,
    /// One, whole: steps, every candidate's score, undo, collateral, objections.
    Show {
        /// The first digits of its digest.
        digest: DigestPrefix,
    },
    /// Says yes to one.
    Approve {
        /// The first digits of its digest.
        digest: DigestPrefix,
    },
    /// Says no to one.
    Reject {
        /// The first digits of its digest.
        digest: DigestPrefix,
        /// Why.
        #[arg(long)]
        reason: Reason,
    },
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// The newest records.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(LIST_RECORDS_MAX)))]
        last: u32,
        /// Of this case only.
        #[arg(long)]
        case: Option<CaseId>,
        /// From this record on.
        #[arg(long)]
        since: Option<RecordIndex>,
    },
    /// One record, whole.
    Show {
        /// Its number.
        index: RecordIndex,
    },
    /// Checks that no record was changed, dropped, inserted, re-ordered or cut off at the end.
    Verify,
    /// Writes all records as NDJSON.
    Export {
        /// The first record.
        #[arg(long, default_value = "1")]
        from: RecordIndex,
    },
    /// Says that an attention was seen, so that status shows it no more.
    Acknowledge {
        /// The number of its record.
        index: RecordIndex,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Says everything that is wrong with a file.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Writes every key with its meaning, unit and default; with --config, the values in force.
    Print,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum NodeCommand {
    /// Prepares an empty data directory for a new node.
    Init,
    /// Prepares an empty data directory for a node whose data was lost: it comes back under a new id.
    Rejoin,
}

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// To run or prepare a node.
    Node {
        /// Which.
        what: NodeDeed,
        /// Its settings.
        config: PathBuf,
    },
    /// To check a settings file.
    CheckConfig(PathBuf),
    /// To print settings: those of a file, or the defaults.
    PrintConfig(Option<PathBuf>),
    /// To simulate.
    Simulate(Simulation),
    /// To ask a node.
    Ask {
        /// What.
        inquiry: Inquiry,
        /// Whom.
        whom: Whom,
    },
}

/// What to do with a node on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeDeed {
    /// Run it.
    Run,
    /// Prepare an empty data directory.
    Init,
    /// Prepare one for a node whose data was lost.
    Rejoin,
}

/// What is asked of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inquiry {
    /// One question.
    One(Ask),
    /// All records from here on, page by page.
    Export {
        /// The first.
        from: RecordIndex,
    },
}

/// Which node is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whom {
    /// The one at this address.
    pub server: Option<Address>,
    /// Else the one with these settings; else the one at the default socket.
    pub config: Option<PathBuf>,
    /// Certificates, for a node over TCP.
    pub tls: Option<TlsFiles>,
}

/// A command line that says too little, or what cannot be.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The command needs settings.
    #[error("tanist {0} needs the settings of the node: --config FILE")]
    NoConfig(&'static str),
    /// The question cannot be understood.
    #[error(transparent)]
    Question(#[from] QuestionError),
}

impl Arguments {
    /// Gives how answers are to be written.
    #[must_use]
    pub fn output(&self) -> Output {
        self.common.output
    }

    /// Gives what the command line means.
    ///
    /// Errors: [`UsageError`] where the arguments are each right and together are not.
    pub fn meant(self) -> Result<Deed, UsageError> {
        let Common { config, server, tls_cert, tls_key, tls_ca, output: _ } = self.common;
        let tls = match (tls_cert, tls_key, tls_ca) {
            (Some(cert), Some(key), Some(ca)) => Some(TlsFiles { cert, key, ca }),
            _ => None,
        };
        let node = |what, name, config: Option<PathBuf>| {
            Ok(Deed::Node { what, config: config.ok_or(UsageError::NoConfig(name))? })
        };
        let inquiry = match self.command {
            Command::Run => return node(NodeDeed::Run, "run", config),
            Command::Node(NodeCommand::Init) => return node(NodeDeed::Init, "node init", config),
            Command::Node(NodeCommand::Rejoin) => return node(NodeDeed::Rejoin, "node rejoin", config),
            Command::Config(ConfigCommand::Check { file }) => return Ok(Deed::CheckConfig(file)),
            Command::Config(ConfigCommand::Print) => return Ok(Deed::PrintConfig(config)),
            Command::Demo(arguments) => return Ok(Deed::Simulate(arguments.meant())),
            Command::Simulate(arguments) => return Ok(Deed::Simulate(arguments.meant())),
            Command::Audit(AuditCommand::Export { from }) => Inquiry::Export { from },
            Command::Audit(command) => Inquiry::One(command.ask()),
            Command::Plan(command) => Inquiry::One(command.ask()),
            Command::Status => Inquiry::One(Ask::Status),
            Command::Why { question } => {
                let question: Question = question.join(" ").parse()?;
                Inquiry::One(Ask::Why { question })
            }
            Command::Undo { case } => Inquiry::One(Ask::Undo { case }),
            Command::Pause { reason } => Inquiry::One(Ask::Pause { reason }),
            Command::Resume => Inquiry::One(Ask::Resume),
        };
        Ok(Deed::Ask { inquiry, whom: Whom { server, config, tls } })
    }
}

impl PlanCommand {
    fn ask(self) -> Ask {
        match self {
            Self::List => Ask::PlanList,
            Self::Show { digest } => Ask::PlanShow { digest },
            Self::Approve { digest } => Ask::Approve { digest },
            Self::Reject { digest, reason } => Ask::Reject { digest, reason },
        }
    }
}

impl AuditCommand {
    fn ask(self) -> Ask {
        match self {
            Self::List { last, case, since } => Ask::AuditList { last, case, since },
            Self::Show { index } => Ask::AuditShow { index },
            Self::Verify => Ask::AuditVerify,
            Self::Export { from } => Ask::AuditExport { from },
            Self::Acknowledge { index } => Ask::Acknowledge { index },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn commands_mean_what_they_say() {
        let asks = |line: &str| {
            let Deed::Ask { inquiry: Inquiry::One(ask), .. } = meant(line).unwrap() else {
                panic!("{line} asks nothing")
            };
            ask
        };
        assert_eq!(asks("status"), Ask::Status);
        assert_eq!(asks("plan list -o json"), Ask::PlanList);
        let digest: DigestPrefix = "0123456789ab".parse().unwrap();
        assert_eq!(asks("plan approve 0123456789ab"), Ask::Approve { digest: digest.clone() });
        let reason: Reason = "not-now".parse().unwrap();
        assert_eq!(asks("plan reject 0123456789ab --reason not-now"), Ask::Reject { digest, reason });
        let list = Ask::AuditList { last: 5, case: Some(CaseId(17)), since: Some(RecordIndex(3)) };
        assert_eq!(asks("audit list --last 5 --case c-17 --since 3"), list);
        let question = "why not b3 partition orders-7".parse().unwrap();
        assert_eq!(asks("why not broker 3 orders-7"), Ask::Why { question });
        assert_eq!(asks("undo c-17"), Ask::Undo { case: CaseId(17) });
    }

    #[test]
    fn deeds_without_a_node_to_ask_are_told_apart() {
        let config = PathBuf::from("n.toml");
        assert_eq!(meant("run --config n.toml").unwrap(), Deed::Node { what: NodeDeed::Run, config: config.clone() });
        assert!(matches!(meant("-o json node rejoin --config n").unwrap(), Deed::Node { what: NodeDeed::Rejoin, .. }));
        assert_eq!(meant("config check n.toml").unwrap(), Deed::CheckConfig(config));
        assert_eq!(meant("config print").unwrap(), Deed::PrintConfig(None));
    }

    #[test]
    fn the_node_to_ask_is_an_address_with_or_without_certificates() {
        let whom = |line: &str| {
            let Deed::Ask { whom, .. } = meant(line).unwrap() else { panic!("{line} asks nobody") };
            whom
        };
        let plain = Whom { server: Some(Address::Unix("/s".into())), config: None, tls: None };
        assert_eq!(whom("status --server unix:/s"), plain);
        let secured = whom("status --server n:1 --tls-cert c --tls-key k --tls-ca a");
        assert_eq!(secured.tls, Some(TlsFiles { cert: "c".into(), key: "k".into(), ca: "a".into() }));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = [
            "",
            "run",
            "node init",
            "why",
            "why orders",
            "plan show xyz",
            "plan approve 012345678 extra",
            "audit list --last 0",
            "audit list --last 201",
            "undo seventeen",
            "pause",
            "pause --reason ",
            "status --server nowhere",
            "status --tls-cert c",
            "status -o xml",
        ];
        for line in refused {
            assert!(meant(line).is_err(), "{line}");
        }
    }

    fn meant(line: &str) -> anyhow::Result<Deed> {
        let words =
            std::iter::once("tanist").chain(line.split(' ').filter(|word| !line.is_empty() || !word.is_empty()));
        Ok(Arguments::try_parse_from(words)?.meant()?)
    }
}
