//! Tests of the packet as a whole; each file names the behaviour it checks.
