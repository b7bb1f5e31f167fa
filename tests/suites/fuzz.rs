//! Every parser against mutated input: no panic, no endless work, and what is accepted can be written back.
//!
//! Each parser has its seeds under `corpus/<parser>`, small files of our own, and those of the golden vectors.
//! Mutations follow a fixed sequence, so a run can be repeated; how far it gets in its time depends on the
//! machine. An input that makes a parser panic is kept under the target folder and named; it belongs into the
//! corpus once the parser is mended. `./tests/fuzz [SECONDS] [PARSER]` runs longer or one parser only.

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::mutate;
use targets::{TARGETS, Target};
use tests::samples::Noise;

/// One input may take this long: seconds would mean work that grows faster than the input.
const INPUT_MAX: Duration = Duration::from_secs(5);

/// What a run of one parser came to.
struct Outcome {
    inputs: u64,
    accepted: u64,
    slowest: Duration,
}

/// Feeds a parser for a time.
fn run(target: &Target, seeds: &[Vec<u8>], time: Duration) -> Outcome {
    let mut noise = Noise::new(u64::from(target.name.len() as u32) + 7);
    let begin = Instant::now();
    let mut outcome = Outcome {
        inputs: 0,
        accepted: 0,
        slowest: Duration::ZERO,
    };
    while begin.elapsed() < time {
        let input = mutate(&mut noise, seeds, target.words);
        outcome.inputs += 1;
        let started = Instant::now();
        let Ok(accepted) = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) else {
            let kept = kept(target.name, &input);
            panic!(
                "{}: input {} kept as {}",
                target.name,
                outcome.inputs,
                kept.display()
            );
        };
        outcome.accepted += u64::from(accepted);
        outcome.slowest = outcome.slowest.max(started.elapsed());
        if started.elapsed() > INPUT_MAX {
            let kept = kept(target.name, &input);
            panic!("{}: slow input kept as {}", target.name, kept.display());
        }
    }
    outcome
}

fn kept(name: &str, input: &[u8]) -> PathBuf {
    let dir = tests::process::bin_dir().join("../fuzz");
    std::fs::create_dir_all(&dir).expect("the target folder takes files");
    let digest = formats::id::Digest::of(input).to_string();
    let path = dir.join(format!("{name}-{}", &digest[..16]));
    std::fs::write(&path, input).expect("the target folder takes files");
    path
}

/// The seeds of a parser: its folder of the corpus, and the vectors of its format.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root.join("corpus").join(target.name))
        .unwrap_or_else(|error| panic!("corpus/{}: {error}", target.name))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).expect("a seed can be read");
    let mut seeds: Vec<Vec<u8>> = paths.iter().map(read).collect();
    if let Some(file) = target.vectors {
        seeds.extend(vectors(&root.join("../formats/vectors").join(file)));
    }
    seeds
}

fn vectors(path: &Path) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(path).expect("golden vectors lie there");
    let all: serde_json::Value = serde_json::from_str(&text).expect("vectors are JSON");
    let cases = all["cases"].as_array().expect("cases");
    let bytes = |case: &serde_json::Value| {
        for key in ["text", "packet"] {
            if let Some(text) = case[key].as_str() {
                return Some(text.as_bytes().to_vec());
            }
        }
        let hex = case["hex"].as_str()?;
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
            .collect()
    };
    cases.iter().filter_map(bytes).collect()
}

/// A corpus of which nothing is accepted would only test the first line of its parser.
#[test]
fn every_parser_accepts_a_seed_and_every_folder_has_its_parser() {
    for target in TARGETS {
        let seeds = seeds(target);
        let accepted = seeds.iter().filter(|seed| (target.run)(seed)).count();
        assert!(accepted > 0, "no seed of {} is accepted", target.name);
        for seed in &seeds {
            assert!(seed.len() <= 64 << 10, "a seed of {} is large", target.name);
        }
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(corpus).expect("the corpus") {
        let name = entry.expect("an entry").file_name();
        let known = TARGETS.iter().any(|target| *target.name == *name);
        assert!(known, "corpus/{} has no parser", name.display());
    }
}

#[test]
fn no_mutated_input_makes_a_parser_panic() {
    let wanted = setting("TRAM_FUZZ_PARSER");
    let seconds: u64 = setting("TRAM_FUZZ_SECONDS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| wanted.as_deref().is_none_or(|name| name == target.name))
        .collect();
    let count = u32::try_from(chosen.len()).unwrap_or(1);
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert!(
        count > 0,
        "no parser of this name; there are {}",
        names.join(" ")
    );
    for target in chosen {
        let seeds = seeds(target);
        let outcome = run(target, &seeds, Duration::from_secs(seconds) / count);
        println!(
            "RESULT fuzz {}: {} mutated inputs of {} seeds, {} accepted, slowest {} ms, 0 panics",
            target.name,
            outcome.inputs,
            seeds.len(),
            outcome.accepted,
            outcome.slowest.as_millis()
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
