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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::ids::NodeId;
    use crate::model::operator::OperatorRequest;
    use crate::surface::grpc::{Bound, Listen, Roles, ServeOptions};

    /// A node on loopback that answers by `answer`; it ends with the test's runtime.
    async fn node(answer: impl Fn(OperatorRequest) -> Answer + Send + Sync + 'static) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let listen = Some(Listen { address: ([127, 0, 0, 1], 0).into(), tls: None });
        let options = ServeOptions { socket: folder.path().join("s"), listen, roles: Roles::default() };
        let bound = Bound::bind(options).await.unwrap();
        let address = bound.address().unwrap().to_string();
        tokio::spawn(bound.serve(move |request| std::future::ready(answer(request)), std::future::pending()));
        (folder, address)
    }

    fn at(folder: &tempfile::TempDir) -> Node {
        Node { address: Address::Unix(folder.path().join("s")), tls: None }
    }

    async fn asks(inquiry: Inquiry, node: Node) -> (ExitStatus, String) {
        let form = Form { output: Output::Table, style: Style::plain(100) };
        let mut out = Vec::new();
        let status = talk(inquiry, node, form, &mut out).await.unwrap();
        (status, String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn a_question_follows_to_the_leader_that_a_node_names() {
        let (_leader, address) = node(|_| Answer::Done { record: Some(RecordIndex(9)), plan: None }).await;
        let named = Some(address);
        let (follower, _) = node(move |_| Answer::NotLeader { leader: NodeId(2), address: named.clone() }).await;
        let (status, text) = asks(Inquiry::One(Ask::Status), at(&follower)).await;
        assert_eq!((status, text.as_str()), (ExitStatus::Yes, "done, record 9\n"));
    }

    #[tokio::test]
    async fn two_nodes_that_name_each_other_are_not_followed_for_ever() {
        let own = Arc::new(Mutex::new(None));
        let named = own.clone();
        let (circle, address) =
            node(move |_| Answer::NotLeader { leader: NodeId(2), address: named.lock().unwrap().clone() }).await;
        *own.lock().unwrap() = Some(address);
        let (status, text) = asks(Inquiry::One(Ask::Status), at(&circle)).await;
        assert_eq!(status, ExitStatus::Unreachable);
        assert!(text.starts_with("n2 leads: ask it at 127.0.0.1:"), "{text}");
    }

    #[tokio::test]
    async fn a_question_without_an_answer_is_repeated_once_under_the_same_id() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        let (silent, _) = node(move |request| {
            heard.lock().unwrap().push(request.id);
            Answer::Unanswered
        })
        .await;
        let (status, _) = asks(Inquiry::One(Ask::Resume), at(&silent)).await;
        assert_eq!(status, ExitStatus::Unreachable);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked.first(), asked.last());
    }

    #[tokio::test]
    async fn an_export_is_written_page_by_page_to_the_end() {
        let page = |request: OperatorRequest| {
            let Ask::AuditExport { from: RecordIndex(from) } = request.ask else { panic!("{request:?}") };
            let next = (from < 2).then_some(RecordIndex(from + 1));
            Answer::Page { lines: vec![format!("{{\"index\":{from}}}")], next }
        };
        let (history, _) = node(page).await;
        let (status, text) = asks(Inquiry::Export { from: RecordIndex(1) }, at(&history)).await;
        assert_eq!((status, text.as_str()), (ExitStatus::Yes, "{\"index\":1}\n{\"index\":2}\n"));
    }
}
