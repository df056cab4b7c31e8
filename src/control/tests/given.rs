//! Situations that several stories begin with.

use crate::decide::policy::{ActPolicy, Mode, Permission, Policy};

/// A broker that has been away for seconds and takes no part in the metadata log.
pub(super) const GONE: &str = "n2 sees b1 refused 2s sent 9s\nn3 sees b1 refused 2s sent 9s\n\
    n2 pulse b1 missing\nn3 pulse b1 missing\n";

/// Four brokers; the one that fails leads nothing: where it is dead, unregistering it is all that can be done.
pub(super) const FOLLOWER: &str = "broker b1 rack a epoch 101\nbroker b2 rack b epoch 102\nbroker b3 rack c epoch 103\n\
    broker b4 rack a epoch 104\np0..p5 led b2 of 2,1,3 isr 1,2,3 min 2\n";

/// Unregistering is allowed, and sent without a person.
pub(super) fn unregistering() -> Policy {
    let auto_r2 = ["Unregister".to_owned()].into();
    let act = ActPolicy { unregister: Permission::Allowed, auto_r2, ..ActPolicy::default() };
    Policy { mode: Mode::Auto, act, ..Policy::default() }
}
