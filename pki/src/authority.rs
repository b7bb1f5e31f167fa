//! What runs at the authority only: its database and servers, behind feature `authority`.
//!
//! Owns: nothing but its parts. Everything else of the crate opens no socket and no database.

mod api;
pub mod approvals;
pub mod audit;
pub mod backup;
pub mod clock_guard;
mod db;
pub mod enrolment;
pub mod entitled;
mod est;
pub mod folder;
pub mod foreign;
pub mod grants;
pub mod inventory;
mod listener;
pub mod log;
pub mod monitor;
pub mod office;
mod own;
pub mod public;
pub mod published;
mod refusal;
pub mod server;
pub mod service;
mod settings;
mod trust;
pub mod tsa;

pub use db::DbError;
