//! Readings for tests.

use super::*;

impl PulseReading {
    /// Gives a reading that came the way that changes go, of this controller, whose log ends there.
    pub(crate) fn of(controller: i32, sent_at: Timestamp, end: Offset, brokers: BTreeMap<BrokerId, Offset>) -> Self {
        Self {
            sent_at,
            controller: ControllerId(controller),
            controller_epoch: ControllerEpoch(controller),
            high_watermark: end,
            controller_log_end: end,
            brokers,
            as_changes_go: true,
        }
    }
}
