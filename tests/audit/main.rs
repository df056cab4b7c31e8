//! The audit history from outside: the store in sled against kills, damage and a full disk, and its export against a
//! verifier in another language that was written from the documented rule alone.
#![cfg(test)]

mod damage;
mod export;
mod faults;
mod fixture;
mod kill;
#[path = "../common/skip.rs"]
mod skip;
mod store;
