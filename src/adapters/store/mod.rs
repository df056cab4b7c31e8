//! The disk: redb for what Raft and decisions need, sled for the audit history.

pub mod audit;
pub mod redb_log;
