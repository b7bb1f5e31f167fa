//! The desk from submission to proof: two nodes in this process, real stations on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "test helpers"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test program")]

mod acts;
mod attachments;
mod directory;
mod evidence;
mod forged;
mod promises;
mod receipts;
mod rotation;
#[path = "../../../relay/tests/station/standin.rs"]
#[allow(dead_code, reason = "the stories of stations use the rest of it")]
mod standin;
mod story;
mod windows;
mod world;
