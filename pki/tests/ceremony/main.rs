//! Whole ceremonies by the program itself, with OpenSSL and SoftHSM2 on the other end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests"
)]

mod files;
mod hall;
mod online;
mod stopped;
#[cfg(feature = "pkcs11")]
mod tokens;
