//! What runs at the authority only: servers, behind feature `authority`.
//!
//! Owns: nothing but its parts. Everything else of the crate opens no socket.

pub mod tsa;
