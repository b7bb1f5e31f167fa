//! The text form, the built-in list, an operator's list over it, and the limits counted on it.

use unicode_normalization::UnicodeNormalization as _;

use super::super::{Calendar, DayKind, Days};
use super::{at, day, end_of, with};
use crate::edxml::Date;
use crate::header::Priority;

/// All days of the built-in years.
fn every_day() -> impl Iterator<Item = Date> {
    let (first, last) = (day(2024, 1, 1), day(2030, 12, 31));
    (first.days()..=last.days()).map(|days| Date::from_days(days).unwrap())
}

/// Days off on weekdays of one year, as `MM-dd`.
fn weekdays_off(calendar: &Calendar, year: u16) -> String {
    let off =
        |date: &Date| date.year() == year && date.weekday() < 5 && !calendar.is_working(*date);
    let names: Vec<String> = every_day()
        .filter(off)
        .map(|date| date.iso().split_off(5))
        .collect();
    names.join(" ")
}

/// The blocks that the government announced for these years, weekends left out.
#[test]
fn the_built_in_years_are_those_that_were_announced() {
    let calendar = Calendar::built_in();
    for (year, off, worked) in [
        (
            2024,
            "01-01 02-08 02-09 02-12 02-13 02-14 04-18 04-29 04-30 05-01 09-02 09-03",
            day(2024, 5, 4),
        ),
        (
            2025,
            "01-01 01-27 01-28 01-29 01-30 01-31 04-07 04-30 05-01 05-02 09-01 09-02",
            day(2025, 4, 26),
        ),
        (
            2026,
            "01-01 01-02 02-16 02-17 02-18 02-19 02-20 04-27 04-30 05-01 08-31 09-01 09-02",
            day(2026, 1, 10),
        ),
    ] {
        assert_eq!(weekdays_off(&calendar, year), off);
        assert!(calendar.is_working(worked), "{worked} is a worked weekend");
    }
    // Expected years: holidays on weekends move to the next working day.
    let off = "01-01 02-05 02-08 02-09 02-10 02-11 04-16 04-30 05-03 09-02 09-03";
    assert_eq!(weekdays_off(&calendar, 2027), off);
    assert_eq!(
        calendar.name_of(day(2026, 4, 27)).as_deref(),
        Some("nghỉ bù Giỗ Tổ Hùng Vương")
    );
    assert_eq!(
        calendar.name_of(day(2026, 2, 17)).as_deref(),
        Some("Tết Nguyên đán Bính Ngọ")
    );
    assert_eq!(calendar.name_of(day(2026, 2, 24)), None);
    assert_eq!(calendar.known_until(), Some(day(2026, 12, 31)));
}

#[test]
fn special_days_are_listed_for_people() {
    let calendar = Calendar::built_in();
    let listed = calendar.special_days(day(2026, 4, 20), day(2026, 5, 10));
    let listed: Vec<String> = listed
        .into_iter()
        .map(|(day, worked, name)| format!("{} {worked} {name}", day.iso()))
        .collect();
    assert_eq!(
        listed,
        [
            "2026-04-26 false Giỗ Tổ Hùng Vương",
            "2026-04-27 false nghỉ bù Giỗ Tổ Hùng Vương",
            "2026-04-30 false Ngày Chiến thắng",
            "2026-05-01 false Ngày Quốc tế lao động",
        ]
    );
    let whole = calendar.special_days(day(2024, 1, 1), day(2030, 12, 31));
    assert!(
        whole.iter().all(|(day, ..)| day.year() <= 2025),
        "a year at most"
    );
    assert!(Days::parse(Calendar::built_in_text()).is_ok());
}

/// Two holidays on one weekend move to two days; a worked weekend day takes none.
#[test]
fn holidays_on_weekends_are_compensated_one_by_one() {
    let calendar = Calendar::weekends().with(
        &Days::parse(
            "2023-04-29 ngày lễ Giỗ Tổ\n2023-04-30..2023-05-01 holiday\n2023-05-03 làm việc",
        )
        .unwrap(),
    );
    assert!(!calendar.is_working(day(2023, 5, 2)));
    assert!(calendar.is_working(day(2023, 5, 3)), "the list says so");
    assert!(!calendar.is_working(day(2023, 5, 4)));
    assert!(calendar.is_working(day(2023, 5, 5)));
}

