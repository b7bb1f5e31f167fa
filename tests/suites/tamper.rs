//! Tamper harness (threats T5, T8): a small network runs, stops, and what its relay and its receiving node
//! have stored is mutated 1,000 times, from one seed, in the ways an operator has: alter, drop, swap,
//! replay, back-date, truncate, fork (a consistent history rewritten with the keys of the station), restore
//! an old backup. Each must be found by the detector of its class, and the finding must name the station
//! and what it is about. What cannot be found is made too, and shown with its size.
//!
//! `./tests/run` makes 200 of the 1,000, `--full` all. The table is printed as RESULT lines; ARCHITECTURE.md
//! repeats it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "tamper/desk_rows.rs"]
mod desk_rows;
#[path = "tamper/detect.rs"]
mod detect;
#[path = "tamper/ledger.rs"]
mod ledger;
#[path = "tamper/rows.rs"]
mod rows;
#[path = "tamper/scene.rs"]
mod scene;
#[path = "tamper/table.rs"]
mod table;

use detect::{Detector, Look};
use scene::{Place, Scene};
use table::Table;
use tests::samples::Noise;

/// What an operator does to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Alter,
    Drop,
    Swap,
    Replay,
    BackDate,
    Truncate,
    Fork,
    OldBackup,
}

impl Class {
    pub const ALL: [Self; 8] = [
        Self::Alter,
        Self::Drop,
        Self::Swap,
        Self::Replay,
        Self::BackDate,
        Self::Truncate,
        Self::Fork,
        Self::OldBackup,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Alter => "alter",
            Self::Drop => "drop",
            Self::Swap => "swap",
            Self::Replay => "replay",
            Self::BackDate => "back-date",
            Self::Truncate => "truncate",
            Self::Fork => "fork",
            Self::OldBackup => "old backup",
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_is_found_by_the_detector_of_its_class() {
    let full = std::env::var_os("TRAM_TESTS_MODE").is_some_and(|mode| mode == "full");
    let (rounds, seed) = (if full { 1_000 } else { 200 }, 5);
    let scene = Scene::play().await;
    for place in &scene.places {
        let clean = detect::all(&scene, place, &place.data).await;
        assert!(clean.is_empty(), "{}: {clean:#?}", place.name);
    }
    let mut table = Table::default();
    let mut missed = Vec::new();
    for round in 0..rounds {
        let mut noise = Noise::new(seed * 1_000_003 + round);
        let nth = usize::try_from(round).unwrap();
        let class = Class::ALL[nth % Class::ALL.len()];
        let place = &scene.places[nth / Class::ALL.len() % scene.places.len()];
        let tried = tamper(&scene, place, class, &mut noise).await;
        let found = tried.found.iter().find(|one| one.by == tried.wanted);
        match found {
            Some(found) => {
                found.must_name(&tried.what, place);
                table.note(class, &tried, found.took);
            }
            None => missed.push(format!(
                "{round}: {} {} at {}: wanted {:?}, found {:?}",
                class.word(),
                tried.what,
                place.name,
                tried.wanted,
                tried.found
            )),
        }
    }
    table.print(rounds, seed);
    assert!(
        missed.is_empty(),
        "{} of {rounds} missed:\n{}",
        missed.len(),
        missed.join("\n")
    );
}

/// A mutation, and who found it.
#[derive(Debug)]
pub struct Tried {
    /// What was done, in words.
    pub what: String,
    /// Who must find it.
    pub wanted: Detector,
    pub found: Vec<detect::Found>,
}

/// Makes one mutation, asks every detector, and undoes it.
async fn tamper(scene: &Scene, place: &Place, class: Class, noise: &mut Noise) -> Tried {
    let mut open = scene::open(&place.data).await;
    sqlx::query("BEGIN").execute(&mut open).await.unwrap();
    let done = match class {
        Class::Truncate | Class::Fork => ledger::rewrite(&mut open, place, class, noise).await,
        Class::OldBackup => {
            let done = ledger::old_backup(place, noise);
            drop(open);
            let mut open = scene::open(&done.data).await;
            sqlx::query("BEGIN").execute(&mut open).await.unwrap();
            let what = ledger::go_on(&mut open, place, noise).await;
            let found = detect::on(scene, place, &mut open, &done.data, Look::Hashes).await;
            let what = format!("{}, {what}", done.what);
            let wanted = Detector::Peer;
            return Tried {
                what,
                wanted,
                found,
            };
        }
        _ => rows::mutate(&mut open, place, class, noise).await,
    };
    let look = match class {
        Class::Truncate | Class::Fork | Class::OldBackup => Look::Hashes,
        _ => Look::Signatures,
    };
    let found = detect::on(scene, place, &mut open, &place.data, look).await;
    sqlx::query("ROLLBACK").execute(&mut open).await.unwrap();
    done.undo_file();
    Tried {
        what: done.what,
        wanted: done.wanted,
        found,
    }
}

/// What no detector can find is shown with its size, so that nobody believes more than is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_found_is_shown_with_its_size() {
    let scene = Scene::play().await;
    let relay = &scene.places[0];
    let mut open = scene::open(&relay.data).await;
    // Statements that nobody has seen a later head of: the operator may still rewrite them.
    for tail in [1_usize, 8, 64] {
        sqlx::query("BEGIN").execute(&mut open).await.unwrap();
        let size = ledger::grow(&mut open, relay, tail).await;
        let held = scene.newest_head_of(relay);
        ledger::rewrite_at(&mut open, relay, size - tail + tail / 2, "time").await;
        let found = detect::on(&scene, relay, &mut open, &relay.data, Look::Hashes).await;
        assert!(found.is_empty(), "a tail that nobody saw: {found:?}");
        println!(
            "RESULT tamper, not found: rewriting the unseen tail: {} leaves since the newest head \
             that anybody holds ({held} of {size})",
            size - usize::try_from(held).unwrap()
        );
        sqlx::query("ROLLBACK").execute(&mut open).await.unwrap();
    }
    let held = scene.newest_head_of(relay);
    let size = ledger::load(&mut open).await.len();
    println!(
        "RESULT tamper: unseen tail of the relay after the traffic: {} leaves",
        size - usize::try_from(held).unwrap()
    );
    // What was never logged has no leaf; bookkeeping that no evidence speaks of has no digest.
    for (what, sql) in rows::UNPROTECTED {
        sqlx::query("BEGIN").execute(&mut open).await.unwrap();
        let changed = sqlx::query(*sql)
            .execute(&mut open)
            .await
            .unwrap()
            .rows_affected();
        let found = detect::on(&scene, relay, &mut open, &relay.data, Look::Hashes).await;
        assert!(found.is_empty(), "{what} is found now: {found:?}");
        println!("RESULT tamper, not found: {what} ({changed} rows)");
        sqlx::query("ROLLBACK").execute(&mut open).await.unwrap();
    }
}
