//! The desk from submission to proof: two nodes in this process, real stations on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "test helpers"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test program")]

mod acts;
mod archive;
mod attachments;
mod directory;
mod evidence;
mod evidenced;
mod foreign;
mod forged;
mod keeping;
mod mutations;
mod promises;
mod proof;
mod public;
mod receipts;
mod rotation;
mod story;
mod windows;
mod world;
mod years;
