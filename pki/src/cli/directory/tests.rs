//! The import end to end in a temporary folder: what it writes, what it refuses, hostile tables.

use std::fs;
use std::path::Path;

use clap::Parser;
use formats::record::{AgencyState, Alias, Record};
use pki::record;
use proptest::prelude::*;
use serde_json::Value;

use super::bundles::Stage;
use super::*;
use crate::cli::tests::{made, now, text, tram_pki, validator};
use crate::cli::{Arguments, run as run_command};

/// A folder of an authority whose directory has H01.36.04 (alias 000.04.36.H01) and H02.
struct Office {
    dir: tempfile::TempDir,
    out: PathBuf,
}

impl Office {
    fn new() -> Self {
        let (dir, out) = made();
        Self { dir, out }
    }

    /// What the command says; faults as JSON too.
    fn import_at(
        &self,
        table: &[u8],
        more: &[&str],
        now: crate::cli::Clock,
    ) -> Result<Value, Value> {
        let file = self.dir.path().join("agencies.csv");
        fs::write(&file, table).unwrap();
        let all = [
            "tram-pki",
            "--json",
            "directory",
            "import",
            text(&file),
            "--dir",
            text(&self.out),
        ];
        let arguments = Arguments::try_parse_from(all.iter().chain(more)).unwrap();
        let said = run_command(&arguments, now);
        said.map(|output| serde_json::from_str(&output.to_string()).unwrap())
            .map_err(|failure| serde_json::from_str(&failure.json()).unwrap())
    }

    fn import(&self, table: impl AsRef<[u8]>, more: &[&str]) -> Result<Value, Value> {
        self.import_at(table.as_ref(), more, now)
    }

    /// Every bundle: number, sequence, agencies; each verified.
    fn bundles(&self) -> Vec<(u32, u64, Vec<formats::record::Agency>)> {
        let validator = validator(&self.out);
        let mut all = Vec::new();
        for entry in fs::read_dir(self.out.join("records")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if !name.starts_with("agencies-") {
                continue;
            }
            let signed = fs::read(&path).unwrap();
            let verified = record::verify(&signed, &validator, now()).unwrap();
            let Record::Agencies(bundle) = verified.into_record() else {
                panic!("{name} is no bundle")
            };
            all.push((bundle.bundle, bundle.sequence, bundle.agencies));
        }
        all.sort_by_key(|(number, _, _)| *number);
        all
    }

    fn agency(&self, code: &str) -> formats::record::Agency {
        let all = self.bundles().into_iter().flat_map(|(_, _, list)| list);
        let mut found = all.filter(|agency| agency.code.as_str() == code);
        found
            .next()
            .unwrap_or_else(|| panic!("{code} is not there"))
    }

    /// Every file of the records folder with its bytes.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(self.out.join("records")).unwrap();
        let mut all: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(&path).unwrap_or_default()))
            .collect();
        all.sort();
        all
    }
}

/// Faults or warnings as (line, column, value).
fn places(list: &Value) -> Vec<(u64, String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let all = list.as_array().unwrap().iter();
    all.map(|one| {
        for language in ["problem", "problem_vi", "fix", "fix_vi"] {
            assert!(!text(one, language).is_empty(), "{one}");
        }
        (
            one["line"].as_u64().unwrap(),
            text(one, "column"),
            text(one, "value"),
        )
    })
    .collect()
}

fn day(text: &str) -> Timestamp {
    Moment::parse(text).unwrap().begin()
}

const TABLE: &str = "\
code,name,aliases,parent,valid_from,valid_to,successor
H01,Ủy ban nhân dân tỉnh Mẫu,000.00.00.H01; UBND tỉnh Mẫu@2025-07-01..2027-06-30,,2020-01-01,,
H01.36.04,Trung tâm Công nghệ số,000.04.36.H01,H01,,,
H01.151.0007A,Trạm y tế xã Mẫu,,H01,01/07/2025,,
h02,Tỉnh H02,,,2019-01-01,2025-06-30,H01
";

