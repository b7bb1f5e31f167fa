//! The Vietnamese lunar calendar by computation (mean moons with their main perturbations, Meeus),
//! independent of the list that it checks. It is accurate to minutes; no new moon of these years
//! falls that close to midnight.

use std::f64::consts::TAU;

use super::super::{DayKind, Days};
use super::day;
use crate::edxml::Date;

/// Julian day number at noon of a date.
fn julian(date: Date) -> i64 {
    date.days() + 2_440_588
}

fn date_of(julian: i64) -> Date {
    Date::from_days(julian - 2_440_588).unwrap()
}

/// The day in Vietnam of the `k`-th new moon since 1900.
fn new_moon(k: i64) -> i64 {
    let k = k as f64;
    let t = k / 1236.85;
    let sin = |degrees: f64| degrees.to_radians().sin();
    let mean = 2_415_020.759_33 + 29.530_588_68 * k + 0.000_117_8 * t * t
        - 0.000_000_155 * t.powi(3)
        + 0.000_33 * sin(166.56 + 132.87 * t - 0.009_173 * t * t);
    let sun = 359.2242 + 29.105_356_08 * k - 0.000_033_3 * t * t;
    let moon = 306.0253 + 385.816_918_06 * k + 0.010_730_6 * t * t;
    let node = 21.2964 + 390.670_506_46 * k - 0.001_652_8 * t * t;
    let correction = (0.1734 - 0.000_393 * t) * sin(sun) + 0.0021 * sin(2.0 * sun)
        - 0.4068 * sin(moon)
        + 0.0161 * sin(2.0 * moon)
        - 0.0004 * sin(3.0 * moon)
        + 0.0104 * sin(2.0 * node)
        - 0.0051 * sin(sun + moon)
        - 0.0074 * sin(sun - moon)
        + 0.0004 * sin(2.0 * node + sun)
        - 0.0004 * sin(2.0 * node - sun)
        - 0.0006 * sin(2.0 * node + moon)
        + 0.0010 * sin(2.0 * node - moon)
        + 0.0005 * sin(2.0 * moon + sun);
    let clock = -0.000_278 + 0.000_265 * t + 0.000_262 * t * t;
    (mean + correction - clock + 0.5 + 7.0 / 24.0).floor() as i64
}

/// Twelfth of the ecliptic where the sun stands at the beginning of this day in Vietnam; 9 begins
/// at the winter solstice.
fn sun_sector(julian: i64) -> i64 {
    let t = (julian as f64 - 2_451_545.5 - 7.0 / 24.0) / 36_525.0;
    let anomaly = (357.5291 + 35_999.050_3 * t - 0.000_155_9 * t * t).to_radians();
    let mean = 280.466_45 + 36_000.769_83 * t + 0.000_303_2 * t * t;
    let equation = (1.9146 - 0.004_817 * t) * anomaly.sin()
        + (0.019_993 - 0.000_101 * t) * (2.0 * anomaly).sin()
        + 0.000_29 * (3.0 * anomaly).sin();
    ((mean + equation).to_radians().rem_euclid(TAU) / TAU * 12.0).floor() as i64
}

/// Number of the new moon that begins month 11, the month of the winter solstice, of a year.
fn month_eleven(year: u16) -> i64 {
    let last = julian(day(year, 12, 31)) - 2_415_021;
    let k = (last as f64 / 29.530_588_853).floor() as i64;
    if sun_sector(new_moon(k)) >= 9 {
        k - 1
    } else {
        k
    }
}

/// Number of the new moon that begins lunar month `month` (1 to 10) of a year: counted from month
/// 11 of the year before; in a year of thirteen moons the first one in which the sun enters no new
/// twelfth is the leap month.
fn month_begins(year: u16, month: i64) -> i64 {
    let start = month_eleven(year - 1);
    let mut steps = month + 1;
    if month_eleven(year) - start == 13 {
        let same = |i: &i64| sun_sector(new_moon(start + i)) == sun_sector(new_moon(start + i + 1));
        let leap = (1..14).find(same).unwrap();
        if steps >= leap {
            steps += 1;
        }
    }
    start + steps
}

#[test]
fn the_computation_agrees_with_known_first_days_of_tet() {
    // In 2007 and 2030 Tết is a day earlier in Vietnam than in China.
    for (year, month, date) in [
        (2007, 2, 17),
        (2023, 1, 22),
        (2024, 2, 10),
        (2025, 1, 29),
        (2026, 2, 17),
        (2027, 2, 6),
        (2028, 1, 26),
        (2029, 2, 13),
        (2030, 2, 2),
    ] {
        let first = date_of(new_moon(month_begins(year, 1)));
        assert_eq!(first, day(year, month, date), "{year}");
    }
}

/// Tết is five days around the first of the first month, Hùng Kings' day the tenth of the third;
/// the other holidays have fixed dates; together eleven days a year [Labour Code art. 112].
#[test]
fn the_built_in_list_follows_the_moon_and_the_law() {
    let days = Days::parse(include_str!("../working_days.txt")).unwrap();
    for year in 2024..=2030 {
        let named = |start: &str| -> Vec<Date> {
            let of = |(date, line): (&Date, &super::super::DayLine)| {
                let holiday = line.kind == DayKind::Holiday && date.year() == year;
                (holiday && line.name.starts_with(start)).then_some(*date)
            };
            days.days.iter().filter_map(of).collect()
        };
        let tet = named("Tết Nguyên đán");
        assert_eq!(tet.len(), 5, "{year}");
        let first = date_of(new_moon(month_begins(year, 1)));
        assert!(
            tet[0] < first && first < tet[4],
            "{year}: Tết begins {first}"
        );
        let hung = date_of(new_moon(month_begins(year, 3)))
            .plus_days(9)
            .unwrap();
        assert_eq!(named("Giỗ Tổ Hùng Vương"), [hung], "{year}");
        assert_eq!(named("Tết Dương lịch"), [day(year, 1, 1)]);
        assert_eq!(named("Ngày Chiến thắng"), [day(year, 4, 30)]);
        assert_eq!(named("Ngày Quốc tế lao động"), [day(year, 5, 1)]);
        let national = named("Quốc khánh");
        assert!(national.contains(&day(year, 9, 2)) && national.len() == 2);
        assert_eq!(national[1].days() - national[0].days(), 1, "{year}");
        assert_eq!(named("").len(), 11, "{year}");
    }
}
