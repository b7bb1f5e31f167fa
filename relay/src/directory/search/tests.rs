//! The index against a scan of everything, and the order of answers that people expect.

use formats::id::AgencyCode;
use proptest::prelude::*;

use super::super::agencies::tests::{NOW, agency, table};
use super::*;

fn found(agencies: &[Agency], written: &str, limit: usize) -> Vec<String> {
    let found = table(agencies.to_vec()).search(written, limit, NOW);
    found
        .iter()
        .map(|entry| entry.agency.code.to_string())
        .collect()
}

/// The rules again, without an index.
fn scan(agencies: &[Agency], written: &str, limit: usize) -> Vec<String> {
    let folded = fold(written.trim());
    let words: Vec<&str> = runs(&folded).collect();
    let key = formats::text::alias_key(written);
    let rank = |agency: &Agency| -> Option<u8> {
        let mut text = format!("{} {}", agency.code, agency.name);
        for alias in &agency.aliases {
            text = format!("{text} {}", alias.text);
        }
        let text = fold(&text);
        let fits = words
            .iter()
            .all(|word| runs(&text).any(|run| run.starts_with(word)));
        if !fits || (words.is_empty() && !written.trim().is_empty()) {
            return None;
        }
        if words.is_empty() {
            return Some(9);
        }
        let code = agency.code.as_str();
        let typed = written.trim().to_ascii_uppercase();
        let keys = agency
            .aliases
            .iter()
            .map(|alias| formats::text::alias_key(&alias.text));
        let keys: Vec<String> = keys.collect();
        let name = joined(&fold(&agency.name));
        let asked = joined(&folded);
        Some(match () {
            () if code == typed || keys.contains(&key) => 0,
            () if code.starts_with(&typed) || keys.iter().any(|one| one.starts_with(&key)) => 1,
            () if name == asked => 2,
            () if name.starts_with(&asked) => 3,
            () => 4,
        })
    };
    let mut all: Vec<(u8, AgencyState, &AgencyCode)> = agencies
        .iter()
        .filter_map(|agency| Some((rank(agency)?, agency.state_at(NOW), &agency.code)))
        .collect();
    all.sort_unstable();
    let codes = all.into_iter().map(|(_, _, code)| code.to_string());
    codes.take(limit).collect()
}

fn office() -> Vec<Agency> {
    let old = |text: &str| vec![Alias::always(text)];
    let past = Agency {
        valid_to: Some(NOW),
        ..agency("H01.35", "Sở Nội vụ")
    };
    let coming = Agency {
        valid_from: NOW.plus_ms(1),
        ..agency("H01.34", "Sở Nội vụ")
    };
    vec![
        agency("H01", "Ủy ban nhân dân tỉnh An Giang"),
        coming,
        past,
        Agency {
            aliases: old("000.00.36.H01"),
            ..agency("H01.36", "Sở Nội vụ")
        },
        agency("H01.36.04", "Trung tâm Lưu trữ - Sở Nội vụ"),
        Agency {
            aliases: old("Phòng Nội vụ Đống Đa (cũ)"),
            ..agency("H26.151.7A", "Ủy ban nhân dân phường Đống Đa")
        },
        agency("H29.03", "Sở Tài chính"),
    ]
}

#[test]
fn people_find_by_code_old_code_and_words_in_any_order_without_marks() {
    let all = office();
    let first = |written: &str| {
        found(&all, written, 10)
            .first()
            .cloned()
            .unwrap_or_default()
    };
    for (written, code) in [
        ("h01", "H01"),
        ("H01.36.0", "H01.36.04"),
        ("000.00.36.h01", "H01.36"),
        ("000.00.36", "H01.36"),
        ("an giang", "H01"),
        ("giang uy ban", "H01"),
        ("dong da", "H26.151.7A"),
        ("ĐỐNG ĐA phườ", "H26.151.7A"),
        ("phong noi vu cu", "H26.151.7A"),
        ("151.7a", "H26.151.7A"),
        ("tt luu tru", ""),
        ("tai chinh!", "H29.03"),
        // Typed letter by letter.
        ("ta\u{300}i chi\u{301}nh", "H29.03"),
        ("?!", ""),
        ("zzz", ""),
    ] {
        assert_eq!(first(written), code, "{written}");
    }
}

#[test]
fn the_best_stands_first_and_what_exists_before_what_does_not() {
    let all = office();
    assert_eq!(
        found(&all, "so noi vu", 10),
        ["H01.36", "H01.34", "H01.35", "H01.36.04"]
    );
    assert_eq!(found(&all, "H01.36", 10), ["H01.36", "H01.36.04"]);
    assert_eq!(found(&all, "", 3), ["H01", "H01.36", "H01.36.04"]);
    assert_eq!(found(&all, "h", 2), ["H01", "H01.36"]);
    assert_eq!(found(&all, "so noi vu", 0), [""; 0]);
    assert_eq!(found(&[], "so", 5), [""; 0]);
}

#[test]
fn the_alias_that_fits_is_named_only_where_code_and_name_do_not_fit() {
    let all = office();
    let matched = |at: usize, written: &str| {
        let agency: &Agency = &all[at];
        matched_alias(agency, written).map(|alias| alias.text.clone())
    };
    assert_eq!(matched(3, "000.00.36").as_deref(), Some("000.00.36.H01"));
    assert_eq!(matched(3, "so noi vu 36"), None);
    assert_eq!(
        matched(5, "phong dong da").as_deref(),
        Some("Phòng Nội vụ Đống Đa (cũ)")
    );
    assert_eq!(matched(0, ""), None);
}

#[test]
fn long_questions_cost_no_more_than_a_name() {
    let all = office();
    let long = "Sở Nội vụ ".repeat(100_000);
    assert_eq!(found(&all, &long, 10).len(), 4);
    assert_eq!(found(&all, &"a b c d ".repeat(10_000), 10), [""; 0]);
}

fn text() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(vec![
        "Sở",
        "sở",
        "Ủy",
        "ban",
        "Đà",
        "da",
        "H01",
        "36",
        "000.36.H01",
        "-",
        "(cũ)",
        "xã",
        "a",
        "ab",
        "Nô\u{323}i",
        "tt&tt",
    ]);
    proptest::collection::vec(word, 0..4).prop_map(|words| words.join(" "))
}

fn agencies() -> impl Strategy<Value = Vec<Agency>> {
    let one = (
        text(),
        proptest::collection::vec("[ahxđ]{1,2}|Sở Đà|000\\.36\\.H01", 0..3),
        -1_i64..2,
        proptest::option::of(-1_i64..2),
    );
    proptest::collection::btree_map("H0[1-3](\\.(36|3|151|A7)){0,2}", one, 0..40).prop_map(|map| {
        let mut all = Vec::new();
        for (code, (name, aliases, from, to)) in map {
            all.push(Agency {
                aliases: aliases.into_iter().map(Alias::always).collect(),
                valid_from: NOW.plus_ms(from),
                valid_to: to.map(|to| NOW.plus_ms(to)),
                ..agency(&code, &name)
            });
        }
        all
    })
}

proptest! {
    #[test]
    fn the_index_answers_as_a_scan_does(
        agencies in agencies(),
        written in prop_oneof![text(), "[hs0-3.a đ]{0,6}"],
        limit in 0_usize..60,
    ) {
        prop_assert_eq!(found(&agencies, &written, limit), scan(&agencies, &written, limit));
    }

    #[test]
    fn no_question_panics(written in any::<String>()) {
        drop(found(&office(), &written, 5));
    }
}
