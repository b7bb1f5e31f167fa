//! The clocks of one document: which run, what stops them, where they stand, which comes first.

use super::super::{
    Calendar, Clock, Course, Deadline, Side, Standing, next_due, order, standing_of,
};
use super::{at, day, end_of};
use crate::edxml::StatusCode;
use crate::header::Priority;
use crate::time::Timestamp;

const MINUTE: i64 = 60_000;

/// A document that went the whole way on Wednesday 14 and Thursday 15 January 2026.
fn finished() -> Course {
    let wednesday = day(2026, 1, 14);
    Course {
        signed: Some(at(wednesday, 8, 0)),
        issued: Some(wednesday),
        handed_in: Some(at(wednesday, 8, 30)),
        sent: Some(at(wednesday, 8, 31)),
        arrived: Some(at(wednesday, 8, 32)),
        accepted: Some(at(wednesday, 14, 0)),
        assigned: Some(at(day(2026, 1, 15), 9, 0)),
        in_progress: Some(at(day(2026, 1, 15), 9, 30)),
        completed: Some(at(day(2026, 1, 20), 16, 0)),
        due_date: Some(day(2026, 1, 20)),
        ..Course::default()
    }
}

fn sender(course: &Course, now: Timestamp) -> Vec<Deadline> {
    course.deadlines(Side::Sender, now, &Calendar::built_in())
}

fn of(deadlines: &[Deadline], clock: Clock) -> Deadline {
    *deadlines.iter().find(|d| d.clock == clock).unwrap()
}

fn standing(course: &Course, clock: Clock, now: Timestamp) -> Standing {
    of(&sender(course, now), clock).standing
}

#[test]
fn each_side_sees_its_clocks() {
    let course = Course {
        asked: Some(at(day(2026, 1, 21), 9, 0)),
        ..finished()
    };
    let now = at(day(2026, 1, 21), 10, 0);
    let clocks = |side| -> Vec<Clock> {
        let list = course.deadlines(side, now, &Calendar::built_in());
        list.iter().map(|d| d.clock).collect()
    };
    assert_eq!(clocks(Side::Sender), Clock::ALL);
    assert_eq!(clocks(Side::Receiver), Clock::ALL[2..]);
    assert_eq!(clocks(Side::Receiver)[0].owed_by(), Side::Receiver);
    let list = sender(&course, now);
    assert!(
        list[..5].iter().all(|d| d.standing == Standing::Met),
        "{list:#?}"
    );
    assert_eq!(list[5].standing, Standing::Open);
    assert_eq!(of(&list, Clock::Send).due, at(day(2026, 1, 15), 12, 0));
    assert_eq!(of(&list, Clock::Arrive).due, at(day(2026, 1, 14), 8, 46));
    assert_eq!(of(&list, Clock::Accept).due, end_of(day(2026, 1, 14)));
    assert_eq!(of(&list, Clock::Assign).due, end_of(day(2026, 1, 15)));
    assert_eq!(of(&list, Clock::Complete).due, end_of(day(2026, 1, 20)));
    assert_eq!(of(&list, Clock::Answer).due, end_of(day(2026, 1, 22)));
}

#[test]
fn a_clock_is_open_then_soon_then_overdue_and_keeps_being_late() {
    let course = Course {
        sent: None,
        handed_in: None,
        ..finished()
    };
    let course = Course {
        arrived: None,
        accepted: None,
        ..course
    };
    let noon = at(day(2026, 1, 15), 12, 0);
    let send = |now| standing(&course, Clock::Send, now);
    // 28 hours; the last quarter begins seven hours before noon.
    assert_eq!(send(noon.minus_ms(7 * 60 * MINUTE + 1)), Standing::Open);
    assert_eq!(send(noon.minus_ms(7 * 60 * MINUTE)), Standing::DueSoon);
    assert_eq!(send(noon), Standing::DueSoon, "the limit itself is in time");
    assert_eq!(send(noon.plus_ms(1)), Standing::Overdue);
    let late = Course {
        sent: Some(noon.plus_ms(1)),
        ..course
    };
    assert_eq!(
        standing(&late, Clock::Send, noon.plus_ms(2)),
        Standing::MetLate
    );
    let last = Course {
        sent: Some(noon),
        ..course
    };
    assert_eq!(standing(&last, Clock::Send, noon.plus_ms(2)), Standing::Met);
}

#[test]
fn the_end_of_a_day_warns_while_people_are_there() {
    let arrived = at(day(2026, 1, 14), 9, 0);
    let course = Course {
        arrived: Some(arrived),
        ..Course::default()
    };
    let three = at(day(2026, 1, 14), 15, 0);
    let accept = |now| standing(&course, Clock::Accept, now);
    assert_eq!(accept(three.minus_ms(1)), Standing::Open);
    assert_eq!(accept(three), Standing::DueSoon);
    assert_eq!(accept(end_of(day(2026, 1, 14))), Standing::DueSoon);
    assert_eq!(accept(at(day(2026, 1, 15), 0, 0)), Standing::Overdue);
    // What comes in the evening is due soon at once, never before it came.
    let evening = at(day(2026, 1, 14), 23, 59);
    let late = Course {
        arrived: Some(evening),
        ..Course::default()
    };
    assert_eq!(of(&sender(&late, evening), Clock::Accept).soon, evening);
    // A due date in a month: three days ahead, not a week.
    let month = Course {
        due_date: Some(day(2026, 2, 14)),
        ..course
    };
    let complete = of(&sender(&month, arrived), Clock::Complete);
    assert_eq!(complete.due.minus(complete.soon), 72 * 60 * MINUTE);
}

