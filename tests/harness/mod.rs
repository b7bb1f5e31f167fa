//! The harness of Trạm's tests: real processes of the product on loopback, realistic packets, a DMS's client.
//!
//! Everything that tests, demo and benchmark share stands here; it runs the product's own binaries and never
//! reaches into their memory. See [`world::World`] for the beginning.

#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "a harness fails by panic; the modules say what they are for"
)]

#[cfg(feature = "browser")]
pub mod browser;
pub mod client;
pub mod office;
pub mod process;
pub mod samples;
pub mod world;
