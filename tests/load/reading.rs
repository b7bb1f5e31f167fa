//! Reading a packet of 1 GiB: how fast one core parses, decodes and hashes it, beside base64 and SHA-256
//! alone, and how much memory that takes. No process of the product takes part.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::edxml::{self, Limits, NullSink};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::samples::{Letter, Noise};

use crate::measure::{forget_peak, peak_mib};

/// One attachment so large that the packet has about 1 GiB of XML.
const ATTACHMENT_BYTES: u64 = 768 * 1024 * 1024;

/// Writes the packet into `dir`, reads it, and measures the parts alone. `write` gives size and digest.
pub fn measure(dir: &Path, write: impl Fn(&Path, &Letter, u64) -> (u64, [u8; 32])) -> Value {
    eprintln!("tram-bench: reading one packet of 1 GiB");
    let folder = tempfile::Builder::new()
        .prefix("tram-bench-")
        .tempdir_in(dir)
        .expect("folder");
    let path = folder.path().join("large.edxml");
    let letter = Letter::new("H01.36", &["H01.36.04"], "1", "Đo tốc độ đọc");
    let (size, _) = write(&path, &letter, ATTACHMENT_BYTES);
    let limits = Limits {
        attachment_bytes: ATTACHMENT_BYTES * 2,
        attachments_bytes: ATTACHMENT_BYTES * 2,
        ..Limits::default()
    };
    let own = std::process::id();
    forget_peak(own);
    let begin = Instant::now();
    let file = File::open(&path).expect("the packet was written");
    let reader = BufReader::with_capacity(1 << 16, file);
    let packet = edxml::read(reader, &mut NullSink, &limits).expect("it is a packet");
    let secs = begin.elapsed().as_secs_f64();
    let edxml::Packet::Document(document) = packet else {
        panic!("a document was written");
    };
    let read = document.attachments.first().map_or(0, |one| one.size);
    assert_eq!(read, ATTACHMENT_BYTES, "all of the attachment was read");
    let rate = |bytes: u64, secs: f64| (bytes as f64 / 1e6 / secs.max(0.001)).round();
    json!({
        "step": "edxml",
        "phase": "read",
        "size": size,
        "secs": (secs * 100.0).round() / 100.0,
        "mb_per_s": rate(size, secs),
        "base64_mb_per_s": base64_alone(),
        "sha256_mb_per_s": sha256_alone(),
        "rss_mib": peak_mib(own).round(),
    })
}

/// Decoding alone, in the pieces that a reader has: MB of text a second.
fn base64_alone() -> f64 {
    let mut bytes = vec![0_u8; 48 * 1024];
    Noise::new(5).fill(&mut bytes);
    let text = STANDARD.encode(&bytes);
    let begin = Instant::now();
    let rounds = 4_000;
    for _ in 0..rounds {
        let decoded = STANDARD.decode_slice(&text, &mut bytes).expect("it fits");
        assert_eq!(std::hint::black_box(decoded), 48 * 1024);
    }
    (text.len() as f64 * f64::from(rounds) / 1e6 / begin.elapsed().as_secs_f64()).round()
}

/// Hashing alone: MB a second.
fn sha256_alone() -> f64 {
    let mut bytes = vec![0_u8; 64 * 1024];
    Noise::new(6).fill(&mut bytes);
    let begin = Instant::now();
    let mut hash = Sha256::new();
    let rounds = 8_000;
    for _ in 0..rounds {
        hash.update(std::hint::black_box(&bytes));
    }
    std::hint::black_box(hash.finalize());
    (bytes.len() as f64 * f64::from(rounds) / 1e6 / begin.elapsed().as_secs_f64()).round()
}
