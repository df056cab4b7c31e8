//! Striking a dead broker off, after production's last look at whether it is dead: who is registered, and whether it answers.
//!
//! Deliberately as careful: Kafka compares nothing here, and the broker that comes back to no registration must be restarted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::control::event::Errand;
use crate::control::pace::RECHECK_FOR;
use crate::model::ids::BrokerId;
use crate::model::plan::Act;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Answer, Door, Fenced, Line, Request};
use crate::sim::sabotage::Sabotage;

use super::job::List;
use super::{Failed, Hand, LAST_CALL, Sending, Stage, receipt};

impl Hand {
    /// Asks brokers but for the dead one who is registered. A saboteur knows without.
    pub(super) fn look_who_is_registered(&mut self, desk: &mut Desk<'_>, errand: Errand) {
        if self.options.sabotage == Sabotage::ActsOnOldFacts {
            return self.send(desk, errand, Sending::Unregister);
        }
        self.look_up(desk, errand, List::Registered);
    }

    /// A broker said who is registered; none where it does not tell everybody, as fenced ones are left out.
    pub(super) fn told_who_is_registered(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        everybody: Option<&BTreeMap<BrokerId, Fenced>>,
    ) {
        let Some(broker) = self.struck_off(errand) else { return };
        // Applying a step twice changes nothing the second time. Where fenced brokers are not told, it may be one of them.
        if everybody.is_some_and(|registered| !registered.contains_key(&broker)) {
            return self.finish(errand, receipt(&[], &[]), None);
        }
        match self.mandate(desk, errand) {
            Ok(left) => self.call(desk, errand, broker, left.min(RECHECK_FOR)),
            Err(why) => self.fail(desk, errand, why),
        }
    }

    /// Calls the broker that is to be struck off, over a line opened now.
    fn call(&mut self, desk: &mut Desk<'_>, errand: Errand, broker: BrokerId, within: Duration) {
        let line = desk.line(Door::Broker(broker), LAST_CALL);
        let call = desk.ask(line, Request::ApiVersions);
        self.calls.insert(call, errand);
        self.enter(desk, errand, Stage::Calling { line, call }, within);
    }

    /// The broker that is to be struck off has answered, or not in time: a live one would become a zombie, and whoever answers now has
    /// a life of its own.
    pub(super) fn called(&mut self, desk: &mut Desk<'_>, errand: Errand, line: Line, answer: Option<Answer>) {
        self.open.remove(&line);
        desk.close(line);
        if answer == Some(Answer::Fine) {
            return self.fail(desk, errand, Failed::Stale);
        }
        self.send(desk, errand, Sending::Unregister);
    }

    fn struck_off(&mut self, errand: Errand) -> Option<BrokerId> {
        match &self.applying(errand)?.step.act {
            Act::Unregister { broker, .. } => Some(*broker),
            Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } | Act::Fence { .. } => None,
        }
    }
}
