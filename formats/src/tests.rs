//! Tests that see the whole crate: fixed samples, golden vectors, properties.

pub(crate) mod samples;