#[test]
fn a_table_becomes_signed_bundles_and_says_what_changed() {
    let office = Office::new();
    let said = office.import(TABLE, &["--diff"]).unwrap();
    assert_eq!(
        (
            &said["added"],
            &said["changed"],
            &said["ended"],
            &said["written"]
        ),
        (&2.into(), &1.into(), &1.into(), &true.into())
    );
    let changes: Vec<(&str, &str)> = said["diff"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["code"].as_str().unwrap(),
                one["change"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        changes,
        [
            ("H01", "added"),
            ("H01.151.0007A", "added"),
            ("H01.36.04", "changed"),
            ("H02", "ended")
        ]
    );
    let field = &said["diff"][2]["fields"][0];
    assert_eq!(field["from"], "Trung tâm Công nghệ thông tin");
    assert_eq!(field["to"], "Trung tâm Công nghệ số");
    let province = office.agency("H01");
    assert_eq!(
        province.aliases,
        [
            Alias::always("000.00.00.H01"),
            Alias {
                text: "UBND tỉnh Mẫu".to_owned(),
                from: Some(day("2025-07-01")),
                to: Some(day("2027-07-01")),
            }
        ]
    );
    let merged = office.agency("H02");
    assert_eq!(
        merged.valid_to,
        Some(day("2025-07-01")),
        "the last day counts"
    );
    assert_eq!(merged.successor.as_ref().unwrap().as_str(), "H01");
    assert_eq!(merged.state_at(now()), AgencyState::Ended);
    let again = office.import(TABLE, &["--diff"]).unwrap();
    assert_eq!(
        (&again["unchanged"], &again["written"]),
        (&4.into(), &false.into())
    );
    assert_eq!(again["diff_total"], 0);
    assert_eq!(
        office.bundles()[0].1,
        2,
        "nothing changed, nothing is signed"
    );
}

#[test]
fn a_dry_run_and_a_faulty_table_write_nothing() {
    let office = Office::new();
    let before = office.files();
    let said = office.import(TABLE, &["--dry-run"]).unwrap();
    assert_eq!(
        (&said["added"], &said["written"]),
        (&2.into(), &false.into())
    );
    assert_eq!(office.files(), before);
    let faulty = TABLE.replace("H01.151.0007A", "H01.1510007A");
    let said = office.import(faulty, &[]).unwrap_err();
    assert_eq!(said["written"], false);
    assert_eq!(office.files(), before);
}

#[test]
fn columns_that_the_file_lacks_leave_what_the_directory_says() {
    let office = Office::new();
    office.import(TABLE, &[]).unwrap();
    let said = office.import("name,code\nTỉnh Mẫu,H01\n", &[]).unwrap();
    assert_eq!((&said["changed"], &said["missing"]), (&1.into(), &3.into()));
    let province = office.agency("H01");
    assert_eq!(
        (province.name.as_str(), province.aliases.len()),
        ("Tỉnh Mẫu", 2)
    );
    assert_eq!(province.valid_from, day("2020-01-01"));
    // An empty cell says that there is none.
    office
        .import("name,code,aliases\nTỉnh Mẫu,H01,\n", &[])
        .unwrap();
    assert!(office.agency("H01").aliases.is_empty());
}

#[test]
fn separators_names_of_columns_and_marks_of_spreadsheets_are_told_apart() {
    let decomposed = "Tỉnh Hai".replace('ỉ', "i\u{309}");
    for table in [
        "mã định danh;tên cơ quan;mã cũ;hiệu lực từ\nH03;Tỉnh Hai;\"000.00.00.H03;H03-cũ\";01/07/2025\n".to_owned(),
        "\u{feff}Mã định danh,Tên cơ quan,Mã cũ,Hiệu lực từ\r\n\r\nH03,Tỉnh Hai,000.00.00.H03;H03-cũ,2025-07-01,,\r\n,,,\r\n".to_owned(),
        format!("TEN CO QUAN\tMA\tmã cũ\tVALID_FROM\tGhi chú\n{decomposed}\th03\t 000.00.00.H03 ; H03-cũ;\t1/7/2025\tx\n"),
    ] {
        let office = Office::new();
        let said = office.import(&table, &[]).unwrap();
        assert_eq!(said["rows"], 1, "{table}");
        let agency = office.agency("H03");
        assert_eq!(agency.name, "Tỉnh Hai");
        assert_eq!(agency.aliases, [Alias::always("000.00.00.H03"), Alias::always("H03-cũ")]);
        assert_eq!(agency.valid_from, day("2025-07-01"));
    }
}

#[test]
fn all_faults_are_listed_with_their_place_value_and_fix() {
    let office = Office::new();
    let table = "\
code,name,aliases,parent,valid_from,valid_to,successor

000.00.03.H29,Sở,,,,,
H05,,x@2025,H1,31/02/2025,2025-13-01,H9
H06,\"Tên
hai dòng\",a;b;A,H06,2025-07-01,2025-06-30,H06
H07,Bảy,,,,,
H07,Bảy,,,,,
H08,Tám,x@2025-07-02..2025-07-01,
H09,Chín,,,,2019-01-01,
";
    let said = office.import(table, &[]).unwrap_err();
    let at = |line: u64, column: &str, value: &str| (line, column.to_owned(), value.to_owned());
    assert_eq!(
        places(&said["faults"]),
        [
            at(3, "code", "000.00.03.H29"),
            at(4, "aliases", "x@2025"),
            at(4, "name", ""),
            at(4, "parent", "H1"),
            at(4, "successor", "H9"),
            at(4, "valid_from", "31/02/2025"),
            at(4, "valid_to", "2025-13-01"),
            at(5, "aliases", "a;b;A"),
            at(5, "name", "Tên\nhai dòng"),
            at(8, "code", "H07"),
            at(9, "code", "H08"),
            at(10, "valid_to", "01/01/2019"),
        ]
    );
    assert!(
        said["faults"][0]["fix"]
            .as_str()
            .unwrap()
            .contains("H29.03")
    );
    assert_eq!(said["faults_total"], 12);
}

#[test]
fn the_list_of_faults_is_cut_and_the_rest_counted() {
    let office = Office::new();
    let mut table = b"code,name\n".to_vec();
    for _ in 0..5_000 {
        table.extend_from_slice(b"H01,\xff\xfe\n");
    }
    let said = office.import(&table, &[]).unwrap_err();
    assert_eq!(said["faults_total"], 5_000);
    assert_eq!(said["faults"].as_array().unwrap().len(), 100);
    let text = said["error"].as_str().unwrap();
    assert!(
        text.contains("4900 more") && text.contains("không phải mã UTF-8"),
        "{text}"
    );
}

#[test]
fn two_agencies_never_have_one_alias_at_the_same_time() {
    let office = Office::new();
    let refused = |rows: &str| {
        let said = office.import(format!("code,name,aliases\n{rows}"), &["--dry-run"]);
        said.map_err(|said| places(&said["faults"]))
    };
    let at = |line: u64, value: &str| vec![(line, "aliases".to_owned(), value.to_owned())];
    assert_eq!(
        refused("H03,Ba,UBND\nH04,Bốn,ubnd\n").unwrap_err(),
        at(3, "ubnd")
    );
    assert_eq!(
        refused("H03,Ba,x@..2025-06-30\nH04,Bốn,x@2025-06-30..\n").unwrap_err(),
        at(3, "x")
    );
    assert!(refused("H03,Ba,x@..2025-06-30\nH04,Bốn,x@2025-07-01..\n").is_ok());
    // With one that the file does not name.
    assert_eq!(
        refused("H03,Ba,000.04.36.h01\n").unwrap_err(),
        at(2, "000.04.36.h01")
    );
    // A code goes before an alias.
    assert_eq!(refused("H03,Ba,h02\n").unwrap_err(), at(2, "h02"));
    // What covers all is found behind what lies between.
    assert_eq!(
        refused("H03,Ba,x\nH04,Bốn,x@2025-01-01..2025-01-02\nH05,Năm,x@2026-01-01..\n")
            .unwrap_err()
            .len(),
        2
    );
}

#[test]
fn circles_are_faults_and_unknown_codes_warnings() {
    let office = Office::new();
    let table = "\
code,name,parent,valid_to,successor
H03,Ba,H04,,
H04,Bốn,H05,,
H05,Năm,H03,,
H06,Sáu,,2025-01-01,H07
H07,Bảy,,2025-01-01,H06
H08,Tám,H99,,H98
";
    let table = table
        .replace("code,", "valid_from,code,")
        .replace("\nH0", "\n2020-01-01,H0");
    let said = office.import(table, &[]).unwrap_err();
    let at = |line: u64, column: &str, value: &str| (line, column.to_owned(), value.to_owned());
    assert_eq!(
        places(&said["faults"]),
        [at(2, "parent", "H03"), at(5, "successor", "H06")]
    );
    let problem = said["faults"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("H03 → H04 → H05 → H03"), "{problem}");
    assert_eq!(
        places(&said["warnings"]),
        [
            at(7, "parent", "H99"),
            at(7, "successor", "H98"),
            at(7, "successor", "H98")
        ]
    );
}

#[test]
fn a_chain_of_successors_that_nobody_follows_is_a_warning() {
    let office = Office::new();
    let mut table = "code,name,valid_from,valid_to,successor\n".to_owned();
    for at in 10..28 {
        table += &format!("H{at},Tỉnh,2019-01-01,2020-01-01,H{}\n", at + 1);
    }
    table += "H28,Tỉnh,2019-01-01,,\n";
    let said = office.import(table, &["--dry-run"]).unwrap();
    let chained = ["H10", "H11"].map(|code| code.to_owned());
    let found: Vec<String> = places(&said["warnings"])
        .into_iter()
        .map(|(_, _, value)| value)
        .collect();
    assert_eq!(found, chained);
}

#[test]
fn old_codes_are_only_proposed() {
    let office = Office::new();
    let table = "\
code,name,aliases
H03,Tỉnh Ba,
H03.36,Sở Ba,
H03.37,Sở Bốn,000.00.36.H03
H03.151,Xã Ba,
H01.36.04,Trung tâm,000.04.36.H01
";
    let said = office.import(table, &[]).unwrap();
    assert_eq!(
        said["proposals"],
        serde_json::json!([{ "code": "H03", "alias": "000.00.00.H03" }]),
        "not what another has, not for other widths, not where there is one"
    );
    assert!(office.agency("H03").aliases.is_empty());
    let warned = places(&said["warnings"]);
    assert_eq!(
        warned,
        [(4, "aliases".to_owned(), "000.00.36.H03".to_owned())]
    );
}

#[test]
fn what_the_file_does_not_name_is_listed_and_ends_only_when_told() {
    let office = Office::new();
    office.import(TABLE, &[]).unwrap();
    let few = "code,name\nH01,Ủy ban nhân dân tỉnh Mẫu\n";
    let said = office.import(few, &["--diff"]).unwrap();
    assert_eq!(
        (&said["missing"], &said["written"]),
        (&3.into(), &false.into())
    );
    assert_eq!(said["diff"][0]["change"], "missing");
    // H01.36.04 exists only from now on: it cannot end before.
    let refused = office
        .import(few, &["--end-missing", "2025-12-31"])
        .unwrap_err();
    let faults = places(&refused["faults"]);
    assert_eq!(
        faults,
        [(0, "--end-missing".to_owned(), "H01.36.04".to_owned())]
    );
    let said = office
        .import(few, &["--end-missing", "31/12/2026"])
        .unwrap();
    assert_eq!((&said["ended"], &said["missing"]), (&2.into(), &1.into()));
    assert_eq!(office.agency("H01.36.04").valid_to, Some(day("2027-01-01")));
    assert_eq!(
        office.agency("H02").valid_to,
        Some(day("2025-07-01")),
        "it ended before"
    );
}

#[test]
fn an_agency_stays_in_its_bundle_and_only_changed_bundles_are_signed() {
    let office = Office::new();
    let mut table = "code,name\n".to_owned();
    for at in 0..2_500 {
        table += &format!("H05.{at:04},Xã {at}\n");
    }
    let said = office.import(&table, &[]).unwrap();
    assert_eq!(said["bundles"], serde_json::json!([1, 2, 3]));
    let sizes: Vec<usize> = office
        .bundles()
        .iter()
        .map(|(_, _, list)| list.len())
        .collect();
    assert_eq!(sizes, [1_000, 1_000, 502]);
    let more = table.replace(",Xã 1500\n", ",Phường 1500\n") + "H05,Tỉnh Năm\n";
    let said = office.import(&more, &[]).unwrap();
    assert_eq!((&said["changed"], &said["added"]), (&1.into(), &1.into()));
    assert_eq!(said["bundles"], serde_json::json!([2, 3]));
    let sequences: Vec<u64> = office
        .bundles()
        .iter()
        .map(|(_, sequence, _)| *sequence)
        .collect();
    assert_eq!(sequences, [2, 2, 2]);
    // One by one goes the same way.
    let dir = text(&office.out);
    tram_pki(&[
        "records", "add", "--dir", dir, "--code", "H05.2499", "--name", "Xã",
    ])
    .unwrap();
    assert_eq!(office.bundles()[2].1, 3);
}

#[test]
fn a_crash_leaves_the_old_bundles_or_leads_to_the_new_ones() {
    let office = Office::new();
    let records = office.out.join("records");
    let before = office.bundles();
    // The bundle of tomorrow, as it would have been signed.
    let other = Office::new();
    other.import(TABLE, &[]).unwrap();
    let next = fs::read(other.out.join("records/agencies-1.rec")).unwrap();
    // Before the decision: the old ones stay, and the rest is cleared away.
    let stage = Stage::open(&records).unwrap();
    stage.add(1, &next).unwrap();
    drop(stage);
    assert_eq!(office.bundles(), before);
    office.import(TABLE, &[]).unwrap();
    assert!(!records.join(".agencies.staged").exists());
    // After it: the old ones stay until whatever command comes next finishes first.
    let office = Office::new();
    let records = office.out.join("records");
    let before = office.bundles();
    let stage = Stage::open(&records).unwrap();
    stage.add(1, &next).unwrap();
    stage.decide().unwrap();
    assert_eq!(office.bundles(), before);
    let said = office.import(TABLE, &["--dry-run"]).unwrap();
    assert_eq!(said["unchanged"], 4);
    assert_eq!(fs::read(records.join("agencies-1.rec")).unwrap(), next);
    assert!(!records.join(".agencies.ready").exists());
}

#[test]
fn an_agency_with_long_names_opens_another_bundle_before_the_limit() {
    let office = Office::new();
    let mut table = "code,name,aliases\n".to_owned();
    for at in 0..1_100 {
        let long = format!("{}{at}", "Ủ".repeat(290));
        table += &format!("H05.{at:04},{long},{long};{long}b\n");
    }
    office.import(&table, &[]).unwrap();
    let sizes: Vec<usize> = office
        .bundles()
        .iter()
        .map(|(_, _, list)| list.len())
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1_102);
    assert!(sizes.iter().all(|size| *size < 1_000), "{sizes:?}");
}

