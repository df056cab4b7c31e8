//! RAFT without network or disk: a peer over raft-rs whose sending and persisting are effects.
