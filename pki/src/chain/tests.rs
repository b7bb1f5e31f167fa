//! The validator against the public suites and against our own bad certificates.
