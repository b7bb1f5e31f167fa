//! The directory at the size of the country: import of 200,000 agencies from a table by the real command,
//! loading them into a station's snapshot, finding them. No station runs.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use formats::id::AgencyCode;
use pki::cert::Certificate;
use relay::clock::Clock;
use relay::directory::Directory;
use serde_json::{Value, json};
use tests::process::bin;
use tests::samples::Noise;

use crate::measure::{peak_mib, percentile, resident_mib};

const AGENCIES: usize = 200_000;
const SEARCHES: usize = 4_000;
const LOOKUPS: usize = 1_000_000;

const PLAN: &str = r#"
[authority]
name = "Cơ quan chứng thực"
trust_domain = "tram.test"
[tsa]
name = "tsa-1.tram.test"
url = "http://127.0.0.1:9/"
[[station]]
name = "node-a.tram.test"
kind = "node"
address = "127.0.0.1:9"
"#;

/// Everything in one row.
pub fn measure(base: &Path) -> Value {
    eprintln!("tram-bench: directory of {AGENCIES} agencies");
    let folder = tempfile::Builder::new()
        .prefix("tram-bench-")
        .tempdir_in(base)
        .expect("folder");
    let (plan, dir) = (folder.path().join("plan.toml"), folder.path().join("pki"));
    let table = folder.path().join("agencies.csv");
    std::fs::write(&plan, PLAN).expect("plan");
    let codes = write_table(&table);
    let path = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let (plan, dir_text, table) = (path(&plan), path(&dir), path(&table));
    tram_pki(&["init", "--plan", &plan, "--out", &dir_text]);
    let import = ["directory", "import", &table, "--dir", &dir_text];
    let dry = tram_pki(&[&import[..], &["--dry-run"]].concat());
    let first = tram_pki(&import);
    let again = tram_pki(&import);

    let before = resident_mib(std::process::id());
    let pinned = Certificate::load(&dir.join("authority/trust-list.crt")).expect("certificate");
    let begin = Instant::now();
    let now = Clock::system().now();
    let directory = Directory::open(dir.join("records"), pinned, now).expect("a directory");
    let load_s = begin.elapsed().as_secs_f64();
    let load_mib = resident_mib(std::process::id()) - before;
    let known = directory.snapshot().agencies().count();
    assert_eq!(known, AGENCIES, "all were loaded");

    let lookup_us = lookups(&directory, &codes);
    let (mut searches, slowest) = searches(&directory);
    let reload = reload(&directory, &dir_text, &codes);
    json!({
        "step": "directory",
        "agencies": AGENCIES,
        "import_s": hundredths(first.secs),
        "import_rss_mib": first.peak_mib.round(),
        "import_dry_run_s": hundredths(dry.secs),
        "import_again_s": hundredths(again.secs),
        "load_s": hundredths(load_s),
        "load_rss_mib": load_mib.round(),
        "lookup_us": hundredths(lookup_us),
        "search_ms_p50": hundredths(percentile(&mut searches, 0.50)),
        "search_ms_p99": hundredths(percentile(&mut searches, 0.99)),
        "search_ms_max": hundredths(percentile(&mut searches, 1.0)),
        "search_slowest": slowest,
        "reload_s": hundredths(reload.0),
        "lookup_ms_max_while_reloading": hundredths(reload.1),
    })
}

struct Ran {
    secs: f64,
    peak_mib: f64,
}

/// Runs the command to its end and watches its memory.
fn tram_pki(arguments: &[&str]) -> Ran {
    let begin = Instant::now();
    let mut child = Command::new(bin("tram-pki"))
        .arg("--json")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("tram-pki starts");
    let mut peak = 0.0_f64;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be asked") {
            assert!(status.success(), "tram-pki {arguments:?}");
            let secs = begin.elapsed().as_secs_f64();
            return Ran {
                secs,
                peak_mib: peak,
            };
        }
        peak = peak.max(peak_mib(child.id()));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Microseconds of one look-up by code.
fn lookups(directory: &Directory, codes: &[String]) -> f64 {
    let codes: Vec<AgencyCode> = codes
        .iter()
        .map(|code| code.parse().expect("a code"))
        .collect();
    let mut noise = Noise::new(3);
    let begin = Instant::now();
    for _ in 0..LOOKUPS {
        let code = &codes[noise.word() as usize % codes.len()];
        assert!(std::hint::black_box(directory.agency(code)).is_some());
    }
    begin.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64
}

