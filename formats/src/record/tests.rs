//! Records: one text each, every rule refuses.

use super::*;
use crate::tests::samples::{
    agencies, agencies_with_dates, attachment, delegation, station, trust_list,
};

fn all() -> [Record; 5] {
    [
        agencies(),
        attachment(),
        delegation(),
        station(),
        trust_list(),
    ]
}

#[test]
fn every_kind_reads_back_and_names_its_kind_first() {
    let kinds = [
        "agencies",
        "attachment",
        "delegation",
        "station",
        "trust_list",
    ];
    for (record, kind) in all().into_iter().zip(kinds) {
        let json = record.to_json();
        let start = format!(r#"{{"record":"{kind}","#);
        assert!(
            json.starts_with(start.as_bytes()),
            "{}",
            String::from_utf8_lossy(&json)
        );
        assert_eq!(Record::parse(&json), Ok(record));
    }
}

/// One text for each record: whatever says the same otherwise is refused.
#[test]
fn other_texts_of_the_same_record_are_refused() {
    for record in all() {
        let text = String::from_utf8(record.to_json()).unwrap();
        let sequence = format!(r#""sequence":{}"#, record.sequence());
        let cases = [
            ("space", text.replacen(':', ": ", 1)),
            ("newline after", format!("{text}\n")),
            ("unknown key", text.replacen(',', r#","x":1,"#, 1)),
            (
                "kind twice",
                text.replacen('{', r#"{"record":"station","#, 1),
            ),
            (
                "key twice",
                text.replacen(&sequence, &format!("{sequence},{sequence}"), 1),
            ),
            (
                "float",
                text.replacen(&sequence, &format!("{sequence}.0"), 1),
            ),
            ("negative", text.replacen(&sequence, r#""sequence":-1"#, 1)),
            ("other order", {
                let rest = text.replacen(&format!("{sequence},"), "", 1);
                format!("{},{sequence}}}", rest.strip_suffix('}').unwrap())
            }),
            (
                "unknown kind",
                text.replacen(r#""record":""#, r#""record":"x"#, 1),
            ),
            ("cut", text[..text.len() - 1].to_owned()),
        ];
        for (name, bad) in cases {
            assert_ne!(bad, text, "{name} changes nothing");
            assert!(Record::parse(bad.as_bytes()).is_err(), "{name}: {bad}");
        }
    }
}

fn refused(mut record: Record, change: impl FnOnce(&mut Record)) -> bool {
    change(&mut record);
    let checked = record.check().is_err();
    assert_eq!(Record::parse(&record.to_json()).is_err(), checked);
    checked
}

#[test]
fn agency_bundles_that_break_a_rule_are_refused() {
    type Change = fn(&mut Agencies);
    let changes: [(&str, Change); 14] = [
        ("empty", |r| r.agencies.clear()),
        ("not sorted", |r| r.agencies.reverse()),
        ("twice", |r| r.agencies.push(r.agencies[1].clone())),
        ("name empty", |r| r.agencies[0].name.clear()),
        ("name with direction turned", |r| {
            r.agencies[0].name.push('\u{202e}')
        }),
        ("name invisible", |r| {
            r.agencies[0].name = "a\u{200b}b".to_owned()
        }),
        ("name not NFC", |r| {
            r.agencies[0].name = "So\u{31b}\u{309}".to_owned()
        }),
        ("name too long", |r| r.agencies[0].name = "a".repeat(301)),
        ("alias twice", |r| {
            r.agencies[0].aliases = vec![Alias::always("x"); 2]
        }),
        ("alias that ends as it begins", |r| {
            let at = Some(r.agencies[0].valid_from);
            r.agencies[0].aliases = vec![Alias {
                from: at,
                to: at,
                ..Alias::always("x")
            }]
        }),
        ("alias invisible", |r| {
            r.agencies[0].aliases = vec![Alias::always("a\u{61c}b")]
        }),
        ("own successor", |r| {
            r.agencies[0].successor = Some(r.agencies[0].code.clone())
        }),
        ("ends before it begins", |r| {
            r.agencies[0].valid_to = Some(r.agencies[0].valid_from)
        }),
        ("never valid", |r| r.not_after = r.issued),
    ];
    for (name, change) in changes {
        let is_refused = refused(agencies(), |record| match record {
            Record::Agencies(r) => change(r),
            _ => unreachable!(),
        });
        assert!(is_refused, "{name}");
    }
}

#[test]
fn an_alias_has_one_text_with_and_without_dates() {
    let dated = agencies_with_dates();
    let text = String::from_utf8(dated.to_json()).unwrap();
    assert_eq!(Record::parse(text.as_bytes()), Ok(dated));
    let object = r#"{"text":"000.00.36.H01","to":"2026-11-22T03:31:02.114Z"}"#;
    assert!(text.contains(object), "{text}");
    for other in [
        r#"{"text":"000.00.36.H01"}"#,
        r#"{"text":"000.00.36.H01","from":null,"to":"2026-11-22T03:31:02.114Z"}"#,
        r#"{"to":"2026-11-22T03:31:02.114Z","text":"000.00.36.H01"}"#,
        r#"{"text":"000.00.36.H01","to":"2026-11-22T03:31:02.114Z","x":1}"#,
        r#"{"text":"000.00.36.H01","to":"2026-11-22"}"#,
        r#"["000.00.36.H01"]"#,
        "17",
    ] {
        let bad = text.replacen(object, other, 1);
        assert!(Record::parse(bad.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn an_alias_holds_from_its_first_to_before_its_last_instant() {
    let at = Timestamp::from_unix_s;
    let between = |from: Option<i64>, to: Option<i64>| Alias {
        from: from.map(at),
        to: to.map(at),
        ..Alias::always("x")
    };
    let one = between(Some(10), Some(20));
    let held: Vec<bool> = [9, 10, 19, 20].map(|s| one.holds_at(at(s))).into();
    assert_eq!(held, [false, true, true, false]);
    for (other, meets) in [
        (between(None, None), true),
        (between(None, Some(10)), false),
        (between(None, Some(11)), true),
        (between(Some(20), None), false),
        (between(Some(19), Some(30)), true),
        (between(Some(12), Some(13)), true),
    ] {
        assert_eq!(one.meets(&other), meets, "{other:?}");
        assert_eq!(other.meets(&one), meets, "{other:?}");
    }
}

#[test]
fn an_agency_is_future_then_active_then_ended() {
    let Record::Agencies(bundle) = agencies() else {
        unreachable!()
    };
    let merged = &bundle.agencies[1];
    let end = merged.valid_to.unwrap();
    for (at, state) in [
        (merged.valid_from.minus_ms(1), AgencyState::Future),
        (merged.valid_from, AgencyState::Active),
        (end.minus_ms(1), AgencyState::Active),
        (end, AgencyState::Ended),
    ] {
        assert_eq!(merged.state_at(at), state);
    }
}

#[test]
fn station_records_that_break_a_rule_are_refused() {
    type Change = fn(&mut Station);
    let changes: [(&str, Change); 7] = [
        ("log of another", |r| {
            r.log_origin = "relay-x.tram.test/log/1".parse().unwrap()
        }),
        ("no tls certificate", |r| r.tls_sha256.clear()),
        ("evidence twice", |r| {
            r.evidence_sha256 = vec![r.evidence_sha256[0]; 2]
        }),
        ("own neighbour", |r| r.neighbours.push(r.name.clone())),
        ("neighbour twice", |r| {
            r.neighbours.push(r.neighbours[0].clone())
        }),
        ("65 addresses", |r| {
            r.addresses = vec![r.addresses[0].clone(); 65]
        }),
        ("site with newline", |r| r.site = Some("a\nb".to_owned())),
    ];
    for (name, change) in changes {
        let is_refused = refused(station(), |record| match record {
            Record::Station(r) => change(r),
            _ => unreachable!(),
        });
        assert!(is_refused, "{name}");
    }
}

#[test]
fn a_delegation_reaches_only_below_its_parent() {
    for (parent, scope) in [
        ("H01", "H01"),
        ("H01.1", "H01"),
        ("H01", "H02.1"),
        ("H01.1", "H01.11"),
    ] {
        let is_refused = refused(delegation(), |record| match record {
            Record::Delegation(r) => {
                r.parent = parent.parse().unwrap();
                r.scope = scope.parse().unwrap();
            }
            _ => unreachable!(),
        });
        assert!(is_refused, "{scope} below {parent}");
    }
}

#[test]
fn addresses_have_one_spelling() {
    for good in ["127.0.0.1:4101", "relay-a.tram.test:443", "[::1]:65535"] {
        assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
    }
    let address: Address = "[2001:db8::1]:4101".parse().unwrap();
    assert_eq!((address.host(), address.port()), ("2001:db8::1", 4101));
    for bad in [
        "",
        "host",
        "host:",
        ":1",
        "host:0",
        "host:01",
        "host:65536",
        "Host:1",
        "a b:1",
        "::1:80",
        "[::1]",
        "[0:0::1]:1",
        "a..b:1",
        "host:+1",
        "user@host:1",
        "[host]:1",
    ] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
}

#[test]
fn records_over_the_limit_are_refused_unread() {
    let long = vec![b'['; limits::RECORD_BYTES_MAX + 1];
    assert_eq!(Record::parse(&long), Err(RecordError::TooLong(long.len())));
    // Deep nesting below the limit must not exhaust the stack either.
    assert!(Record::parse(&long[..limits::RECORD_BYTES_MAX]).is_err());
}

/// A bundle of a thousand agencies with long names and aliases fits the limit.
#[test]
fn a_full_bundle_fits_the_limit() {
    let Record::Agencies(mut bundle) = agencies() else {
        unreachable!()
    };
    let first = bundle.agencies.swap_remove(0);
    bundle.agencies = (0..1000)
        .map(|i| Agency {
            code: format!("H01.{i:04}").parse().unwrap(),
            name: "Ủ".repeat(200),
            aliases: vec![
                Alias::always(format!("000.00.00.{i:03}")),
                Alias {
                    from: Some(first.valid_from),
                    ..Alias::always(format!("Tên cũ {i}"))
                },
            ],
            ..first.clone()
        })
        .collect();
    assert!(Record::parse(&Record::Agencies(bundle).to_json()).is_ok());
}
