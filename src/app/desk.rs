//! Where operators' requests are answered from the history, or handed on to the controller and completed.
//!
//! Deliberately no decision: what it adds to an answer is what the rest of the node knows and the controller does not.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::init::cluster_at;
use super::reads::Reads;
use crate::adapters::store::audit::AuditError;
use crate::config::HostPort;
use crate::driver::Question;
use crate::model::ids::NodeId;
use crate::model::observation::Blindness;
use crate::model::operator::view::{PlanBrief, PlanView, StatusView};
use crate::model::operator::{Answer, Ask, OperatorRequest, Refusal};

/// How long an operator's request may take in all.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// How long the brokers may take to say which cluster they are, where they are another one.
const ASK_KAFKA_WITHIN: Duration = Duration::from_secs(2);

/// Where operators' requests are answered or handed on.
pub(super) struct Desk {
    pub(super) reads: Reads,
    pub(super) questions: mpsc::Sender<Question>,
    /// Where people reach the other nodes.
    pub(super) addresses: BTreeMap<NodeId, String>,
    /// Where Kafka is, by the settings.
    pub(super) bootstrap: Vec<HostPort>,
}

impl Desk {
    pub(super) async fn answer(&self, request: OperatorRequest) -> Answer {
        if let Some(answer) = self.reads.answer(&request.ask).await {
            return answer;
        }
        match &request.ask {
            Ask::PlanList => self.plans(&request).await.map_or_else(|answer| *answer, Answer::Plans),
            Ask::PlanShow { digest } => match self.plans(&request).await {
                Ok(plans) => self.reads.plan(plans, digest).await.unwrap_or_else(no_history),
                Err(answer) => *answer,
            },
            Ask::Status => self.status(&request).await.map_or_else(|answer| *answer, Answer::Status),
            Ask::Approve { .. }
            | Ask::Reject { .. }
            | Ask::AuditList { .. }
            | Ask::AuditShow { .. }
            | Ask::AuditVerify
            | Ask::AuditExport { .. }
            | Ask::Why { .. }
            | Ask::Undo { .. }
            | Ask::Pause { .. }
            | Ask::Resume
            | Ask::Acknowledge { .. } => self.hand_on(request).await,
        }
    }

    /// Gives how things stand, with what only the rest of the node knows: its troubles, and plans from the history.
    async fn status(&self, request: &OperatorRequest) -> Result<Box<StatusView>, Box<Answer>> {
        let answer = self.hand_on(OperatorRequest { ask: Ask::Status, ..request.clone() }).await;
        let Answer::Status(mut view) = answer else { return Err(Box::new(answer)) };
        view.troubles.extend(self.reads.troubles().await);
        if view.blind.iter().any(|one| one.why == Blindness::WrongCluster) {
            view.troubles.push(self.wrong_cluster().await);
        }
        match self.reads.plans(Vec::new(), &view.cases).await {
            Ok(plans) => view.plans.extend(plans.into_iter().map(|plan| PlanBrief {
                digest: plan.digest,
                case: plan.case,
                state: plan.state,
            })),
            Err(error) => view.troubles.push(format!("The history does not answer: {error}.")),
        }
        Ok(view)
    }

    /// Names both clusters where the brokers belong to another one than this node.
    async fn wrong_cluster(&self) -> String {
        let theirs = tokio::time::timeout(ASK_KAFKA_WITHIN, cluster_at(&self.bootstrap)).await;
        let theirs = theirs.ok().and_then(Result::ok).map_or_else(|| "another one".to_owned(), |id| id.0);
        let ours = self.reads.cluster();
        let at = self.bootstrap.iter().map(|one| format!("{}:{}", one.host, one.port)).collect::<Vec<_>>().join(", ");
        format!(
            "The brokers at {at} belong to Kafka cluster {theirs}, but this node is tied to {ours}, and sends nothing: \
             correct kafka.\"bootstrap.servers\", or prepare an empty node.data_dir for {theirs} with `tanist node init`."
        )
    }

    /// Gives the plans that wait, are in flight, would have been sent or are held.
    async fn plans(&self, request: &OperatorRequest) -> Result<Vec<PlanView>, Box<Answer>> {
        let answer = self.hand_on(OperatorRequest { ask: Ask::PlanList, ..request.clone() }).await;
        let Answer::Plans(standing) = answer else { return Err(Box::new(answer)) };
        let view = self.status(request).await?;
        self.reads.plans(standing, &view.cases).await.map_err(|error| Box::new(no_history(error)))
    }

    /// Lets the controller answer, of this node or of the one that leads.
    async fn hand_on(&self, request: OperatorRequest) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.questions.send(Question { request, reply }).await.is_err() {
            return Answer::Unanswered;
        }
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(Answer::NotLeader { leader, .. })) => {
                Answer::NotLeader { leader, address: self.addresses.get(&leader).cloned() }
            }
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Answer::Unanswered,
        }
    }
}

fn no_history(error: AuditError) -> Answer {
    tracing::warn!(%error, "the history does not answer");
    Answer::Refused(Refusal::AuditRebuilding)
}
