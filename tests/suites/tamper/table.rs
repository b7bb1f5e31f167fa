//! The table: class by detector, how many, how long.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::detect::Detector;
use crate::{Class, Tried};

#[derive(Default)]
pub struct Table {
    /// Found by the detector that had to: how long it took.
    wanted: BTreeMap<(Class, Detector), Vec<Duration>>,
    /// Found by whomever.
    also: BTreeMap<(Class, Detector), usize>,
}

impl Table {
    pub fn note(&mut self, class: Class, tried: &Tried, took: Duration) {
        self.wanted
            .entry((class, tried.wanted))
            .or_default()
            .push(took);
        for found in &tried.found {
            *self.also.entry((class, found.by)).or_default() += 1;
        }
    }

    pub fn print(&self, rounds: u64, seed: u64) {
        let mut all = 0;
        for ((class, detector), times) in &self.wanted {
            let mut times = times.clone();
            times.sort();
            all += times.len();
            let also: Vec<String> = Detector::ALL
                .iter()
                .map(|one| {
                    format!(
                        "{} {}",
                        one.word(),
                        self.also.get(&(*class, *one)).unwrap_or(&0)
                    )
                })
                .collect();
            println!(
                "RESULT tamper: {} | found by {} | {} | median {} ms, max {} ms | class found at all by: {}",
                class.word(),
                detector.word(),
                times.len(),
                times[times.len() / 2].as_millis(),
                times.last().unwrap().as_millis(),
                also.join(", ")
            );
        }
        println!(
            "RESULT tamper: {all} of {rounds} mutations found by the detector of their class (seed {seed})"
        );
    }
}
