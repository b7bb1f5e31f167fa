//! Every parser against mutated input: no panic, no endless work, and what is accepted can be written back.
//!
//! Seeds are the golden vectors of `formats`, the files under `corpus`, and what a fresh authority
//! issues. Mutations follow a fixed sequence, so a run can be repeated; how far it gets in its time depends
//! on the machine. An input that makes a parser panic is kept under the target folder and named.
//! `./tests/fuzz [SECONDS] [PARSER]` runs longer or one parser only.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use formats::edxml::{self, Limits, NullSink, Packet};
use formats::header::Header;
use tests::samples::Noise;
use tests::world::{Topology, World};

/// One parser and what it is fed at first.
struct Target {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    /// Pieces that mean something to it.
    words: &'static [&'static [u8]],
    run: fn(&[u8]),
}

const XML: &[&[u8]] = &[
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE a [",
    b"<!ENTITY b \"c\">",
    b"&amp;",
    b"&#0;",
    b"&#x10FFFF;",
    b"&lol;",
    b"<!--",
    b"-->",
    b"<?x ?>",
    b"xmlns=\"\"",
    b"xmlns:edXML=\"x\"",
    b"</",
    b"/>",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"2026/02/30",
    b"9999999999",
    b"01",
    b"16",
    b"cid:",
    b"====",
    b"TVo=",
    b"<edXML:To>",
    b"</edXML:To>",
    b"BussinessDocType",
    b"\0",
];
const DER: &[&[u8]] = &[
    &[0x30, 0x80],
    &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
    &[0x31, 0x00],
    &[0x02, 0x01, 0x00],
    &[0x02, 0x02, 0x00, 0x01],
    &[0x06, 0x00],
    &[0x03, 0x01, 0x08],
    &[0x04, 0x81, 0x01],
    &[0x05, 0x00],
    &[0xa0, 0x00],
    &[0x1f, 0x81],
    &[0x00, 0x00],
    &[0x17, 0x0d],
    &[0x18, 0x0f],
];
const PDF: &[&[u8]] = &[
    b"<<",
    b">>",
    b"[",
    b"]",
    b"(",
    b"\\",
    b"/Kids",
    b"/Prev 9",
    b"/Length 4294967296",
    b"/Parent 2 0 R",
    b"1 0 R",
    b"null",
    b"-1",
    b"99999999999",
    b"endobj",
    b"stream\n",
    b"startxref\n9\n%%EOF",
    b"xref\n0 9999999\n",
    b"trailer",
    b"/Encrypt << >>",
    b"/W [8 8 8]",
    b"/Filter /FlateDecode",
    b"/ByteRange [0 1 2 3]",
    b"/Type /ObjStm",
    b"%",
];
const CBOR: &[&[u8]] = &[
    &[0x9f],
    &[0xbf],
    &[0xff],
    &[0x5f],
    &[0x7f],
    &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x5b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00],
    &[0xf6],
    &[0xf7],
    &[0xfb],
    &[0x18, 0x01],
    &[0xa0],
    &[0x80],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xc2, 0x40],
];
const TEXT: &[&[u8]] = &[
    b"\n",
    b"\n\n",
    b"\r\n",
    b"0",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"null",
    b"{}",
    b"[]",
    b"\"\\u0000\"",
    b"\\ud800",
    b"\xf0\x9f\x92\xa9",
    b",",
    b"\xe2\x80\x94 ",
];

fn edxml_packet(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(packet) = edxml::read(bytes, &mut NullSink, &limits) else {
        return;
    };
    let today = edxml::Date::parse("2026/11/22").expect("a day").value;
    let mut written = Vec::new();
    match packet {
        Packet::Document(mut document) => {
            let _found = edxml::validate::document(&document, today);
            // The bytes of attachments are not kept here, so they are written without.
            document.attachments.clear();
            let mut none: [&[u8]; 0] = [];
            let form = edxml::Form::DotNet;
            if edxml::write(&document, form, &mut none, &mut written).is_err() {
                return;
            }
        }
        Packet::Status(status) => {
            let _found = edxml::validate::status(&status, today);
            if edxml::write_status(&status, edxml::Form::DotNet, &mut written).is_err() {
                return;
            }
        }
    }
    let again = edxml::read(&*written, &mut NullSink, &limits);
    assert!(again.is_ok(), "what was written cannot be read: {again:?}");
}

fn header(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.bytes(), bytes, "a header has one encoding");
    }
}

