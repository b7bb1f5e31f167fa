//! Whom a written code or name means: aliases at a time, successors, two claims, two bundles.

use formats::record::{Agencies, Agency, Alias, Record};

use super::*;

pub(in crate::directory) const NOW: Timestamp = Timestamp::from_unix_s(1_795_316_400);
const DAY_MS: i64 = 86_400_000;

fn code(text: &str) -> AgencyCode {
    text.parse().unwrap()
}

pub(in crate::directory) fn agency(text: &str, name: &str) -> Agency {
    Agency {
        code: code(text),
        name: name.to_owned(),
        aliases: vec![],
        parent: None,
        valid_from: NOW.minus_ms(100 * DAY_MS),
        valid_to: None,
        successor: None,
    }
}

fn named(text: &str, aliases: &[Alias]) -> Agency {
    Agency {
        aliases: aliases.to_vec(),
        ..agency(text, "Cơ quan")
    }
}

fn ended(text: &str, successor: Option<&str>) -> Agency {
    Agency {
        valid_to: Some(NOW),
        successor: successor.map(code),
        ..agency(text, "Cơ quan")
    }
}

fn claim(bundle: u32, agencies: Vec<Agency>) -> Arc<Claim> {
    let signed: Arc<[u8]> = format!("{bundle} {agencies:?}").into_bytes().into();
    let entries = agencies.into_iter().map(|agency| AgencyEntry {
        agency,
        signed: Arc::clone(&signed),
    });
    Arc::new(Claim {
        file: format!("agencies-{bundle}.rec"),
        agencies: entries.map(Arc::new).collect(),
        record: Record::Agencies(Agencies {
            bundle,
            sequence: 1,
            issued: NOW,
            not_after: NOW.plus_ms(DAY_MS),
            agencies: vec![],
        }),
        digest: Digest::of(&signed),
        signed,
    })
}

pub(in crate::directory) fn table(agencies: Vec<Agency>) -> Arc<AgencyTable> {
    AgencyTable::of(&[claim(1, agencies)], None)
}

fn means(table: &AgencyTable, written: &str, at: Timestamp) -> Option<String> {
    table
        .resolve(written, at)
        .map(|entry| entry.agency.code.to_string())
}

#[test]
fn codes_of_any_width_are_found_however_their_letters_are_written() {
    let codes = ["H01", "H01.151", "H01.151.0007A.Z", "H01.36", "K29.000001"];
    let table = table(codes.map(|text| agency(text, "Cơ quan")).into());
    for text in codes {
        assert_eq!(means(&table, text, NOW).as_deref(), Some(text));
        let spaced = format!(" {} ", text.to_lowercase());
        assert_eq!(means(&table, &spaced, NOW).as_deref(), Some(text));
        assert_eq!(
            table.by_code(&code(text)).unwrap().agency.code.as_str(),
            text
        );
    }
    for none in [
        "",
        "H",
        "H01.15",
        "H02",
        "000.00.36.H01",
        "H01.36.",
        "h01 36",
    ] {
        assert_eq!(means(&table, none, NOW), None, "{none}");
    }
}

#[test]
fn an_alias_counts_only_while_it_holds() {
    let change = Some(NOW);
    let until = Alias {
        to: change,
        ..Alias::always("000.00.36.H01")
    };
    let since = Alias {
        from: change,
        ..Alias::always("000.00.36.H01")
    };
    let table = table(vec![
        named("H01.36", &[until, Alias::always("Sở Nội vụ")]),
        named("H02.36", &[since]),
    ]);
    let (before, after) = (NOW.minus_ms(1), NOW);
    assert_eq!(
        means(&table, "000.00.36.h01", before).as_deref(),
        Some("H01.36")
    );
    assert_eq!(
        means(&table, "000.00.36.h01", after).as_deref(),
        Some("H02.36")
    );
    assert_eq!(means(&table, "SỞ NỘI VỤ", after).as_deref(), Some("H01.36"));
    // Typed letter by letter, as some systems store it.
    let typed = "So\u{31b}\u{309} No\u{323}\u{302}i vu\u{323}";
    assert_eq!(means(&table, typed, after).as_deref(), Some("H01.36"));
    // Looking for something overlooks marks, addressing does not.
    assert_eq!(means(&table, "So Noi vu", after), None);
}

