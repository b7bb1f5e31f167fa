//! Tests that see the whole crate: fixed samples, golden vectors, properties.

mod events;
mod properties;
pub(crate) mod samples;
mod spec;
mod vectors;