fn receipt(bytes: &[u8]) {
    if let Ok(bundle) = formats::receipt::ReceiptBundle::decode(bytes) {
        assert_eq!(bundle.encode(), bytes, "a bundle has one encoding");
        drop(bundle.statements());
    }
}

fn text_forms(bytes: &[u8]) {
    drop(formats::statement::Statement::parse(bytes));
    drop(formats::record::Record::parse(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(formats::checkpoint::Note::parse(text));
        drop(formats::checkpoint::Checkpoint::parse(text));
        drop(formats::time::Timestamp::parse_rfc3339(text));
        let _date = edxml::Date::parse(text);
        drop(pki::plan::Plan::parse("plan.toml", text.to_owned()));
    }
}

fn pdf(bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(0);
    let now = formats::time::Timestamp::from_unix_s(1_795_316_400);
    let report = pki::pdf::check(
        Cursor::new(bytes),
        length,
        &pki::pdf::Anchors::default(),
        now,
    );
    let believed = |one: &pki::pdf::PdfSignature| one.verdict == pki::pdf::Verdict::Valid;
    assert!(!report.signatures.iter().any(believed), "nobody is trusted");
}

fn frames(bytes: &[u8]) {
    drop(formats::frame::Transfer::decode(bytes));
    drop(formats::frame::Control::decode(bytes));
}

fn der(bytes: &[u8]) {
    drop(pki::cert::Certificate::parse(bytes));
    drop(pki::revoke::Crl::parse(bytes));
    drop(pki::csr::requested_key(bytes));
    drop(pki::record::open(bytes));
    if let Ok(parsed) = pki::sign::Parsed::parse(bytes) {
        let _said = (parsed.signing_time(), parsed.timestamp_token());
        drop(parsed.embedded_certificates());
    }
}

fn packages(bytes: &[u8]) {
    if let Ok(mut package) = formats::proof::ProofReader::open(Cursor::new(bytes)) {
        let members: Vec<_> = package.members().cloned().collect();
        for member in members {
            drop(package.read(&member));
        }
    }
    let mut out = std::io::sink();
    let limits = Limits::default();
    drop(edxml::implicit_zip::inflate(
        Cursor::new(bytes),
        &mut out,
        &limits,
    ));
}

/// One mutated input: a seed, changed a few times.
fn mutate(noise: &mut Noise, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let pick = |noise: &mut Noise, below: usize| -> usize {
        let below = u64::try_from(below.max(1)).unwrap_or(1);
        usize::try_from(noise.word() % below).unwrap_or(0)
    };
    let at = pick(noise, seeds.len());
    let mut input = seeds.get(at).cloned().unwrap_or_default();
    for _ in 0..=pick(noise, 6) {
        let length = input.len();
        let from = pick(noise, length + 1);
        let to = (from + pick(noise, 40)).min(length);
        match pick(noise, 8) {
            0 if length > 0 => {
                let bit = 1_u8 << pick(noise, 8);
                let place = pick(noise, length);
                input[place] ^= bit;
            }
            1 if length > 0 => {
                let place = pick(noise, length);
                input[place] = [0x00, 0x01, 0x7f, 0x80, 0xff, b'<', b'"', 0x30][pick(noise, 8)];
            }
            2 => drop(input.drain(from..to)),
            3 => {
                let piece = input[from..to].to_vec();
                let place = pick(noise, length + 1);
                drop(input.splice(place..place, piece));
            }
            4 | 5 => {
                let word = words.get(pick(noise, words.len())).copied().unwrap_or(b"");
                drop(input.splice(from..from, word.iter().copied()));
            }
            6 => {
                // The head of this and the tail of another.
                let other = &seeds[pick(noise, seeds.len())];
                let cut = pick(noise, other.len() + 1);
                input.truncate(from);
                input.extend_from_slice(&other[cut..]);
            }
            _ => {
                // Nested or repeated much: where depth and counts are bounded.
                let piece = input[from..to].to_vec();
                for _ in 0..pick(noise, 64) {
                    drop(input.splice(from..from, piece.iter().copied()));
                }
            }
        }
        input.truncate(1 << 20);
    }
    input
}

/// Feeds a parser for a time; the number of inputs.
fn run(target: &Target, time: Duration) -> u64 {
    assert!(!target.seeds.is_empty(), "{} has no seeds", target.name);
    for seed in &target.seeds {
        (target.run)(seed);
    }
    let mut noise = Noise::new(u64::from(target.name.len() as u32) + 7);
    let begin = Instant::now();
    let mut inputs = 0;
    while begin.elapsed() < time {
        let input = mutate(&mut noise, &target.seeds, target.words);
        inputs += 1;
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            let kept = kept(target.name, &input);
            panic!("{}: input {inputs} kept as {}", target.name, kept.display());
        }
    }
    inputs
}

