//! Legal deadlines on the Vietnamese working calendar, UTC+07:00 [edxml-model 4.4].
//!
//! Three parts: the calendar as a text that an operator extends (`days`), the working days that
//! follow from it (`calendar`), and the clocks of one document on its way to one receiver
//! (`clock`, `course`). Pure: the caller gives the calendar and `now`. Fails only where a text is
//! not a calendar ([`LineFault`]). Must not know: the clock on the wall, files, the ledger.

mod calendar;
mod clock;
mod course;
mod days;

#[cfg(test)]
mod tests;

pub use calendar::{Calendar, arrival_alarm};
pub use clock::{Clock, Deadline, Side, Standing, next_due, order, standing_of};
pub use course::Course;
pub use days::{DayKind, DayLine, Days, LineFault};