#[test]
fn hostile_tables_are_refused_with_a_reason_and_formulas_are_mere_text() {
    let office = Office::new();
    let wide = "x,".repeat(1_000_000);
    let huge = "a".repeat(8 << 20);
    let cases: [(&str, Vec<u8>); 10] = [
        ("empty", vec![]),
        ("no columns", b"H01,x\n".to_vec()),
        ("utf-16", b"\xff\xfec\0o\0d\0e\0".to_vec()),
        ("huge field", format!("code,name\nH01,{huge}\n").into()),
        ("huge code", format!("code,name\n{huge},x\n").into()),
        (
            "huge aliases",
            format!("code,name,aliases\nH01,x,\"{}\"\n", "a;".repeat(4 << 20)).into(),
        ),
        (
            "quote that never closes",
            format!("code,name\nH01,\"Sở\n{}", "H02,x\n".repeat(100_000)).into(),
        ),
        (
            "a million fields",
            format!("code,name\nH01,{wide}\n").into(),
        ),
        ("nul", b"code,name\nH01,a\0b\n".to_vec()),
        ("direction turned", "code,name\nH01,a\u{202e}b\n".into()),
    ];
    let before = office.files();
    for (name, table) in cases {
        let said = office.import(&table, &[]).unwrap_err();
        let told = said.to_string();
        assert!(told.len() < 20_000, "{name}: {} bytes", told.len());
        assert!(!said["error"].to_string().contains('\u{202e}'), "{told}");
    }
    assert_eq!(office.files(), before);
    let columns = format!("code,name,{wide}\nH03,Ba{}\n", ",".repeat(1_000_001));
    let said = office.import(columns, &["--dry-run"]).unwrap();
    assert_eq!(
        (&said["added"], &said["warnings_total"]),
        (&1.into(), &1.into())
    );
    office
        .import("code,name\nH03,\"=HYPERLINK(\"\"http://x\"\")\"\n", &[])
        .unwrap();
    assert_eq!(office.agency("H03").name, "=HYPERLINK(\"http://x\")");
}

