//! Kafka's error codes, as far as the model gives them out.
//!
//! Deliberately not the adapters' list: this floor sees no adapter. The numbers are what a recording compares.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $kafka:literal;)*) => {
        /// An error code other than `NONE`.
        ///
        /// Source: `org.apache.kafka.common.protocol.Errors`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code that the model knows.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Gives the number that Kafka uses.
            #[must_use]
            pub fn number(self) -> i16 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// Gives Kafka's own name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $kafka,)*
                }
            }
        }
    };
}

codes! {
    /// The server itself does not know what went wrong.
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR";
    /// The fetch offset lies outside the log.
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE";
    /// No such topic or partition.
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION";
    /// This broker does not lead, or does not host, the partition; or this controller is not the active one.
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER";
    /// The server gave up waiting; what was asked may have had its effect.
    RequestTimedOut = 7, "REQUEST_TIMED_OUT";
    /// Fewer replicas in sync than the minimum; nothing was appended.
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS";
    /// Appended, but the in-sync replicas fell below the minimum.
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND";
    /// No right on this topic.
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED";
    /// No right on the cluster.
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED";
    /// The version is not one that is spoken here.
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION";
    /// The topic is there already.
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS";
    /// Fewer than one partition.
    InvalidPartitions = 37, "INVALID_PARTITIONS";
    /// The replication factor cannot be had, or may not change.
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR";
    /// The replica list names an unregistered broker, repeats one or is empty.
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT";
    /// A setting is not valid.
    InvalidConfig = 40, "INVALID_CONFIG";
    /// This controller is not the active one.
    NotController = 41, "NOT_CONTROLLER";
    /// The request contradicts itself.
    InvalidRequest = 42, "INVALID_REQUEST";
    /// More resulting records than one request may have.
    PolicyViolation = 44, "POLICY_VIOLATION";
    /// The log directory cannot be read or written.
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR";
    /// The asker knows an older leader of the partition.
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH";
    /// The asker knows a newer leader of the partition than the broker does.
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
    /// No topic has that id.
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID";
    /// The broker's previous incarnation still holds a session.
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION";
    /// No such broker is registered.
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}