/// Milliseconds of each search, and the slowest question.
fn searches(directory: &Directory) -> (Vec<f64>, String) {
    let mut noise = Noise::new(4);
    let mut slowest = (0.0, String::new());
    let mut all = Vec::with_capacity(SEARCHES);
    let now = Clock::system().now();
    for at in 0..SEARCHES {
        let question = question(at, &mut noise);
        let begin = Instant::now();
        std::hint::black_box(directory.search(&question, 20, now));
        let ms = begin.elapsed().as_secs_f64() * 1e3;
        all.push(ms);
        if ms > slowest.0 {
            slowest = (ms, question);
        }
    }
    (all, slowest.1)
}

/// What people type: codes, old codes, names with and without marks, parts, single letters, nonsense.
fn question(at: usize, noise: &mut Noise) -> String {
    let mut pick = |list: &[&str]| list[noise.word() as usize % list.len()].to_owned();
    let place = format!("{} {}", pick(&FIRST), pick(&SECOND));
    match at % 12 {
        0 => format!("H{:02}.1{:02}", 1 + at % 34, at % 100),
        1 => format!("h{:02}", 1 + at % 34),
        2 => format!("000.00.{:02}.H{:02}", 1 + at % 20, 1 + at % 34),
        3 => place,
        4 => formats::text::fold(&place),
        5 => format!("{place} xã {}", pick(&UNITS)),
        6 => formats::text::fold(&format!("{} {place}", pick(&UNITS))),
        7 => pick(&["u", "h", "t", "x", "đ", "s", "0", "1"]),
        8 => pick(&["zzzz", "h99.99", "khong co dau", "qqq www eee"]),
        9 => formats::text::fold(&pick(&DEPARTMENTS)),
        10 => pick(&[
            "t t h x",
            "u b n d",
            "truong tieu hoc",
            "ủy ban nhân dân xã",
            "so",
        ]),
        // Typed letter by letter.
        _ => "Trươ\u{300}ng Tiê\u{309}u ho\u{323}c".to_owned(),
    }
}

/// Seconds to take a changed bundle over, and the longest that a look-up waited meanwhile.
fn reload(directory: &Directory, dir: &str, codes: &[String]) -> (f64, f64) {
    let code = &codes[codes.len() / 2];
    tram_pki(&[
        "records",
        "add",
        "--dir",
        dir,
        "--code",
        code,
        "--name",
        "Tên mới",
    ]);
    let wanted: AgencyCode = code.parse().expect("a code");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let longest = scope.spawn(|| {
            let mut longest = 0.0_f64;
            while !done.load(Ordering::Relaxed) {
                let begin = Instant::now();
                assert!(directory.agency(&wanted).is_some());
                longest = longest.max(begin.elapsed().as_secs_f64() * 1e3);
                std::thread::sleep(Duration::from_micros(200));
            }
            longest
        });
        let begin = Instant::now();
        let changed = directory.poll(Clock::system().now()).expect("a poll");
        let secs = begin.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        assert!(changed, "the new bundle was seen");
        let name = directory
            .agency(&wanted)
            .map(|entry| entry.agency.name.clone());
        assert_eq!(name.as_deref(), Some("Tên mới"));
        (secs, longest.join().expect("the reader ends"))
    })
}

