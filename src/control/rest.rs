//! Rests: a case of which nothing could be sent is tried again at a pace, and for as long as that lasts.
//!
//! Deliberately no count: controllers that elect for a minute are no reason to leave a case to a person for good. A person is
//! told, and the tries go on. Forgotten with the leader: the next one may try at once.

use std::time::Duration;

use crate::model::ids::CaseId;
use crate::model::time::Timestamp;

use super::controller::Controller;

/// How long a case rests after an intent of which nothing could be sent: first, and doubled up to the most.
const REST_FIRST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(10);

/// A case that rests longer than this waits for more than an election among the controllers: a person's.
const REST_SHORT_MAX: Duration = Duration::from_secs(2);

/// How long a case rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// As long as controllers take to elect.
    Short,
    /// Longer: whatever is in the way does not pass by itself.
    Long,
}

impl Controller {
    /// Tells whether a case rests, after an intent of which nothing could be sent.
    pub(super) fn rests(&self, now: Timestamp, case: Option<CaseId>) -> bool {
        let rest = case.and_then(|case| self.lead.as_ref()?.rests.get(&case));
        rest.is_some_and(|(until, _)| now < *until)
    }

    /// Nothing of an intent could be sent (an election among the controllers takes a second or two): it is no try, and
    /// the case rests a little longer each time.
    pub(super) fn let_rest(&mut self, now: Timestamp, case: CaseId) -> Rest {
        let Some(lead) = self.lead.as_mut() else { return Rest::Short };
        let (until, last) = lead.rests.entry(case).or_insert((now, REST_FIRST / 2));
        *last = last.saturating_mul(2).min(REST_MAX);
        *until = now.plus(*last);
        if *last <= REST_SHORT_MAX { Rest::Short } else { Rest::Long }
    }

    /// Something of an intent was sent: whatever is in the way next is met with short rests again.
    pub(super) fn rested_enough(&mut self, case: CaseId) {
        if let Some(lead) = self.lead.as_mut() {
            lead.rests.remove(&case);
        }
    }
}
