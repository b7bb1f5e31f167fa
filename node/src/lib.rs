//! The desk of Trạm: what a node adds to a station. It takes documents from people and systems, signs,
//! stamps and seals them, opens and verifies what arrives, keeps the inbox, and answers for both.
//!
//! Doors (`door`, `screen`) know formats of requests and nothing of the store; they call `desk::Desk`.
//! Behind it, each step consumes the type before it: `intake` → `seal` → `outbox`, and `open` → `inbox`.

pub mod access;
mod acts;
mod agency;
mod answers;
mod arrivals;
mod arrived;
pub mod body;
pub mod check;
mod checks;
pub mod cli;
pub mod client;
mod compose;
pub mod config;
mod deadlines;
pub mod desk;
pub mod door;
pub mod evidence;
pub mod fault;
pub mod fold;
mod history;
mod house;
mod inbox;
mod intake;
mod life;
pub mod lint;
mod lookup;
mod mend;
mod open;
mod outbox;
mod packet;
mod proofs;
mod recall;
mod receipts;
mod renewal;
mod retire;
pub mod screen;
mod seal;
mod station;
mod store;
pub mod tram;
mod tsa;
pub mod view;
