//! The store's contract: what is answered is durable, proven and whole; what is not is not there.

mod contract;
mod evidence;
mod faults;
mod files;
mod recovery;
mod stampers;
mod stamping;
mod telling;
mod withdraw;
mod world;
