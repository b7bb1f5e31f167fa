//! Tests of the working calendar and the clocks on it.

mod calendar;
mod course;
mod lunar;

use super::{Calendar, Days};
use crate::edxml::Date;
use crate::time::Timestamp;

fn day(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}

fn at(date: Date, hour: i64, minute: i64) -> Timestamp {
    date.at_vietnam_ms((hour * 60 + minute) * 60_000)
}

/// The last millisecond of a day.
fn end_of(date: Date) -> Timestamp {
    date.plus_days(1).unwrap().at_vietnam_ms(-1)
}

fn with(lines: &str) -> Calendar {
    Calendar::built_in().with(&Days::parse(lines).unwrap())
}
