//! Tests of the packet as a whole; each file names the behaviour it checks.

mod attachments;
mod contents;
mod dialects;
mod golden;
mod hostile;
mod ladder;
mod names;
mod round_trip;
mod rules;
mod samples;
mod table;
mod xmllint;
mod zipped;
