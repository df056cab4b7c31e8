//! What a person may choose about a lab cluster, with the defaults that the measurements were made with.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lab::LabError;

/// The Kafka that a cluster runs unless told otherwise: the newest release that the project was measured on.
pub const KAFKA_DEFAULT: &str = "4.3.1";

/// How a lab cluster is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterOptions {
    /// The Kafka release, such as "4.3.1".
    pub kafka: String,
    /// How many brokers; they are spread over racks `a`, `b`, `c` in turn.
    pub brokers: i32,
    /// Whether controllers are processes of their own.
    pub roles: Roles,
    /// Kafka's own detection times, or tuned ones.
    pub timing: Timing,
    /// Who may do what.
    #[serde(default)]
    pub access: Access,
    /// Settings of every node beyond the lab's own, each `KEY=VALUE` as in `node.properties`.
    #[serde(default)]
    pub settings: Vec<String>,
    /// What the brokers' log folders lie on.
    pub disk: Disk,
    /// Where the cluster's folder is made; a temporary folder, removed with the cluster, if none.
    pub dir: Option<PathBuf>,
    /// Where a temporary folder is made; where the system keeps such if none.
    #[serde(default)]
    pub temporary_in: Option<PathBuf>,
    /// Where jars are kept between runs; the user's cache folder if none.
    pub cache: Option<PathBuf>,
    /// How long all nodes together may take to start. Generous, as builds may share the two cores.
    pub start_within: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            kafka: KAFKA_DEFAULT.to_owned(),
            brokers: 3,
            roles: Roles::Separate,
            timing: Timing::Stock,
            access: Access::Open,
            settings: Vec::new(),
            disk: Disk::Folder,
            dir: None,
            temporary_in: None,
            cache: None,
            start_within: Duration::from_secs(180),
        }
    }
}

impl ClusterOptions {
    /// Gives the options of a cluster with tuned detection times and all else as usual.
    #[must_use]
    pub fn tuned() -> Self {
        Self { timing: Timing::Tuned, ..Self::default() }
    }

    /// Checks what can be checked before anything is started.
    ///
    /// Errors: [`LabError::Usage`] names the option and its limits.
    pub(crate) fn check(&self) -> Result<(), LabError> {
        if !(1..=BROKERS_MAX).contains(&self.brokers) {
            return Err(LabError::Usage(format!("{} brokers: the lab runs 1 to {BROKERS_MAX}", self.brokers)));
        }
        if let Some(line) = self.settings.iter().find(|line| !line.contains('=') || line.contains('\n')) {
            return Err(LabError::Usage(format!("{line:?} is no setting of Kafka: write it like KEY=VALUE")));
        }
        let digits_and_dots = |text: &str| text.split('.').all(|part| part.parse::<u16>().is_ok());
        if !digits_and_dots(&self.kafka) {
            return Err(LabError::Usage(format!(
                "{:?} is no Kafka release: write it like {KAFKA_DEFAULT}",
                self.kafka
            )));
        }
        Ok(())
    }
}

/// More brokers than this would need more loopback addresses than `settings` sets aside, and more memory than a test machine has.
const BROKERS_MAX: i32 = 12;

/// Whether a broker and a controller share a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Roles {
    /// Three controllers beside the brokers: a fault of a broker leaves the quorum alone.
    Separate,
    /// The first three nodes are broker and controller in one process.
    Combined,
}

/// How soon Kafka itself notices a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timing {
    /// Kafka's defaults: session 9 s, heartbeat 2 s, replica lag 30 s.
    Stock,
    /// What a brave operator sets: session 3 s, heartbeat 0.5 s, replica lag 5 s.
    Tuned,
}

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Access {
    /// Nobody asks.
    #[default]
    Open,
    /// Kafka's own authorizer asks; whatever no rule speaks of is allowed. Everybody is `User:ANONYMOUS`, Kafka's nodes included.
    ByRule,
}

/// What a broker's log folder lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Disk {
    /// A plain folder; its disk cannot be stalled.
    Folder,
    /// An ext4 file system on a loop device, which `DiskFreeze` freezes (`fsfreeze`: writers block at once). Needs root.
    Loop,
    /// An ext4 file system on a block device that `DiskStall` stops under the page cache (nbdkit behind nbdfuse). Needs root.
    Stallable,
}
