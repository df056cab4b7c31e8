//! Kafka's error codes, as far as Tanist tells them apart.
//!
//! The numbers die here: above the wire a code is a name, and an unknown one keeps its number.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $kafka:literal;)*) => {
        /// A Kafka error code other than `NONE`.
        ///
        /// Source: `org.apache.kafka.common.protocol.Errors`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// A code that Tanist does not tell apart.
            Other(i16),
        }

        impl ErrorCode {
            /// Reads a code from the wire; 0 is no error.
            #[must_use]
            pub fn from_wire(code: i16) -> Option<Self> {
                match code {
                    0 => None,
                    $($code => Some(Self::$name),)*
                    other => Some(Self::Other(other)),
                }
            }

            /// Gives the number Kafka uses.
            #[must_use]
            pub fn number(self) -> i16 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// Gives Kafka's own name, or `UNNAMED`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $kafka,)*
                    Self::Other(_) => "UNNAMED",
                }
            }
        }
    };
}

error_codes! {
    /// The broker itself does not know what went wrong.
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR";
    /// The fetch offset lies outside the log.
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE";
    /// A record failed its checksum.
    CorruptMessage = 2, "CORRUPT_MESSAGE";
    /// No such topic or partition on this broker.
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION";
    /// The partition has no leader now.
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE";
    /// This broker does not lead, or does not host, the partition.
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER";
    /// The broker gave up waiting, for example for the in-sync replicas.
    RequestTimedOut = 7, "REQUEST_TIMED_OUT";
    /// The broker does not host the replica.
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE";
    /// The record is larger than the topic allows.
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE";
    /// Fewer replicas in sync than min.insync.replicas; nothing was appended.
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS";
    /// Appended, but the in-sync replicas fell below the minimum.
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND";
    /// No right on this topic.
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED";
    /// No right on this group.
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED";
    /// No right on the cluster.
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED";
    /// The version is not one the broker speaks.
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION";
    /// The topic is there already.
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS";
    /// Fewer than one partition.
    InvalidPartitions = 37, "INVALID_PARTITIONS";
    /// The replication factor cannot be had, or may not change.
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR";
    /// The replica list names an unregistered broker or repeats one.
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT";
    /// A setting is not valid.
    InvalidConfig = 40, "INVALID_CONFIG";
    /// This controller is not the active one.
    NotController = 41, "NOT_CONTROLLER";
    /// The request contradicts itself.
    InvalidRequest = 42, "INVALID_REQUEST";
    /// A policy of the cluster forbids it; also more than 10,000 resulting records.
    PolicyViolation = 44, "POLICY_VIOLATION";
    /// The log directory cannot be read.
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR";
    /// Authentication failed.
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED";
    /// A reassignment is in the way.
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS";
    /// The leader lacks the listener that was asked.
    ListenerNotFound = 72, "LISTENER_NOT_FOUND";
    /// The caller's leader epoch is older than the broker's.
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH";
    /// The caller's leader epoch is newer than the broker's.
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH";
    /// The broker epoch is not the current incarnation's.
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH";
    /// The preferred replica may not lead now.
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE";
    /// No replica may lead.
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE";
    /// The partition is led as asked already.
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED";
    /// Nothing is being reassigned.
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS";
    /// The producer's record is not acceptable.
    InvalidRecord = 87, "INVALID_RECORD";
    /// No snapshot of that name.
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND";
    /// The position lies outside the snapshot.
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE";
    /// No topic has that id.
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID";
    /// The broker's previous incarnation still holds a session.
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION";
    /// No such broker is registered.
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED";
    /// The topic's name now belongs to another topic id.
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID";
    /// Another cluster.
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID";
    /// The replica may not be in the ISR.
    IneligibleReplica = 107, "INELIGIBLE_REPLICA";
    /// The wrong kind of endpoint was asked.
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE";
    /// That kind of endpoint is not known.
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE";
}

impl ErrorCode {
    /// Says whether the peer refused for want of a right.
    #[must_use]
    pub fn is_denial(self) -> bool {
        self == Self::TopicAuthorizationFailed
            || self == Self::GroupAuthorizationFailed
            || self == Self::ClusterAuthorizationFailed
            || self == Self::SaslAuthenticationFailed
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}
