//! THE OUTSIDE: one folder per neighbour. Adapters own their option structs and never see `config` or `surface`.

pub mod clock;
pub mod kafka;
pub mod ledger;
pub mod llm_adviser;
pub mod peers;
pub mod store;
