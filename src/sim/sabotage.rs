//! Deliberate bugs: one build, a value that a test hands to the constructor of the world, and a check that must find it.
//!
//! Deliberately no switch in production's code: a saboteur tells a part something false, or stands between two parts.

use std::fmt;
use std::str::FromStr;

macro_rules! sabotages {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// One thing that is deliberately broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub enum Sabotage {
            /// Nothing.
            #[default]
            None,
            $($(#[$doc])* $name,)*
        }

        impl Sabotage {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Gives its name as the command line and the list know it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    Self::None => "none",
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

sabotages! {
    /// Each node believes that one vote is a majority.
    QuorumOfOne = "quorum-of-one";
    /// Each node's log needs nobody else: three leaders.
    LogOfOne = "log-of-one";
    /// The guard's row on how many brokers may be red at once is gone.
    NoBlastRadius = "no-blast-radius";
    /// The guard's row on acts that follow each other too soon is gone.
    NoCoolDown = "no-cool-down";
    /// The guard's row on old pictures is gone, and the topology that it is shown is never renewed.
    StalePictures = "stale-pictures";
    /// Reports never grow too old to count.
    OldReportsCount = "old-reports-count";
    /// A node that doubts itself votes all the same.
    NoSelfDoubt = "no-self-doubt";
    /// A new leader forgets the cool-downs.
    ForgetsCoolDowns = "forgets-cool-downs";
    /// A new leader forgets the intents of its predecessor.
    ForgetsIntents = "forgets-intents";
    /// A new leader forgets that automation is paused.
    ForgetsPause = "forgets-pause";
    /// Nobody looks at pause files.
    IgnoresPauseFile = "ignores-pause-file";
    /// The hand sends again what was not answered.
    ResendsBlindly = "resends-blindly";
    /// The hand sends after its step's time is over.
    SendsLate = "sends-late";
    /// The hand fences whatever life of the broker is registered.
    FencesAnyLife = "fences-any-life";
    /// A step is carried out when its intent is proposed, before it is committed.
    ActsBeforeCommit = "acts-before-commit";
    /// Each step is carried out twice.
    ActsTwice = "acts-twice";
    /// Observe-only sends all the same.
    ObserverActs = "observer-acts";
    /// The disk says that it has synced, and has not.
    DiskLies = "disk-lies";
    /// A restarted node has forgotten whom it voted for.
    ForgetsVote = "forgets-vote";
    /// A node that is told so leads on after it was deposed.
    LeadsOn = "leads-on";
    /// One node skips a record now and then.
    SkipsRecords = "skips-records";
    /// Orders are never given back.
    NoFailback = "no-failback";
    /// What waits for approval is carried out without it.
    NeedsNoApproval = "needs-no-approval";
    /// Every adviser's word counts as a yes, and widens.
    AdviceWidens = "advice-widens";
    /// The probe takes the first refused connect for two.
    JumpsToConclusions = "jumps-to-conclusions";
    /// The probe sees nothing of closed connections.
    DeafProbe = "deaf-probe";
    /// Elections among us wait four times as long.
    SlowElections = "slow-elections";
    /// Outcomes are never written.
    NoOutcomes = "no-outcomes";
    /// The probe's requests are never given up.
    WaitsForEver = "waits-for-ever";
}

/// Says why a text names no sabotage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no sabotage; there are {names}", names = Sabotage::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", "))]
pub struct NoSabotage(String);

impl FromStr for Sabotage {
    type Err = NoSabotage;

    fn from_str(text: &str) -> Result<Self, NoSabotage> {
        Self::ALL.iter().copied().find(|one| one.name() == text).ok_or_else(|| NoSabotage(text.to_owned()))
    }
}

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