fn kept(name: &str, input: &[u8]) -> PathBuf {
    let dir = tests::process::bin_dir().join("../fuzz");
    std::fs::create_dir_all(&dir).expect("the target folder takes files");
    let digest = formats::id::Digest::of(input).to_string();
    let path = dir.join(format!("{name}-{}", &digest[..16]));
    std::fs::write(&path, input).expect("the target folder takes files");
    path
}

fn vectors(file: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/vectors");
    let text = std::fs::read_to_string(path.join(file)).expect("golden vectors lie there");
    let all: serde_json::Value = serde_json::from_str(&text).expect("vectors are JSON");
    let cases = all["cases"].as_array().expect("cases");
    let bytes = |case: &serde_json::Value| {
        if let Some(text) = case["text"].as_str() {
            return Some(text.as_bytes().to_vec());
        }
        let hex = case["hex"].as_str()?;
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
            .collect()
    };
    cases.iter().filter_map(bytes).collect()
}

fn files(dir: &Path, endings: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of seeds") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .and_then(|ending| ending.to_str())
                .is_some_and(|ending| endings.contains(&ending))
            {
                found.push(std::fs::read(path).expect("a seed can be read"));
            }
        }
    }
    found.sort();
    found
}

fn zips() -> Vec<Vec<u8>> {
    use std::io::Write as _;
    let zip = |names: &[&str]| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).expect("a member begins");
            zip.write_all(&[b'x'; 600]).expect("memory takes it");
        }
        zip.finish().expect("a zip ends").into_inner()
    };
    vec![
        zip(&["a.docx"]),
        zip(&["../a", "b"]),
        zip(&["packet.edxml", "README.txt", "verify.sh"]),
    ]
}

#[test]
fn no_mutated_input_makes_a_parser_panic() {
    let mut topology = Topology::one_relay();
    topology.tsa = false;
    let world = World::prepare(&topology);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/edxml");
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/pdf");
    let texts = ["statement.json", "record.json", "note.json"];
    let mut plain: Vec<Vec<u8>> = texts.iter().flat_map(|file| vectors(file)).collect();
    plain.push(std::fs::read(world.dir.join("plan.toml")).expect("the plan lies there"));
    let targets = [
        Target {
            name: "edxml",
            seeds: files(&corpus, &["edxml"]),
            words: XML,
            run: edxml_packet,
        },
        Target {
            name: "der",
            seeds: files(&world.authority, &["crt", "crl", "rec", "pem", "der"]),
            words: DER,
            run: der,
        },
        Target {
            name: "pdf",
            seeds: files(&documents, &["pdf"]),
            words: PDF,
            run: pdf,
        },
        Target {
            name: "header",
            seeds: vectors("header.json"),
            words: CBOR,
            run: header,
        },
        Target {
            name: "frame",
            seeds: vectors("frame.json"),
            words: CBOR,
            run: frames,
        },
        Target {
            name: "receipt",
            seeds: vectors("receipt.json"),
            words: CBOR,
            run: receipt,
        },
        Target {
            name: "text",
            seeds: plain,
            words: TEXT,
            run: text_forms,
        },
        Target {
            name: "zip",
            seeds: zips(),
            words: &[
                b"PK\x01\x02",
                b"PK\x03\x04",
                b"PK\x05\x06",
                &[0xff; 8],
                &[0; 8],
            ],
            run: packages,
        },
    ];
    let wanted = setting("TRAM_FUZZ_PARSER");
    let seconds: u64 = setting("TRAM_FUZZ_SECONDS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let chosen: Vec<&Target> = targets
        .iter()
        .filter(|target| wanted.as_deref().is_none_or(|name| name == target.name))
        .collect();
    let count = u32::try_from(chosen.len()).unwrap_or(1);
    assert!(count > 0, "no parser of this name");
    for target in chosen {
        let inputs = run(target, Duration::from_secs(seconds) / count);
        println!(
            "RESULT fuzz {}: {inputs} mutated inputs of {} seeds, 0 panics",
            target.name,
            target.seeds.len()
        );
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the script that runs this suite chooses its length"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
