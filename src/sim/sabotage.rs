//! Deliberate bugs: one build, a value that a test hands to the constructor of the world, and a check that must find it.
//!
//! Deliberately no switch in production's code: a saboteur tells a part something false, or stands between two parts.

use std::fmt;
use std::str::FromStr;

use super::kafka::plan::{KafkaPlan, Switch};

macro_rules! sabotages {
    ($(#[doc = $doc:literal] $name:ident = $text:literal;)*) => {
        /// One thing that is deliberately broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub enum Sabotage {
            /// Nothing.
            #[default]
            None,
            $(#[doc = $doc] $name,)*
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

            /// Says what is broken, in one sentence.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    Self::None => "Nothing.",
                    $(Self::$name => $doc.trim_ascii(),)*
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
    /// Every node forgets the cool-downs when the leader changes.
    ForgetsCoolDowns = "forgets-cool-downs";
    /// Every node forgets the open intents when the leader changes.
    ForgetsIntents = "forgets-intents";
    /// Every node forgets that automation is paused when the leader changes.
    ForgetsPause = "forgets-pause";
    /// Nobody looks at pause files.
    IgnoresPauseFile = "ignores-pause-file";
    /// The hand sends again what was not answered.
    ResendsBlindly = "resends-blindly";
    /// The hand sends after its step's time is over.
    SendsLate = "sends-late";
    /// The hand fences whatever life of the broker is registered.
    FencesAnyLife = "fences-any-life";
    /// The hand asks for unclean elections.
    ElectsUncleanly = "elects-uncleanly";
    /// The hand takes the plan's facts for the present ones, and does not look again before it writes.
    ActsOnOldFacts = "acts-on-old-facts";
    /// A step is carried out when its intent is proposed, before it is committed.
    ActsBeforeCommit = "acts-before-commit";
    /// A step may be sent for a minute, however long its intent is valid.
    ValidForEver = "valid-for-ever";
    /// Each step is carried out twice.
    ActsTwice = "acts-twice";
    /// The next batch of a failback is sent with the first, before that is verified.
    Hurries = "hurries";
    /// A step that failed counts as done, and the next one follows.
    TakesNoForYes = "takes-no-for-yes";
    /// Observe-only sends all the same.
    ObserverActs = "observer-acts";
    /// What waits for approval is carried out without it.
    NeedsNoApproval = "needs-no-approval";
    /// A plan that the guard holds is carried out all the same.
    OverrulesGuard = "overrules-guard";
    /// Another replica in sync is chosen than the score says.
    ChoosesByWhim = "chooses-by-whim";
    /// An adviser that says nothing is heard to say yes.
    HearsYes = "hears-yes";
    /// The names of topics reach the adviser's prompt.
    NamesInPrompts = "names-in-prompts";
    /// Log time is read from the clock on the wall.
    TimeByTheWall = "time-by-the-wall";
    /// The disk says that it has synced, and has not.
    DiskLies = "disk-lies";
    /// A node that is told so leads on after it was deposed.
    LeadsOn = "leads-on";
    /// One node skips a record now and then.
    SkipsRecords = "skips-records";
    /// Orders are never given back.
    NoFailback = "no-failback";
    /// A case is closed instead of giving its order back.
    ClosesEarly = "closes-early";
    /// No case is ever closed.
    NeverCloses = "never-closes";
    /// Each case is opened dozens of times.
    OpensAgain = "opens-again";
    /// A plan that has ended is carried out again, twice.
    RepeatsItself = "repeats-itself";
    /// Outcomes are never written.
    NoOutcomes = "no-outcomes";
    /// Outcomes are written minutes late.
    LateOutcomes = "late-outcomes";
    /// Outcomes do not say how their steps were verified.
    Unverified = "unverified";
    /// The probe takes the first refused connect for two.
    JumpsToConclusions = "jumps-to-conclusions";
    /// The probe sees nothing of closed connections.
    DeafProbe = "deaf-probe";
    /// Elections among us wait four times as long.
    SlowElections = "slow-elections";
    /// Kafka itself commits with one replica in sync, and elects uncleanly.
    UncleanKafka = "unclean-kafka";
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

/// Gives the cluster that is pretended instead of the wanted one.
pub(in crate::sim) fn kafka(sabotage: Sabotage, mut plan: KafkaPlan) -> KafkaPlan {
    if sabotage == Sabotage::UncleanKafka {
        plan.settings.min_isr = 1;
        plan.settings.elr = Switch::Off;
        plan.settings.unclean_election = Switch::On;
    }
    plan
}
