//! Stations on loopback: real QUIC, real SQLite, a throwaway PKI made with pki's library. Two kinds
//! of story: whole stations among themselves (`flow`), and a hand-made peer that speaks frames
//! itself and breaks the rules (`peer`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests"
)]
#![allow(clippy::too_many_lines, reason = "a table of cases is one thing")]
#![allow(missing_docs, unreachable_pub, reason = "tests")]

mod authority;
mod clock;
mod day;
mod enrolling;
mod flow;
mod heads;
mod letter;
mod peer;
mod promises;
mod pulling;
mod queries;
mod recalls;
mod records;
mod renewing;
mod replays;
mod rules;
mod signers;
mod standin;
mod tiles;
mod windows;
mod witness;
mod world;
