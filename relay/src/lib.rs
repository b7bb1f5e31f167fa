//! The station of Trạm: take custody, remember, pass on.
//!
//! A station is one store-and-forward engine with a name, two certificates, one log and one store.
//! A relay is a station; a node is a station with a desk on top. The way of an envelope through it:
//!
//! ```text
//!  link::receive ─► accept ─► station::commit ─► store        (custody is answered after the commit)
//!                                   │
//!                  desk ◄─ local ───┴─── onward ─► forward ─► link::offer ─► next station
//!                                                     │
//!  receipts ◄── statements owed to the sender's station ┘
//! ```
//!
//! `node` uses [`authority`], [`station`], [`desk`], [`store`], [`directory`], [`config`], [`clock`],
//! [`evidence`], [`alarm`], [`backoff`], [`recall`]; the rest runs inside the station. Pure parts (route, link session,
//! backoff, quota, queue) know neither time nor I/O.

pub mod alarm;
pub mod authority;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod desk;
pub mod directory;
pub mod evidence;
pub mod quota;
pub mod recall;
pub mod route;
pub mod station;
pub mod store;
pub mod witness;

mod accept;
mod damage;
mod facts;
mod forward;
mod link;
mod ops;
mod own;
mod query;
mod receipts;
mod refusal;
mod signer;
mod testimony;
