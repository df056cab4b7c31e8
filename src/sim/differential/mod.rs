//! THE DIFFERENTIAL SUITE: one table of state x action, played on real Kafka and on the model of it, and compared.
//!
//! Only what both sides share is here: the table, its scripts, what is read after each step and how it is written down and
//! compared. Reality is played by `lab::differential` into `tests/differential/*.ndjson`; `tests/differential` plays the model.
//!
//! Reading order: `state`, `action`, `table` - `active`, `blow`, `deed`, `script` - `reading`, `recorder`, `recording` - `compare`,
//! `allowance`.

pub mod action;
pub mod active;
pub mod allowance;
pub mod blow;
pub mod compare;
pub mod deed;
pub mod reading;
pub mod recorder;
pub mod recording;
pub mod script;
pub mod state;
pub mod table;

pub use action::{Action, Company};
pub use active::Active;
pub use blow::Blow;
pub use deed::Deed;
pub use recorder::Recorder;
pub use recording::{Class, Line, Noted, Recording, Stage};
pub use script::{Batch, Order, Until};
pub use state::{Ground, State};