#[test]
fn days_are_those_of_vietnam_with_the_day_before_the_month() {
    let first = day("2025-07-01");
    assert_eq!(first.rfc3339(), "2025-06-30T17:00:00.000Z");
    for same in [
        "2025/07/01",
        "01/07/2025",
        "1/7/2025",
        "01-07-2025",
        "2025-06-30T17:00:00.000Z",
    ] {
        assert_eq!(
            Moment::parse(same).map(Moment::begin),
            Some(first),
            "{same}"
        );
    }
    let last = Moment::parse("2025-06-30").unwrap();
    assert_eq!(last.end(), first);
    for bad in [
        "",
        "2025",
        "2025-02-29",
        "07/13/2025",
        "1/7/25",
        "2025-7-1-1",
        "+1/7/2025",
        "2025-07-01 ",
        "٠١/٠٧/٢٠٢٥",
    ] {
        assert_eq!(Moment::parse(bad), None, "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_table_panics(body in proptest::collection::vec(any::<u8>(), 0..200), named in any::<bool>()) {
        let mut table = if named { b"code,name,aliases,valid_to\n".to_vec() } else { vec![] };
        table.extend(body);
        let (mut errors, mut warnings) = (Findings::default(), Findings::default());
        drop(table::read(&table, &mut errors, &mut warnings));
    }

    #[test]
    fn what_a_table_says_is_read_as_it_was_meant(
        names in proptest::collection::vec("[a-zA-ZĐđạ,;\"'\t -]{0,20}x", 1..20),
        separator in proptest::sample::select(vec![b',', b';', b'\t']),
    ) {
        let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
        writer.write_record(["code", "name"]).unwrap();
        for (at, name) in names.iter().enumerate() {
            writer.write_record([&format!("H01.{at}"), name]).unwrap();
        }
        let (mut errors, mut warnings) = (Findings::default(), Findings::default());
        let table = table::read(&writer.into_inner().unwrap(), &mut errors, &mut warnings).ok().unwrap();
        let hidden = names.iter().filter(|name| name.trim().contains('\t')).count();
        prop_assert_eq!(errors.total, u64::try_from(hidden).unwrap());
        let read: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
        let meant: Vec<String> = names
            .iter()
            .map(|name| formats::text::composed(name))
            .filter(|name| !name.contains('\t'))
            .collect();
        prop_assert_eq!(read, meant);
    }
}

/// Paths are those of the authority's folder, never of the table.
#[test]
fn nothing_is_written_outside_the_records_folder() {
    let office = Office::new();
    let listing = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = [listing(&office.out), listing(&office.out.join("authority"))];
    office.import(TABLE, &[]).unwrap();
    let after = [listing(&office.out), listing(&office.out.join("authority"))];
    assert_eq!(before, after);
}