#[test]
fn an_alias_that_two_claim_at_a_time_means_nobody_then() {
    let late = Alias {
        from: Some(NOW),
        ..Alias::always("UBND")
    };
    let table = table(vec![
        named("H01", &[Alias::always("UBND"), Alias::always("ubnd ")]),
        named("H02", &[late]),
    ]);
    assert_eq!(
        means(&table, "UBND", NOW.minus_ms(1)).as_deref(),
        Some("H01")
    );
    assert_eq!(means(&table, "UBND", NOW), None);
}

#[test]
fn a_code_goes_before_an_alias_that_looks_like_one() {
    let table = table(vec![
        agency("H01", "Một"),
        named("H02", &[Alias::always("H01"), Alias::always("H03")]),
    ]);
    assert_eq!(means(&table, "H01", NOW).as_deref(), Some("H01"));
    assert_eq!(means(&table, "H03", NOW).as_deref(), Some("H02"));
}

#[test]
fn successors_are_followed_from_the_end_on() {
    let mut first = ended("H01", Some("H02"));
    first.aliases = vec![Alias::always("000.00.00.H01")];
    let table = table(vec![
        first,
        ended("H02", Some("H03")),
        agency("H03", "Ba"),
        ended("H04", None),
    ]);
    for written in ["H01", "000.00.00.H01"] {
        assert_eq!(
            means(&table, written, NOW.minus_ms(1)).as_deref(),
            Some("H01")
        );
        assert_eq!(means(&table, written, NOW).as_deref(), Some("H03"));
    }
    // Nobody came after it: whoever asks sees that it ended.
    let alone = table.resolve("H04", NOW).unwrap();
    assert_eq!(alone.agency.state_at(NOW), AgencyState::Ended);
}

#[test]
fn circles_broken_and_too_long_chains_of_successors_end_nowhere() {
    let table_of = |count: usize| {
        let mut chain: Vec<Agency> = (0..count)
            .map(|at| ended(&format!("H{at:02}"), Some(&format!("H{:02}", at + 1))))
            .collect();
        chain.push(agency(&format!("H{count:02}"), "Cuối"));
        table(chain)
    };
    assert_eq!(means(&table_of(16), "H00", NOW).as_deref(), Some("H16"));
    assert_eq!(means(&table_of(17), "H00", NOW), None);
    let circle = table(vec![ended("H01", Some("H02")), ended("H02", Some("H01"))]);
    assert_eq!(means(&circle, "H01", NOW), None);
    let broken = table(vec![ended("H01", Some("H02"))]);
    assert_eq!(means(&broken, "H01", NOW), None);
}

#[test]
fn of_two_bundles_with_one_agency_the_lower_counts_and_the_other_is_reported() {
    let (one, two) = (agency("H01", "Một"), agency("H01", "Hai"));
    let bundles = [
        claim(1, vec![one]),
        claim(2, vec![two, agency("H02", "Ba")]),
    ];
    let table = AgencyTable::of(&bundles, None);
    assert_eq!(table.by_code(&code("H01")).unwrap().agency.name, "Một");
    assert_eq!(table.all().len(), 2);
    let [refused] = table.refused() else {
        panic!("{:?}", table.refused())
    };
    assert_eq!(refused.file, "agencies-2.rec");
    assert!(refused.reason.ends_with(" H01"), "{}", refused.reason);
}

#[test]
fn the_table_is_built_anew_only_when_a_bundle_changed() {
    let bundles = [claim(1, vec![agency("H01", "Một")])];
    let first = AgencyTable::of(&bundles, None);
    assert!(Arc::ptr_eq(
        &first,
        &AgencyTable::of(&bundles, Some(&first))
    ));
    let changed = [claim(1, vec![agency("H01", "Hai")])];
    let next = AgencyTable::of(&changed, Some(&first));
    assert_eq!(next.by_code(&code("H01")).unwrap().agency.name, "Hai");
}