/// An announced block copied whole, weekends included, replaces the expected days and brings no
/// compensation of its own.
#[test]
fn the_operators_list_wins_day_by_day() {
    let calendar = with(
        "biết 2027-01-01..2027-12-31\n\
         2027-02-04..2027-02-10 nghỉ Tết Đinh Mùi\n\
         2027-02-20 làm bù\n\
         2027-09-03 làm việc\n\
         2027-09-01 nghỉ",
    );
    let off = "01-01 02-04 02-05 02-08 02-09 02-10 04-16 04-30 05-03 09-01 09-02";
    assert_eq!(weekdays_off(&calendar, 2027), off);
    assert!(calendar.is_working(day(2027, 2, 20)));
    assert_eq!(calendar.known(), Some((day(2024, 1, 1), day(2027, 12, 31))));
    // Nothing about other years was lost.
    let ours = weekdays_off(&Calendar::built_in(), 2026);
    assert_eq!(weekdays_off(&calendar, 2026), ours);
}

#[test]
fn a_list_is_read_with_comments_both_languages_and_any_form_of_vietnamese() {
    let text = "\u{feff}# đầu tệp\r\n\r\n  16/02/2026..20/02/2026   nghỉ  Tết # ghi chú\r\n\
                2026-03-07 WORK\r\n2026/03/10 Ngày Lễ A\n2026-03-12 chưa rõ\n2026-03-13 off B";
    let read = Days::parse(text).unwrap();
    assert_eq!(Days::parse(&text.nfd().collect::<String>()).unwrap(), read);
    assert_eq!(read.days.len(), 9);
    let line = |d: Date| (read.days[&d].kind, read.days[&d].name.as_str());
    assert_eq!(line(day(2026, 2, 18)), (DayKind::Off, "Tết"));
    assert_eq!(line(day(2026, 3, 7)), (DayKind::Work, ""));
    assert_eq!(line(day(2026, 3, 10)), (DayKind::Holiday, "A"));
    assert_eq!(line(day(2026, 3, 12)), (DayKind::Unsettled, ""));
    assert_eq!(line(day(2026, 3, 13)), (DayKind::Off, "B"));
    assert_eq!(Days::parse("").unwrap(), Days::default());
}

#[test]
fn every_wrong_line_is_named_with_its_number_in_both_languages() {
    let text = "2026-02-30 nghỉ\n\
                2026-02-16 nghỉ\n\
                2026-02-20..2026-02-10 nghỉ\n\
                2026-02-15..2026-02-17 nghỉ\n\
                2026-03-01\n\
                2026-03-01 nghỉxyz\n\
                hôm nay nghỉ\n\
                2026-01-01..2027-01-02 nghỉ\n\
                biết mãi\n\
                known 2026-01-01..2026-12-31\n\
                biết 2026-01-01..2026-12-31\n\
                20/11/25 nghỉ";
    let faults = Days::parse(text).unwrap_err();
    let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [1, 3, 4, 5, 6, 7, 8, 9, 11, 12]);
    assert_eq!(faults[2].vi, "ngày 16/02/2026 đã có ở dòng 2");
    assert_eq!(faults[2].en, "2026-02-16 stands in line 2 already");
    assert!(faults.iter().all(|f| !f.vi.is_empty() && !f.en.is_empty()));
}

#[test]
fn a_list_without_end_costs_little() {
    let faults = Days::parse(&"x\n".repeat(500_000)).unwrap_err();
    assert_eq!(faults.len(), 100);
    let faults = Days::parse(&"#".repeat((1 << 20) + 1)).unwrap_err();
    assert_eq!((faults.len(), faults[0].line), (1, 0));
    // Lines whose characters are wider than the words they are compared with.
    for text in [
        "ế",
        "2026-01-01 ngh",
        "2026-01-01 ngày lẽ",
        "2026-01-01 \u{1e900}\u{1e900}",
    ] {
        assert_eq!(Days::parse(text).unwrap_err().len(), 1);
    }
}

