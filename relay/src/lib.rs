//! relay

pub mod clock;
pub mod evidence;
pub mod store;
