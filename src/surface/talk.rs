//! Asks a node what the command line asks, follows it to the leader, and writes the answer.

use std::io::Write;

use crate::model::ids::{RecordIndex, RequestId};
use crate::model::operator::{Answer, Ask};
use crate::render::{self, Style};

use super::cli::{Inquiry, Output};
use super::exit::ExitStatus;
use super::grpc::TlsFiles;
use super::grpc::client::{Address, AskError, Client};

/// How often a question is asked again of the node that was named as leader; leadership may move while we follow.
const HOPS_MAX: usize = 3;
/// How often a question without an answer is repeated, under the same id, so that it is done once at most.
const REPEATS_MAX: usize = 1;

/// Asks, and writes the answer to `out`.
///
/// Errors: [`AskError`] where no answer came, or that of writing.
pub async fn talk(
    inquiry: Inquiry,
    node: Node,
    form: Form,
    out: &mut (impl Write + Send),
) -> anyhow::Result<ExitStatus> {
    let mut talk = Talk { node, client: None };
    match inquiry {
        Inquiry::One(ask) => {
            let answer = talk.ask(&ask).await?;
            out.write_all(form.write(&answer)?.as_bytes())?;
            Ok(ExitStatus::of(&answer))
        }
        Inquiry::Export { from } => export(&mut talk, from, form, out).await,
    }
}

/// Writes all records from `from` on, page by page, as the lines that were chained, in either form.
async fn export(
    talk: &mut Talk,
    mut from: RecordIndex,
    form: Form,
    out: &mut (impl Write + Send),
) -> anyhow::Result<ExitStatus> {
    loop {
        let answer = talk.ask(&Ask::AuditExport { from }).await?;
        let Answer::Page { lines, next } = answer else {
            out.write_all(form.write(&answer)?.as_bytes())?;
            return Ok(ExitStatus::of(&answer));
        };
        for line in lines {
            writeln!(out, "{line}")?;
        }
        match next {
            // A page that does not get on would be asked for ever.
            Some(next) if from < next => from = next,
            Some(_) | None => return Ok(ExitStatus::Yes),
        }
    }
}

/// The node to ask.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is.
    pub address: Address,
    /// The certificates, for TCP.
    pub tls: Option<TlsFiles>,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// For whom.
    pub output: Output,
    /// For people: how wide, and with colours or not.
    pub style: Style,
}

impl Form {
    fn write(self, answer: &Answer) -> Result<String, serde_json::Error> {
        match self.output {
            Output::Table => Ok(render::answer(answer, self.style)),
            Output::Json => render::machine::answer(answer),
        }
    }
}

struct Talk {
    node: Node,
    client: Option<Client>,
}

impl Talk {
    /// Asks, repeats what was not answered, and follows to the leader where its address is known.
    async fn ask(&mut self, ask: &Ask) -> Result<Answer, AskError> {
        let id = request_id();
        let mut hops = 0;
        let mut repeats = 0;
        loop {
            match self.once(id, ask).await {
                Ok(Answer::NotLeader { address: Some(address), .. }) if hops < HOPS_MAX => {
                    hops += 1;
                    self.client = None;
                    self.node.address = Address::Tcp(address);
                }
                Ok(Answer::Unanswered) | Err(AskError::Unanswered { .. }) if repeats < REPEATS_MAX => {
                    repeats += 1;
                    self.client = None;
                }
                answer => return answer,
            }
        }
    }

    async fn once(&mut self, id: RequestId, ask: &Ask) -> Result<Answer, AskError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.node.address, self.node.tls.as_ref()).await?,
        };
        self.client.insert(client).ask(id, ask).await
    }
}

/// Makes an id that no other request has, by chance.
fn request_id() -> RequestId {
    let (id, _) = uuid::Uuid::new_v4().as_u64_pair();
    // 53 bits: any reader of the records' JSON can hold them.
    RequestId(id >> 11)
}