#[test]
fn limits_skip_weekends_tet_and_swapped_days() {
    let calendar = Calendar::built_in();
    let normal = Priority::Normal;
    let morning = |date| at(date, 9, 0);
    let noon = |date| Some(at(date, 12, 0));
    for (signed, sent_by, why) in [
        (day(2026, 1, 14), day(2026, 1, 15), "Wednesday"),
        (day(2026, 1, 16), day(2026, 1, 19), "Friday"),
        (
            day(2026, 1, 9),
            day(2026, 1, 10),
            "a worked Saturday follows",
        ),
        (day(2026, 2, 13), day(2026, 2, 23), "before Tết"),
        (
            day(2025, 12, 31),
            day(2026, 1, 5),
            "31 December, swapped Friday",
        ),
        (day(2026, 4, 24), day(2026, 4, 28), "holiday on a Sunday"),
        (day(2028, 2, 28), day(2028, 2, 29), "leap day"),
        (day(2026, 8, 28), day(2026, 9, 3), "five days of September"),
    ] {
        assert_eq!(
            calendar.send_by(morning(signed), normal),
            noon(sent_by),
            "{why}"
        );
        let end = Some(end_of(sent_by));
        assert_eq!(calendar.assign_by(morning(signed), normal), end, "{why}");
        assert_eq!(calendar.answer_by(morning(signed)), end, "{why}");
    }
    let urgent = morning(day(2026, 2, 13));
    for priority in [Priority::Urgent, Priority::ImmediateTimed] {
        let half_an_hour = Some(urgent.plus_ms(1_800_000));
        assert_eq!(calendar.send_by(urgent, priority), half_an_hour);
        assert_eq!(calendar.assign_by(urgent, priority), half_an_hour);
    }
    let accept = |date| calendar.accept_by(morning(date));
    assert_eq!(accept(day(2026, 1, 14)), Some(end_of(day(2026, 1, 14))));
    assert_eq!(
        accept(day(2026, 1, 10)),
        Some(end_of(day(2026, 1, 10))),
        "worked"
    );
    assert_eq!(
        accept(day(2026, 1, 17)),
        Some(end_of(day(2026, 1, 19))),
        "Saturday"
    );
    assert_eq!(
        accept(day(2026, 2, 17)),
        Some(end_of(day(2026, 2, 23))),
        "Tết"
    );
}

/// 17:00 UTC is midnight in Vietnam: one millisecond decides the day.
#[test]
fn days_begin_and_end_in_vietnam() {
    let calendar = Calendar::built_in();
    let midnight = at(day(2026, 1, 15), 0, 0);
    assert_eq!(midnight.rfc3339(), "2026-01-14T17:00:00.000Z");
    let before = calendar.accept_by(midnight.minus_ms(1)).unwrap();
    assert_eq!(
        before,
        midnight.minus_ms(1),
        "the whole day was left, this is its end"
    );
    assert_eq!(before.vietnam(), "14/01/2026 23:59:59");
    assert_eq!(calendar.accept_by(midnight), Some(end_of(day(2026, 1, 15))));
}

/// Every hour of seven years: no limit lies before its start, a later start never has an earlier
/// limit, and every limit is on a working day.
#[test]
fn limits_never_run_backwards_and_fall_on_working_days() {
    let calendar = Calendar::built_in();
    let mut last = [at(day(2024, 1, 1), 0, 0); 4];
    for date in every_day() {
        for hour in 0..24 {
            let since = at(date, hour, 59);
            let limits = [
                calendar.send_by(since, Priority::Normal).unwrap(),
                calendar.accept_by(since).unwrap(),
                calendar.assign_by(since, Priority::Normal).unwrap(),
                calendar.answer_by(since).unwrap(),
            ];
            for (limit, last) in limits.into_iter().zip(&mut last) {
                assert!(limit >= since && limit >= *last, "{since} → {limit}");
                *last = limit;
                let due_day = Date::in_vietnam(limit).unwrap();
                assert!(calendar.is_working(due_day), "{due_day}");
            }
        }
    }
}

#[test]
fn the_end_of_time_and_a_year_off_have_no_limit() {
    let calendar = Calendar::built_in();
    let last = day(9999, 12, 31);
    assert_eq!(calendar.send_by(at(last, 9, 0), Priority::Normal), None);
    assert!(calendar.accept_by(at(last, 9, 0)).is_some());
    let off = with("2027-01-01..2027-12-31 nghỉ\n2028-01-01..2028-12-31 nghỉ");
    assert_eq!(off.answer_by(at(day(2027, 1, 1), 9, 0)), None);
}

#[test]
fn what_is_known_ends_with_the_list_and_at_unsettled_days() {
    let calendar = Calendar::built_in();
    assert!(calendar.is_certain(day(2026, 2, 1), day(2026, 3, 1)));
    assert!(!calendar.is_certain(day(2023, 12, 31), day(2024, 1, 2)));
    assert!(!calendar.is_certain(day(2026, 12, 31), day(2027, 1, 4)));
    assert!(!calendar.is_certain(day(2026, 11, 23), day(2026, 11, 24)));
    assert!(calendar.is_certain(day(2026, 11, 25), day(2026, 11, 26)));
    assert!(
        calendar.is_working(day(2026, 11, 24)),
        "until somebody settles it"
    );
    let settled = with("2026-11-24 nghỉ Ngày Văn hóa Việt Nam");
    assert!(settled.is_certain(day(2026, 11, 23), day(2026, 11, 25)));
    assert!(!settled.is_working(day(2026, 11, 24)));
    assert!(!Calendar::weekends().is_certain(day(2026, 1, 1), day(2026, 1, 1)));
}
