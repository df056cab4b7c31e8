//! The requests Tanist can make: key, versions, and whether each one only looks.
//!
//! Every version listed is a flexible one (header v2, answer header v1) except `ApiVersions`, whose answer header is
//! always v0.

use std::fmt;

/// A request of the Kafka protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// What the peer speaks; also the liveness ping.
    ApiVersions,
    /// Brokers, topics, leaders, ISR.
    Metadata,
    /// The same with the eligible leader replicas, paged (3.8+).
    DescribeTopicPartitions,
    /// Registered brokers, or controllers.
    DescribeCluster,
    /// Every replica's position in the metadata log.
    DescribeQuorum,
    /// Log end offsets.
    ListOffsets,
    /// Log directories, sizes, errors.
    DescribeLogDirs,
    /// Reassignments under way.
    ListPartitionReassignments,
    /// Settings of topics and brokers.
    DescribeConfigs,
    /// Reads records.
    Fetch,
    /// Reads a snapshot of the metadata log.
    FetchSnapshot,
    /// Appends records.
    Produce,
    /// Creates topics.
    CreateTopics,
    /// Deletes topics.
    DeleteTopics,
    /// Elects leaders.
    ElectLeaders,
    /// Changes replica lists.
    AlterPartitionReassignments,
    /// Changes settings of topics and brokers.
    IncrementalAlterConfigs,
    /// Drops a broker's registration.
    UnregisterBroker,
    /// A heartbeat in a broker's name: fences it.
    BrokerHeartbeat,
}

/// Whether a request can change Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// Reads only.
    Looks,
    /// Changes something.
    Changes,
}

/// What a connection may be used for; fixed when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Mutating requests are refused before a byte is sent.
    ReadOnly,
    /// Everything.
    ReadWrite,
}

/// An inclusive range of versions of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

impl Api {
    /// Every request, for tables and tests.
    pub const ALL: [Self; 19] = [
        Self::ApiVersions,
        Self::Metadata,
        Self::DescribeTopicPartitions,
        Self::DescribeCluster,
        Self::DescribeQuorum,
        Self::ListOffsets,
        Self::DescribeLogDirs,
        Self::ListPartitionReassignments,
        Self::DescribeConfigs,
        Self::Fetch,
        Self::FetchSnapshot,
        Self::Produce,
        Self::CreateTopics,
        Self::DeleteTopics,
        Self::ElectLeaders,
        Self::AlterPartitionReassignments,
        Self::IncrementalAlterConfigs,
        Self::UnregisterBroker,
        Self::BrokerHeartbeat,
    ];

    /// Gives Kafka's key, the versions we speak, and whether it only looks.
    ///
    /// Each range starts at a version of Kafka 3.7, the oldest we support, and ends where newer versions bring nothing
    /// that Tanist reads.
    fn row(self) -> (i16, i16, i16, Touch) {
        match self {
            Self::Produce => (0, 9, 9, Touch::Changes),
            // By topic id from 13 on; the metadata log cannot be read by name.
            Self::Fetch => (1, 13, 13, Touch::Looks),
            Self::ListOffsets => (2, 7, 7, Touch::Looks),
            Self::Metadata => (3, 12, 12, Touch::Looks),
            Self::ApiVersions => (18, 0, 3, Touch::Looks),
            Self::CreateTopics => (19, 7, 7, Touch::Changes),
            Self::DeleteTopics => (20, 6, 6, Touch::Changes),
            Self::DescribeConfigs => (32, 4, 4, Touch::Looks),
            // 5 (Kafka 4.3) tells which are cordoned.
            Self::DescribeLogDirs => (35, 4, 5, Touch::Looks),
            Self::ElectLeaders => (43, 2, 2, Touch::Changes),
            Self::IncrementalAlterConfigs => (44, 1, 1, Touch::Changes),
            // 1 (Kafka 4.1) can forbid a change of the replication factor.
            Self::AlterPartitionReassignments => (45, 0, 1, Touch::Changes),
            Self::ListPartitionReassignments => (46, 0, 0, Touch::Looks),
            // 1 brought the fetch times, 2 the addresses of the controllers.
            Self::DescribeQuorum => (55, 1, 2, Touch::Looks),
            Self::FetchSnapshot => (59, 0, 0, Touch::Looks),
            // 1 brought the controllers, 2 (Kafka 4.0) the fenced brokers.
            Self::DescribeCluster => (60, 1, 2, Touch::Looks),
            Self::BrokerHeartbeat => (63, 0, 0, Touch::Changes),
            Self::UnregisterBroker => (64, 0, 0, Touch::Changes),
            Self::DescribeTopicPartitions => (75, 0, 0, Touch::Looks),
        }
    }

    /// Gives Kafka's number for the request.
    #[must_use]
    pub fn key(self) -> i16 {
        self.row().0
    }

    /// Gives the versions Tanist speaks.
    #[must_use]
    pub fn versions(self) -> Versions {
        let (_, min, max, _) = self.row();
        Versions { min, max }
    }

    /// Says whether the request can change Kafka.
    #[must_use]
    pub fn touch(self) -> Touch {
        self.row().3
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Rights {
    /// Says whether a request may go out.
    #[must_use]
    pub fn permit(self, api: Api) -> bool {
        match (self, api.touch()) {
            (Self::ReadOnly, Touch::Changes) => false,
            (Self::ReadOnly, Touch::Looks) | (Self::ReadWrite, Touch::Looks | Touch::Changes) => true,
        }
    }
}
