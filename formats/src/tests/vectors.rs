//! Golden vectors: `formats/vectors/*.json`, one file for each format.
//!
//! A file has a description and cases; a case has a name, the bytes in hexadecimal (or as text
//! where the format is text), `accept`, and for accepted cases the digests that others need to
//! compare. The accepted cases are made from the fixed samples, the refused ones by a stated
//! change of them. With `TRAM_WRITE_VECTORS=1` the files are written anew; otherwise they are
//! compared with what the code makes now, and every case, as it stands in the file, is decoded
//! and its verdict checked.

mod query;
mod recall;

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::samples;
use crate::checkpoint::{Checkpoint, LogOrigin, Note, SignedCheckpoint};
use crate::frame::{self, Control, FrameError, Transfer};
use crate::header::{self, Header};
use crate::id::Digest;
use crate::receipt::ReceiptBundle;
use crate::record::Record;
use crate::statement::{self, LogOpened, Statement};
use crate::witness::{AddCheckpoint, cosigned_message};
use crate::{limits, merkle};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// How the bytes of a file's cases are written.
#[derive(Clone, Copy)]
enum Form {
    Hex,
    Text,
}

/// One file while it is made.
struct File {
    name: &'static str,
    form: Form,
    about: &'static str,
    cases: Vec<Value>,
}

impl File {
    fn new(name: &'static str, form: Form, about: &'static str) -> Self {
        Self {
            name,
            form,
            about,
            cases: Vec::new(),
        }
    }

    fn case(&mut self, name: &str, bytes: &[u8], accept: bool, more: Value) {
        let mut case = json!({ "name": name, "accept": accept });
        match self.form {
            Form::Hex => case["hex"] = to_hex(bytes).into(),
            Form::Text => case["text"] = String::from_utf8(bytes.to_vec()).unwrap().into(),
        }
        if let Value::Object(more) = more {
            case.as_object_mut().unwrap().extend(more);
        }
        self.cases.push(case);
    }

    fn accept(&mut self, name: &str, bytes: &[u8], more: Value) {
        self.case(name, bytes, true, more);
    }

    fn refuse(&mut self, name: &str, bytes: &[u8]) {
        self.case(name, bytes, false, Value::Null);
    }

    /// Writes or compares the file, then judges every case of the file on disk by `decode`.
    fn settle<T, E: Debug>(self, decode: impl Fn(&[u8]) -> Result<T, E>) {
        let path = folder().join(self.name);
        let made = json!({
            "about": self.about,
            "cases": self.cases,
        });
        if std::env::var_os("TRAM_WRITE_VECTORS").is_some() {
            fs::create_dir_all(folder()).unwrap();
            let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
            fs::write(&path, text).unwrap();
        }
        let stored: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        // As values: whether a map keeps its order depends on what else is in the build.
        assert!(
            stored == made,
            "{} differs from what the code makes",
            self.name
        );
        for case in stored["cases"].as_array().unwrap() {
            let bytes = match self.form {
                Form::Hex => from_hex(case["hex"].as_str().unwrap()),
                Form::Text => case["text"].as_str().unwrap().as_bytes().to_vec(),
            };
            let accept = case["accept"].as_bool().unwrap();
            let verdict = decode(&bytes).map(|_| ());
            println!("{}: {}: {verdict:?}", self.name, case["name"]);
            assert_eq!(verdict.is_ok(), accept, "{}: {}", self.name, case["name"]);
        }
    }
}

/// `bytes` with the first `old` replaced by `new`, which must occur.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(old.len())
        .position(|window| window == old)
        .unwrap();
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

fn swapped(text: &[u8], old: &str, new: &str) -> Vec<u8> {
    replaced(text, old.as_bytes(), new.as_bytes())
}

fn cut(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() - 1]
}

