//! Gathers the proof package of a document and checks one.
pub mod verify;