#[test]
fn urgent_documents_are_measured_in_minutes() {
    let signed = at(day(2026, 1, 16), 22, 0);
    let course = Course {
        priority: Priority::Immediate,
        signed: Some(signed),
        issued: Some(day(2026, 1, 16)),
        ..Course::default()
    };
    assert_eq!(
        of(&sender(&course, signed), Clock::Send).due,
        signed.plus_ms(30 * MINUTE)
    );
    // A bare date cannot tell "at once"; the hand-in can.
    let dated = Course {
        signed: None,
        ..course
    };
    assert_eq!(sender(&dated, signed), []);
    let handed = Course {
        handed_in: Some(signed),
        ..dated
    };
    assert_eq!(of(&sender(&handed, signed), Clock::Send).since, signed);
    // Nothing was counted in days: no calendar can make it uncertain.
    let list = handed.deadlines(Side::Sender, signed, &Calendar::weekends());
    assert!(list.iter().all(|d| d.certain));
}

#[test]
fn a_date_stands_in_for_the_signing_time() {
    let course = Course {
        issued: Some(day(2026, 1, 14)),
        ..Course::default()
    };
    let send = of(&sender(&course, at(day(2026, 1, 14), 9, 0)), Clock::Send);
    assert_eq!(
        (send.since, send.due),
        (at(day(2026, 1, 14), 0, 0), at(day(2026, 1, 15), 12, 0))
    );
}

#[test]
fn refusal_ends_the_clocks_of_the_work() {
    let refused = at(day(2026, 1, 14), 10, 0);
    let course = Course {
        refused: Some(refused),
        accepted: None,
        assigned: None,
        in_progress: None,
        completed: None,
        ..finished()
    };
    let list = sender(&course, at(day(2026, 2, 1), 0, 0));
    let clocks: Vec<Clock> = list.iter().map(|d| d.clock).collect();
    assert_eq!(clocks, [Clock::Send, Clock::Arrive, Clock::Accept]);
    assert_eq!(list[2].met_at, Some(refused));
    assert_eq!(standing_of(&list), Some(Standing::Met));
    assert_eq!(next_due(&list), None);
}

#[test]
fn steps_that_were_not_reported_are_covered_by_later_ones() {
    // No 01, no 04: the system of the receiver reports 03 and 06 only.
    let course = Course {
        arrived: None,
        assigned: None,
        in_progress: None,
        ..finished()
    };
    let list = sender(&course, at(day(2026, 1, 21), 9, 0));
    assert_eq!(of(&list, Clock::Arrive).met_at, course.accepted);
    assert_eq!(of(&list, Clock::Arrive).standing, Standing::MetLate);
    assert_eq!(of(&list, Clock::Accept).since, course.sent.unwrap());
    assert_eq!(of(&list, Clock::Assign).met_at, course.completed);
    // 06 alone accepts as well.
    let done = Course {
        accepted: None,
        ..course
    };
    assert_eq!(
        of(&sender(&done, at(day(2026, 1, 21), 9, 0)), Clock::Accept).met_at,
        done.completed
    );
}

#[test]
fn what_ended_otherwise_owes_nothing() {
    let sent = at(day(2026, 1, 14), 8, 0);
    let asked = at(day(2026, 1, 15), 9, 0);
    let course = Course {
        sent: Some(sent),
        arrived: Some(sent),
        asked: Some(asked),
        ..Course::default()
    };
    let now = at(day(2026, 1, 20), 9, 0);
    assert_eq!(standing_of(&sender(&course, now)), Some(Standing::Overdue));
    let withdrawn = Course {
        answered: Some(asked.plus_ms(MINUTE)),
        ended: Some(asked.plus_ms(MINUTE)),
        ..course
    };
    let list = sender(&withdrawn, now);
    let clocks: Vec<Clock> = list.iter().map(|d| d.clock).collect();
    assert_eq!(clocks, [Clock::Arrive, Clock::Answer]);
    assert_eq!(next_due(&list), None);
}

#[test]
fn a_due_date_in_the_past_is_overdue_at_once_and_never_before_its_start() {
    let arrived = at(day(2026, 1, 14), 9, 0);
    let course = Course {
        arrived: Some(arrived),
        due_date: Some(day(2026, 1, 1)),
        ..Course::default()
    };
    let complete = of(&sender(&course, arrived), Clock::Complete);
    assert_eq!(complete.standing, Standing::Overdue);
    assert_eq!(complete.since, complete.due);
}

