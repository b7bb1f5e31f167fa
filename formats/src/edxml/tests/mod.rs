//! Tests of the packet as a whole; each file names the behaviour it checks.

mod attachments;
mod dialects;
mod hostile;
mod ladder;
mod round_trip;
mod rules;
mod samples;
mod xmllint;
mod zipped;