/// Writes the table; gives the codes.
fn write_table(path: &Path) -> Vec<String> {
    let mut text = "mã định danh,tên cơ quan,mã cũ,cơ quan cấp trên,hiệu lực từ,hiệu lực đến,cơ quan kế thừa\n".to_owned();
    let mut codes = Vec::with_capacity(AGENCIES);
    let mut noise = Noise::new(7);
    for province in 1..=34 {
        let top = format!("H{province:02}");
        let place = place(&mut noise);
        add(
            &mut text,
            &mut codes,
            &top,
            &format!("Ủy ban nhân dân tỉnh {place}"),
            "",
        );
        for (at, department) in DEPARTMENTS.iter().cycle().take(20).enumerate() {
            let code = format!("{top}.{:02}", at + 1);
            add(
                &mut text,
                &mut codes,
                &code,
                &format!("{department} tỉnh {place}"),
                &top,
            );
            for unit in 1..=25 {
                let name = format!("{} thuộc {department}", UNITS[unit % UNITS.len()]);
                add(
                    &mut text,
                    &mut codes,
                    &format!("{code}.{unit:02}"),
                    &name,
                    &code,
                );
            }
        }
        for commune in 100..200 {
            let code = format!("{top}.{commune}");
            let name = self::place(&mut noise);
            add(
                &mut text,
                &mut codes,
                &code,
                &format!("Ủy ban nhân dân xã {name}"),
                &top,
            );
            for unit in 1..=60 {
                if codes.len() >= AGENCIES {
                    break;
                }
                let kind = UNITS[unit % UNITS.len()];
                let name = format!("{kind} {} xã {name}", self::place(&mut noise));
                add(
                    &mut text,
                    &mut codes,
                    &format!("{code}.{unit:02}A"),
                    &name,
                    &code,
                );
            }
        }
    }
    codes.truncate(AGENCIES);
    assert_eq!(codes.len(), AGENCIES, "the table is as long as it says");
    std::fs::write(path, text).expect("the table is written");
    codes
}

/// One row: old code where there is one, a former name for every tenth, an end for every twentieth.
fn add(text: &mut String, codes: &mut Vec<String>, code: &str, name: &str, parent: &str) {
    if codes.len() >= AGENCIES {
        return;
    }
    let at = codes.len();
    let parsed: AgencyCode = code.parse().expect("a code");
    let mut aliases = parsed
        .likely_old_code()
        .map_or(String::new(), |old| old.to_string());
    if at.is_multiple_of(10) {
        let _ = write!(aliases, ";{name} (cũ {at})@..2025-06-30");
    }
    let ends = at.is_multiple_of(20) && !parent.is_empty();
    let (to, after) = if ends {
        ("2025-06-30", parent)
    } else {
        ("", "")
    };
    let _ = writeln!(
        text,
        "{code},\"{name}\",\"{aliases}\",{parent},2020-01-01,{to},{after}"
    );
    codes.push(code.to_owned());
}

fn place(noise: &mut Noise) -> String {
    let (first, second) = (noise.word() as usize, noise.word() as usize);
    format!(
        "{} {}",
        FIRST[first % FIRST.len()],
        SECOND[second % SECOND.len()]
    )
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

const FIRST: [&str; 24] = [
    "Tân", "Long", "Phú", "Bình", "Vĩnh", "Hòa", "An", "Thạnh", "Mỹ", "Đông", "Tây", "Nam", "Bắc",
    "Xuân", "Quảng", "Hưng", "Thái", "Yên", "Đại", "Cẩm", "Kim", "Ngọc", "Lộc", "Sơn",
];
const SECOND: [&str; 24] = [
    "Thành", "Phước", "Lập", "Định", "Đức", "Thủy", "Giang", "Khánh", "Trung", "Hiệp", "Thuận",
    "Lợi", "Phong", "Hải", "Châu", "Lâm", "Điền", "Nghĩa", "Quang", "Minh", "Thịnh", "Hậu", "Tiến",
    "Xá",
];
const UNITS: [&str; 10] = [
    "Trường Tiểu học",
    "Trường Mầm non",
    "Trường Trung học cơ sở",
    "Trạm y tế",
    "Phòng Kinh tế",
    "Phòng Văn hóa - Xã hội",
    "Trung tâm Phục vụ hành chính công",
    "Ban Chỉ huy quân sự",
    "Văn phòng",
    "Trung tâm Cung ứng dịch vụ công",
];
const DEPARTMENTS: [&str; 14] = [
    "Sở Nội vụ",
    "Sở Tài chính",
    "Sở Y tế",
    "Sở Xây dựng",
    "Sở Công Thương",
    "Sở Tư pháp",
    "Sở Khoa học và Công nghệ",
    "Sở Nông nghiệp và Môi trường",
    "Sở Giáo dục và Đào tạo",
    "Sở Văn hóa, Thể thao và Du lịch",
    "Sở Dân tộc và Tôn giáo",
    "Thanh tra tỉnh",
    "Văn phòng",
    "Ban Quản lý các khu công nghiệp",
];