/// Nobody is called late by a calendar that is not complete.
#[test]
fn days_beyond_the_list_are_uncertain() {
    let arrived = at(day(2027, 1, 20), 9, 0);
    let course = Course {
        arrived: Some(arrived),
        ..Course::default()
    };
    let late = at(day(2027, 2, 20), 9, 0);
    let accept = of(&sender(&course, late), Clock::Accept);
    assert_eq!(
        (accept.standing, accept.certain),
        (Standing::Uncertain, false)
    );
    assert!(accept.is_owed());
    let answered = |when| {
        of(
            &sender(
                &Course {
                    refused: Some(when),
                    ..course
                },
                late,
            ),
            Clock::Accept,
        )
    };
    assert_eq!(answered(arrived.plus_ms(1)).standing, Standing::Met);
    let after = answered(at(day(2027, 1, 25), 9, 0));
    assert_eq!(after.standing, Standing::Uncertain);
    assert!(!after.is_owed(), "it was answered");
    // Due dates are dates: no calendar decides them.
    let dated = Course {
        due_date: Some(day(2027, 1, 30)),
        ..course
    };
    assert_eq!(standing(&dated, Clock::Complete, late), Standing::Overdue);
}

#[test]
fn rows_sort_with_the_most_urgent_first() {
    let now = at(day(2026, 1, 14), 16, 0);
    let arrived = |at: Timestamp| Course {
        arrived: Some(at),
        ..Course::default()
    };
    let rows = [
        ("older overdue", arrived(at(day(2026, 1, 12), 9, 0))),
        ("overdue", arrived(at(day(2026, 1, 13), 9, 0))),
        ("today", arrived(at(day(2026, 1, 14), 9, 0))),
        (
            "later",
            Course {
                due_date: Some(day(2026, 3, 1)),
                refused: None,
                accepted: Some(now),
                assigned: Some(now),
                ..arrived(now)
            },
        ),
        ("unknown", arrived(at(day(2023, 6, 1), 9, 0))),
        ("done", finished()),
    ];
    let mut sorted: Vec<(&str, Vec<Deadline>)> = rows
        .iter()
        .rev()
        .map(|(name, course)| (*name, sender(course, now)))
        .collect();
    sorted.sort_by_key(|(_, list)| order(list));
    let names: Vec<&str> = sorted.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "older overdue",
            "overdue",
            "today",
            "later",
            "unknown",
            "done"
        ]
    );
    assert_eq!(order(&[]), (u8::MAX, i64::MAX));
    assert_eq!(standing_of(&[]), None);
}

#[test]
fn every_clock_and_standing_has_its_words() {
    for clock in Clock::ALL {
        for text in [
            clock.code(),
            clock.vi(),
            clock.en(),
            clock.law_vi(),
            clock.law_en(),
        ] {
            assert!(!text.is_empty());
        }
    }
    let standings = [
        Standing::Overdue,
        Standing::DueSoon,
        Standing::Open,
        Standing::Uncertain,
        Standing::MetLate,
        Standing::Met,
    ];
    let mut codes = standings.map(Standing::code).to_vec();
    codes.extend(Clock::ALL.map(Clock::code));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 12);
    assert!(
        standings
            .iter()
            .all(|s| !s.vi().is_empty() && !s.en().is_empty())
    );
}

/// Statuses told in any order and twice give the same course; a new request waits for a new answer.
#[test]
fn a_course_is_made_from_statuses() {
    let told = [
        (StatusCode::Arrived, finished().arrived),
        (StatusCode::Accepted, finished().accepted),
        (StatusCode::Assigned, finished().assigned),
        (StatusCode::InProgress, finished().in_progress),
        (StatusCode::Completed, finished().completed),
    ];
    let blank = Course {
        arrived: None,
        accepted: None,
        assigned: None,
        in_progress: None,
        completed: None,
        ..finished()
    };
    let mut forwards = blank;
    let mut backwards = blank;
    for (code, at) in &told {
        forwards.note(code, at.unwrap());
        forwards.note(code, at.unwrap().plus_ms(MINUTE));
    }
    for (code, at) in told.iter().rev() {
        backwards.note(code, at.unwrap().plus_ms(MINUTE));
        backwards.note(code, at.unwrap());
    }
    assert_eq!((forwards, backwards), (finished(), finished()));
    forwards.note(
        &StatusCode::Other("14".to_owned()),
        at(day(2026, 1, 1), 0, 0),
    );
    assert_eq!(forwards, finished());

    let (asked, answered) = (at(day(2026, 1, 21), 9, 0), at(day(2026, 1, 21), 15, 0));
    let mut course = finished();
    course.note(&StatusCode::TakeBack, asked);
    course.note(&StatusCode::Declined, answered);
    course.note(&StatusCode::TakeBack, asked);
    assert_eq!(
        (course.asked, course.answered),
        (Some(asked), Some(answered))
    );
    course.ask(answered.plus_ms(MINUTE));
    assert_eq!(course.answered, None);
    course.note(&StatusCode::Agreed, answered.plus_ms(2 * MINUTE));
    assert_eq!(course.answered, Some(answered.plus_ms(2 * MINUTE)));
}