fn longer(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

fn header_facts(header: &Header) -> Value {
    json!({ "digest": header.digest().to_string(), "ctx": header.ctx().to_string() })
}

#[test]
fn header_vectors_hold() {
    let mut file = File::new(
        "header.json",
        Form::Hex,
        "Envelope headers: CBOR [context, body digest, body size]; digest = SHA-256 of the bytes, \
         ctx = SHA-256 of the context",
    );
    let (document, receipt) = (samples::header(), samples::receipt_header());
    let bytes = document.bytes();
    file.accept("document to two agencies", bytes, header_facts(&document));
    file.accept(
        "receipt between stations",
        receipt.bytes(),
        header_facts(&receipt),
    );
    let ignored = samples::header_with_key(128);
    file.accept(
        "unknown key 128",
        &ignored,
        header_facts(&Header::decode(&ignored).unwrap()),
    );
    let changed = replaced(bytes, b"H02.1", b"H02.2");
    let facts = header_facts(&Header::decode(&changed).unwrap());
    file.accept(
        "recipient changed: another header, no signature fits",
        &changed,
        facts,
    );
    refused_headers(&mut file, bytes);
    file.settle(Header::decode);
}

fn refused_headers(file: &mut File, bytes: &[u8]) {
    let context = {
        let mut r = crate::cbor::Reader::new(bytes);
        r.array_exact(3, "header").unwrap();
        r.bytes(4096, "context").unwrap().to_vec()
    };
    let around = samples::header_around;
    file.refuse("unknown key 14", &samples::header_with_key(14));
    file.refuse("unknown key 127", &samples::header_with_key(127));
    file.refuse("key 13 twice", &samples::header_with_key(13));
    file.refuse("byte after the header", &longer(bytes));
    file.refuse("byte after the context", &around(&longer(&context)));
    file.refuse("cut", cut(bytes));
    file.refuse(
        "version 2",
        &around(&replaced(&context, &[0x01, 0x01], &[0x01, 0x02])),
    );
    file.refuse(
        "class 1 in two bytes",
        &around(&replaced(&context, &[3, 1, 4], &[3, 0x18, 1, 4])),
    );
    file.refuse(
        "class 9",
        &around(&replaced(&context, &[3, 1, 4], &[3, 9, 4])),
    );
    file.refuse(
        "priority 5",
        &around(&replaced(&context, &[7, 1, 8], &[7, 5, 8])),
    );
    let mut indefinite = context.clone();
    indefinite[0] = 0xbf;
    indefinite.push(0xff);
    file.refuse("map of indefinite length", &around(&indefinite));
    let mut without_version = replaced(&context, &[1, 1, 2, 0x50], &[2, 0x50]);
    without_version[0] -= 1;
    file.refuse("no version", &around(&without_version));
    let mut version_last = without_version;
    version_last[0] += 1;
    version_last.extend([1, 1]);
    file.refuse("version after the other keys", &around(&version_last));
    file.refuse(
        "recipient twice",
        &around(&replaced(&context, b"\x65H02.1", b"\x63G14")),
    );
    file.refuse(
        "recipient in lower case",
        &around(&replaced(&context, b"H02.1", b"h02.1")),
    );
    let text_as_bytes = replaced(&context, b"\x65H02.1", b"\x45H02.1");
    file.refuse("recipient as byte string", &around(&text_as_bytes));
    let huge = replaced(
        &context,
        &[6, 0x82],
        &[6, 0x9b, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff],
    );
    file.refuse("2^40 recipients announced", &around(&huge));
}

/// A recipient changed after signing is still a header, but not the one that was signed.
#[test]
fn a_changed_recipient_changes_both_digests() {
    let header = samples::header();
    let forged = Header::decode(&replaced(header.bytes(), b"H02.1", b"H02.2")).unwrap();
    assert_ne!(forged.digest(), header.digest());
    assert_ne!(forged.ctx(), header.ctx());
}

#[test]
fn commitment_vectors_hold() {
    let mut file = File::new(
        "commitment.json",
        Form::Hex,
        "Commitments: hex = salt (32 bytes), packet SHA-256 (32 bytes), signature value; \
         commitment = SHA-256(\"tram-content-1\", salt, packet SHA-256, SHA-256(signature value))",
    );
    let packet = Digest::of(b"<edXML/>");
    for (name, signature) in [
        ("with signature", &b"signature"[..]),
        ("empty signature", b""),
    ] {
        let bytes = [&[9; 32][..], packet.as_bytes(), signature].concat();
        let commitment = header::commitment(&[9; 32], &packet, signature).to_string();
        file.accept(name, &bytes, json!({ "commitment": commitment }));
    }
    file.settle(|bytes| {
        if bytes.len() >= 64 {
            Ok(())
        } else {
            Err("short")
        }
    });
}

#[test]
fn statement_vectors_hold() {
    let mut file = File::new(
        "statement.json",
        Form::Text,
        "Statements: one JSON text each; leaf = RFC 6962 leaf hash with a salt of 32 bytes 0x03",
    );
    let facts = |text: &[u8]| {
        json!({
            "digest": Digest::of(text).to_string(),
            "leaf": statement::leaf_hash(&[3; 32], text).to_string(),
        })
    };
    let full = samples::statement().to_json();
    for (name, text) in [
        ("relay rejection, every field", full.clone()),
        (
            "delivered, no optional field",
            samples::short_statement().to_json(),
        ),
        ("first leaf of an epoch", samples::log_opened().to_json()),
    ] {
        file.accept(name, &text, facts(&text));
    }
    file.refuse("space", &swapped(&full, ":", ": "));
    file.refuse("newline after", &[&full[..], b"\n"].concat());
    file.refuse("unknown key", &swapped(&full, "{", "{\"x\":1,"));
    file.refuse("key twice", &swapped(&full, "{", "{\"v\":1,"));
    file.refuse("version 2", &swapped(&full, "\"v\":1", "\"v\":2"));
    file.refuse(
        "other order",
        &swapped(&swapped(&full, "\"v\":1,", ""), "true}", "true,\"v\":1}"),
    );
    file.refuse(
        "escaped letter",
        &swapped(&full, "\"G14\"", "\"\\u004714\""),
    );
    file.refuse("null for absent", &swapped(&full, "\"busy\"", "null"));
    file.refuse("default spelled out", &swapped(&full, "true}", "false}"));
    file.refuse("unknown reason", &swapped(&full, "busy", "lazy"));
    file.refuse(
        "unknown event",
        &swapped(&full, "RelayRejection", "RelayObjection"),
    );
    file.refuse(
        "rejection without reason",
        &swapped(&full, "\"reason\":\"busy\",", ""),
    );
    file.refuse(
        "success with reason",
        &swapped(&full, "RelayRejection", "RelayAcceptance"),
    );
    file.refuse(
        "time with offset",
        &swapped(&full, "Z\",\"station", "+00:00\",\"station"),
    );
    file.refuse("digest in upper case", &{
        let digest = samples::statement().prev.to_string();
        let at = full.len() - 100;
        let tail = swapped(&full[at..], &digest, &digest.to_uppercase());
        [&full[..at], &tail].concat()
    });
    file.refuse("cut", cut(&full));
    file.refuse("two texts", &[&full[..], &full].concat());
    file.settle(|text| {
        LogOpened::parse(text)
            .map(|_| ())
            .or_else(|_| Statement::parse(text).map(|_| ()))
    });
}

#[test]
fn note_vectors_hold() {
    let mut file = File::new(
        "note.json",
        Form::Text,
        "Checkpoints as C2SP signed notes; the signatures are filler, the key id of the first line \
         is that of an Ed25519 key of 32 bytes 0x07; root in hexadecimal",
    );
    let note = samples::bundle().checkpoint.parsed().unwrap();
    let text = note.to_text().into_bytes();
    let facts = |c: &Checkpoint| json!({ "size": c.size, "root": c.root.to_string() });
    file.accept("log and witness", &text, facts(&note.checkpoint));
    let one = Note {
        signatures: note.signatures[..1].to_vec(),
        ..note.clone()
    };
    file.accept(
        "log only",
        one.to_text().as_bytes(),
        facts(&note.checkpoint),
    );
    let body = note.checkpoint.body();
    file.refuse("no signature", format!("{body}\n").as_bytes());
    file.refuse("no empty line", &swapped(&text, "\n\n", "\n"));
    file.refuse("bad base64 in signature", &swapped(&text, "BQUF", "BQ!F"));
    file.refuse("bad base64 in root", &swapped(&text, "\n5\n", "\n5\n!"));
    file.refuse("base64 without padding", &swapped(&text, "=\n\n", "\n\n"));
    file.refuse(
        "carriage returns",
        &String::from_utf8_lossy(&text)
            .replace('\n', "\r\n")
            .into_bytes(),
    );
    file.refuse("size with leading zero", &swapped(&text, "\n5\n", "\n05\n"));
    file.refuse(
        "size over 64 bits",
        &swapped(&text, "\n5\n", "\n18446744073709551616\n"),
    );
    file.refuse("extension line", &swapped(&text, "\n\n", "\nextension\n\n"));
    file.refuse("origin without epoch", &swapped(&text, "/log/1\n", "\n"));
    file.refuse("hyphen for dash", &swapped(&text, "\u{2014}", "-"));
    file.refuse(
        "signature of key id only",
        format!("{body}\n\u{2014} name AQIDBA==\n").as_bytes(),
    );
    file.refuse("no final newline", cut(&text));
    file.settle(|text| Note::parse(std::str::from_utf8(text).unwrap()));
}

#[test]
fn receipt_vectors_hold() {
    let mut file = File::new(
        "receipt.json",
        Form::Hex,
        "Receipt bundles: CBOR [1, [[statement, salt, index, path], ...], [note, cms, token]]; \
         accepted when they decode and every inclusion path holds; cms and token are filler",
    );
    let bundle = samples::bundle();
    let bytes = bundle.encode();
    let note = bundle.checkpoint.parsed().unwrap();
    file.accept(
        "three of five leaves",
        &bytes,
        json!({
            "root": note.checkpoint.root.to_string(),
            "leaves": bundle.proven.iter().map(|p| p.leaf_hash().to_string()).collect::<Vec<_>>(),
        }),
    );
    let changed = |change: fn(&mut ReceiptBundle)| {
        let mut bundle = samples::bundle();
        change(&mut bundle);
        bundle.encode()
    };
    file.accept(
        "without token",
        &changed(|b| b.checkpoint.token = None),
        Value::Null,
    );
    file.refuse("wrong salt", &changed(|b| b.proven[1].salt[0] ^= 1));
    file.refuse("wrong index", &changed(|b| b.proven[1].index = 1));
    file.refuse("index beyond the tree", &changed(|b| b.proven[1].index = 5));
    file.refuse(
        "wrong path",
        &changed(|b| b.proven[1].path[0] = Digest::of(b"x")),
    );
    file.refuse("path too short", &changed(|b| b.proven[1].path.truncate(1)));
    file.refuse(
        "path too long",
        &changed(|b| b.proven[1].path.push(Digest::of(b"x"))),
    );
    file.refuse(
        "path over the limit",
        &changed(|b| {
            b.proven[1].path = vec![Digest::of(b"x"); limits::PROOF_DIGESTS_MAX + 1];
        }),
    );
    file.refuse(
        "statement of another station",
        &changed(|b| {
            b.checkpoint.note = b.checkpoint.note.replace("relay-a", "relay-b");
        }),
    );
    file.refuse(
        "changed statement",
        &changed(|b| {
            b.proven[1].statement = swapped(&b.proven[1].statement, "G14", "G15");
        }),
    );
    file.refuse("no statement", &changed(|b| b.proven.clear()));
    file.refuse("cut", cut(&bytes));
    file.refuse("byte after", &longer(&bytes));
    file.refuse(
        "version 2",
        &replaced(&bytes, &[0x83, 1, 0x83], &[0x83, 2, 0x83]),
    );
    file.refuse(
        "version in two bytes",
        &replaced(&bytes, &[0x83, 1, 0x83], &[0x83, 0x18, 1, 0x83]),
    );
    file.settle(|bytes| ReceiptBundle::decode(bytes).and_then(|bundle| bundle.statements()));
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one list of frames and their rejects"
)]
fn frame_vectors_hold() {
    let mut file = File::new(
        "frame.json",
        Form::Hex,
        "Frames of tram/1 with their length prefix; kinds 1 to 7 on the control stream, 16 to \
         21 on transfer streams",
    );
    for (name, frame) in samples::controls() {
        file.accept(name, &frame.encode().unwrap(), Value::Null);
    }
    for (name, frame) in samples::transfers() {
        file.accept(name, &frame.encode().unwrap(), Value::Null);
    }
    let framed = |payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap();
        [&length.to_be_bytes()[..], payload].concat()
    };
    file.accept(
        "want with unknown key 128",
        &framed(&[0x82, 17, 0xa2, 1, 3, 0x18, 128, 0]),
        Value::Null,
    );
    file.refuse(
        "want with unknown key 2",
        &framed(&[0x82, 17, 0xa2, 1, 3, 2, 0]),
    );
    file.refuse("want without its key", &framed(&[0x82, 17, 0xa0]));
    file.refuse(
        "want with key twice",
        &framed(&[0x82, 17, 0xa2, 1, 3, 1, 3]),
    );
    file.refuse(
        "want with long integer",
        &framed(&[0x82, 17, 0xa1, 1, 0x18, 3]),
    );
    file.refuse(
        "want beyond 32 bits",
        &framed(&[0x82, 17, 0xa1, 1, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
    );
    file.refuse("want with tag", &framed(&[0x82, 17, 0xa1, 1, 0xc0, 3]));
    file.refuse("no heads", &framed(&[0x82, 5, 0xa1, 1, 0x80]));
    file.refuse("33 heads announced", &framed(&[0x82, 5, 0xa1, 1, 0x98, 33]));
    let mut head = samples::bundle().checkpoint;
    head.token = Some(vec![9]);
    let with_token = Control::Heads { heads: vec![head] };
    file.refuse("head with a token", &with_token.encode().unwrap());
    let prove = |old, new, hops| {
        let origin = "relay-a.tram.test/log/1".parse().unwrap();
        let number = 3;
        let frame = Control::Prove {
            number,
            origin,
            old,
            new,
            hops,
        };
        frame.encode().unwrap()
    };
    file.refuse("proof from nothing", &prove(0, 9, 4));
    file.refuse("proof backwards", &prove(9, 5, 4));
    file.refuse("proof over five stations", &prove(5, 9, 5));
    file.refuse("kind 99", &framed(&[0x82, 0x18, 99, 0xa0]));
    file.refuse("byte after", &framed(&[0x82, 17, 0xa1, 1, 3, 0]));
    file.refuse("no leaves", &framed(&[0x82, 20, 0xa1, 1, 0x80]));
    file.refuse(
        "2^32 leaves announced",
        &framed(&[0x82, 20, 0xa1, 1, 0x9a, 0xff, 0xff, 0xff, 0xff]),
    );
    file.refuse(
        "empty list of refused legs",
        &framed(&[0x82, 21, 0xa1, 2, 0x80]),
    );
    file.refuse(
        "length prefix too short",
        &[0, 0, 0, 3, 0x82, 17, 0xa1, 1, 3],
    );
    file.refuse(
        "length prefix too long",
        &[0, 0, 0, 9, 0x82, 17, 0xa1, 1, 3],
    );
    file.refuse("length over the limit", &[0x00, 0x10, 0x00, 0x01]);
    file.refuse("length of 4 GiB", &[0xff, 0xff, 0xff, 0xff]);
    file.settle(|bytes| {
        let (prefix, payload) = bytes.split_first_chunk().unwrap();
        if frame::payload_bytes(*prefix)? != payload.len() {
            return Err(FrameError::Rule("the vector's prefix is not its length"));
        }
        match Control::decode(payload) {
            Err(FrameError::UnknownKind(_)) => Transfer::decode(payload).map(|_| ()),
            other => other.map(|_| ()),
        }
    });
}

fn refuse_agencies(file: &mut File) {
    let agencies = samples::agencies().to_json();
    file.refuse(
        "agencies: code in lower case",
        &swapped(&agencies, "\"H01.36\"", "\"h01.36\""),
    );
    file.refuse(
        "agencies: name turns direction",
        &swapped(&agencies, "Mẫu", "M\u{202e}u"),
    );
    file.refuse(
        "agencies: not sorted",
        &swapped(&agencies, "\"code\":\"H01\"", "\"code\":\"H09\""),
    );
    let dated = samples::agencies_with_dates().to_json();
    let end = ",\"to\":\"2026-11-22T03:31:02.114Z\"";
    file.refuse(
        "agencies with dates: alias without dates as an object",
        &swapped(&dated, end, ""),
    );
    file.refuse(
        "agencies with dates: alias ends before it begins",
        &swapped(
            &dated,
            "1970-01-01T00:00:00.000Z\",\"to\"",
            "2026-11-23T00:00:00.000Z\",\"to\"",
        ),
    );
    file.refuse(
        "agencies with dates: alias twice",
        &swapped(&dated, "\"H01-36\"", "\"000.00.36.H01\""),
    );
    file.refuse(
        "agencies with dates: group of seven",
        &swapped(&dated, "0007A", "00007AB"),
    );
}

fn refuse_witnesses(file: &mut File, list: &[u8], station: &[u8]) {
    file.refuse(
        "trust list with witnesses: more needed than there are",
        &swapped(list, "\"needed\":1", "\"needed\":3"),
    );
    file.refuse(
        "trust list with witnesses: another key id",
        &swapped(list, "witness-2.example+", "witness-3.example+"),
    );
    let key = "BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgY=";
    let own = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    file.refuse(
        "station with old note keys: its own among them",
        &swapped(station, key, own),
    );
}

#[test]
fn witness_vectors_hold() {
    let mut file = File::new(
        "witness.json",
        Form::Text,
        "Bodies of add-checkpoint (c2sp.org/tlog-witness) with the message under a cosignature of \
         the note at 1679315147 (c2sp.org/tlog-cosignature, Ed25519); signatures are filler",
    );
    let request = samples::add_checkpoint();
    let text = request.to_text().into_bytes();
    let message = cosigned_message(1_679_315_147, &request.note.checkpoint.body());
    let facts = json!({
        "old": request.old, "size": request.note.checkpoint.size,
        "cosigned": String::from_utf8(message).unwrap(),
    });
    file.accept("from 3 to 5", &text, facts);
    file.refuse("leading zero", &swapped(&text, "old 3", "old 03"));
    file.refuse("no old size", &swapped(&text, "old 3\n", ""));
    file.refuse("no empty line", &swapped(&text, "\n\n", "\n"));
    file.refuse("hash of 31 bytes", &swapped(&text, "uSLs=\n", "uSL=\n"));
    file.refuse("text after", &[&text[..], b"x"].concat());
    file.refuse("cut", cut(&text));
    file.settle(|text| AddCheckpoint::parse(std::str::from_utf8(text).unwrap()));
}

#[test]
fn record_vectors_hold() {
    let mut file = File::new(
        "record.json",
        Form::Text,
        "Records of every kind: one JSON text each, the attached content of a CMS SignedData",
    );
    let facts = |text: &[u8]| json!({ "digest": Digest::of(text).to_string() });
    let [witnesses, old_keys] = samples::with_witnesses_and_old_keys();
    refuse_witnesses(&mut file, &witnesses.to_json(), &old_keys.to_json());
    for (name, record) in [
        ("agencies", samples::agencies()),
        ("agencies with dates", samples::agencies_with_dates()),
        ("attachment", samples::attachment()),
        ("delegation", samples::delegation()),
        ("station", samples::station()),
        ("trust list", samples::trust_list()),
        ("trust list with witnesses", witnesses),
        ("station with old note keys", old_keys),
    ] {
        let text = record.to_json();
        file.accept(name, &text, facts(&text));
        file.refuse(&format!("{name}: space"), &swapped(&text, ":", ": "));
        file.refuse(
            &format!("{name}: unknown key"),
            &swapped(&text, ",", ",\"x\":1,"),
        );
        file.refuse(
            &format!("{name}: kind twice"),
            &swapped(&text, "{", "{\"record\":\"station\","),
        );
        file.refuse(
            &format!("{name}: newline after"),
            &[&text[..], b"\n"].concat(),
        );
        file.refuse(&format!("{name}: cut"), cut(&text));
    }
    refuse_agencies(&mut file);
    let station = samples::station().to_json();
    file.refuse(
        "station: log of another",
        &swapped(&station, "relay-a.tram.test/log", "relay-x.tram.test/log"),
    );
    file.refuse(
        "station: port with zero",
        &swapped(&station, ":4101", ":04101"),
    );
    file.refuse(
        "station: note key of 31 bytes",
        &swapped(
            &station,
            "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
            "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==",
        ),
    );
    let delegation = samples::delegation().to_json();
    file.refuse(
        "delegation: scope elsewhere",
        &swapped(&delegation, "H01.151", "H02.151"),
    );
    file.settle(Record::parse);
}

/// The checkpoint of the sample bundle is the one that the samples' leaves give.
#[test]
fn the_sample_bundle_is_about_the_sample_log() {
    let note = samples::bundle().checkpoint.parsed().unwrap();
    let origin: LogOrigin = "relay-a.tram.test/log/1".parse().unwrap();
    assert_eq!(note.checkpoint.origin, origin);
    let bytes = samples::bundle().checkpoint.encode();
    assert_eq!(
        SignedCheckpoint::decode(&bytes),
        Ok(samples::bundle().checkpoint)
    );
    assert_ne!(note.checkpoint.root, merkle::root(&[]));
}
