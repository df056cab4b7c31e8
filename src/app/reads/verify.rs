//! Whether this node's history is whole: the chain itself, and its end beside every head that is kept elsewhere.
//!
//! Deliberately no trust in one place: redb is read back from the disk, the committed head is the replicated state's, and a
//! node of the trio that was not heard is named as such instead of being left out.

use std::time::Duration;

use super::Reads;
use crate::adapters::store::audit::AuditError;
use crate::model::chain::{Agreement, Break, Head, Verdict, compare_heads};
use crate::model::ids::RecordIndex;
use crate::model::operator::{Answer, ChainFault, HeadPlace, HeadSeen, Verification};

/// How long redb may take to be read back.
const READ_BACK_WITHIN: Duration = Duration::from_secs(1);

/// How long the history here may take to reach the heads of elsewhere before the difference is a fault: a record is on its
/// way for milliseconds, and this is a person's patience.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(3);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Reads {
    pub(super) async fn verify(&self) -> Result<Answer, AuditError> {
        // The heads are taken first: what is stored afterwards must reach at least as far.
        let elsewhere = self.elsewhere().await;
        self.catch_up(&elsewhere).await?;
        let (head, mut faults) = match self.store.verify().await? {
            Verdict::Whole(head) => (head, Vec::new()),
            Verdict::Broken { at, how } => (self.store.head().await?, vec![broken(at, how)]),
        };
        for (place, other) in &elsewhere {
            let Some(other) = *other else { continue };
            let held = self.store.get(other.index).await?.map(|link| link.hash);
            match compare_heads(head, other, |_| held) {
                Agreement::Holds { .. } => {}
                Agreement::TailMissing { .. } => {
                    faults.push(ChainFault::Shorter { last: head.index, place: *place, there: other.index });
                }
                Agreement::Differs { at } => faults.push(ChainFault::Differs { index: at, place: *place }),
            }
        }
        let seen = |(place, head): (HeadPlace, Option<Head>)| HeadSeen {
            place,
            head: head.map(|head| (head.index, head.hash)),
        };
        let compared = elsewhere.into_iter().map(seen).collect();
        Ok(Answer::Verified(Verification {
            node: self.station.me,
            last: head.index,
            head: head.hash,
            faults,
            compared,
        }))
    }

    /// Gives every head that is kept apart from the history; none where it could not be had.
    async fn elsewhere(&self) -> Vec<(HeadPlace, Option<Head>)> {
        let heads = self.heads.borrow().clone();
        let mut elsewhere = vec![
            (HeadPlace::Checkpoint, self.desk.checkpointed(READ_BACK_WITHIN).await),
            (HeadPlace::Committed, heads.get(&self.station.me).copied()),
        ];
        elsewhere.extend(self.station.peers.iter().map(|node| (HeadPlace::Peer(*node), heads.get(node).copied())));
        elsewhere
    }

    /// Waits, not for long, until the history here reaches what is known elsewhere.
    async fn catch_up(&self, elsewhere: &[(HeadPlace, Option<Head>)]) -> Result<(), AuditError> {
        let furthest = elsewhere.iter().filter_map(|(_, head)| head.map(|head| head.index)).max();
        let Some(furthest) = furthest else { return Ok(()) };
        let reached = async {
            while self.store.head().await?.index < furthest {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        // Out of time is no error here: the comparison says what is missing.
        tokio::time::timeout(CATCH_UP_WITHIN, reached).await.unwrap_or(Ok(()))
    }
}

pub(super) fn broken(at: RecordIndex, how: Break) -> ChainFault {
    match how {
        Break::Dropped => ChainFault::Absent { index: at },
        Break::Changed | Break::Inserted | Break::Reordered => ChainFault::Broken { index: at },
    }
}
