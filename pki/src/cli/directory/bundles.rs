//! Bundles: the signed agency records of the authority's folder, changed as one.
//!
//! Owns: which agency stands in which bundle (for good), and how several bundles are replaced so
//! that a crash leaves the old ones or leads to the new ones: all are signed into a folder beside
//! their place, one rename of that folder decides, then each moves into its place; what was decided
//! and not finished is finished before anything else is read. Higher numbers move first: new
//! agencies are there before the old ones that name them as successors end.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use formats::id::AgencyCode;
use formats::limits;
use formats::record::{Agencies, Agency, Record};
use formats::time::Timestamp;
use pki::record;

use crate::cli::Failure;
use crate::cli::failure::Next;
use crate::cli::records::{current, signer};
use crate::cli::workshop::Workshop;

/// All agencies of the directory by bundle.
#[derive(Debug)]
pub(in crate::cli) struct Bundles {
    records: PathBuf,
    lists: BTreeMap<u32, Bundle>,
    homes: HashMap<AgencyCode, u32>,
    /// No bundle below this one has room.
    room_from: u32,
}

#[derive(Debug, Default)]
struct Bundle {
    /// Of the record that lies there; 0: none yet.
    sequence: u64,
    agencies: BTreeMap<AgencyCode, Agency>,
    /// About as many bytes has its text.
    weight: usize,
    changed: bool,
}

impl Bundles {
    /// Reads the bundles, after finishing what an interrupted change has decided.
    pub(in crate::cli) fn load(workshop: &Workshop) -> Result<Self, Failure> {
        let records = workshop.dir.join("records");
        finish(&records)?;
        let mut bundles = Self {
            lists: BTreeMap::new(),
            homes: HashMap::new(),
            room_from: 1,
            records,
        };
        for number in bundles.numbers()? {
            let Some(Record::Agencies(known)) = current(&bundles.file(number))? else {
                continue;
            };
            let mut bundle = Bundle {
                sequence: known.sequence,
                ..Bundle::default()
            };
            for agency in known.agencies {
                // Stations take the entry of the lowest bundle; so do we.
                bundles.homes.entry(agency.code.clone()).or_insert(number);
                bundle.weight += weight(&agency);
                bundle.agencies.insert(agency.code.clone(), agency);
            }
            bundles.lists.insert(number, bundle);
        }
        Ok(bundles)
    }

    fn numbers(&self) -> Result<Vec<u32>, Failure> {
        let step = "look at the folder's owner";
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.records).next(step)? {
            let name = entry.next(step)?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn file(&self, number: u32) -> PathBuf {
        self.records.join(name_of(number))
    }

    /// What the directory says of an agency.
    pub(in crate::cli) fn get(&self, code: &AgencyCode) -> Option<&Agency> {
        let bundle = self.lists.get(self.homes.get(code)?)?;
        bundle.agencies.get(code)
    }

    /// Every agency once.
    pub(in crate::cli) fn all(&self) -> impl Iterator<Item = &Agency> {
        let lists = self.lists.iter();
        lists.flat_map(move |(number, bundle)| {
            let here = move |agency: &&Agency| self.homes.get(&agency.code) == Some(number);
            bundle.agencies.values().filter(here)
        })
    }

    /// Replaces the entry of this code where it stands, or adds it to the first bundle with room.
    pub(in crate::cli) fn put(&mut self, agency: Agency) -> u32 {
        let weight_now = weight(&agency);
        let number = match self.homes.get(&agency.code) {
            Some(number) => *number,
            None => self.number_with_room(weight_now),
        };
        self.homes.insert(agency.code.clone(), number);
        let bundle = self.lists.entry(number).or_default();
        bundle.changed = true;
        bundle.weight += weight_now;
        if let Some(old) = bundle.agencies.insert(agency.code.clone(), agency) {
            bundle.weight = bundle.weight.saturating_sub(weight(&old));
        }
        number
    }

    fn number_with_room(&mut self, weight: usize) -> u32 {
        loop {
            let room = self.lists.get(&self.room_from).is_none_or(|bundle| {
                bundle.agencies.len() < limits::RECORD_AGENCIES_MAX
                    && bundle.weight + weight <= WEIGHT_MAX
            });
            if room || self.room_from == u32::MAX {
                return self.room_from;
            }
            self.room_from += 1;
        }
    }

    /// Marks every bundle to be signed again.
    pub(in crate::cli) fn touch_all(&mut self) {
        let lists = self.lists.values_mut();
        lists.for_each(|bundle| bundle.changed = true);
    }

    /// Signs the changed bundles with their next sequences and puts all in place. Gives their
    /// numbers. `done` is told how many of how many are signed.
    pub(in crate::cli) fn sign(
        &mut self,
        workshop: &Workshop,
        now: Timestamp,
        mut done: impl FnMut(usize, usize),
    ) -> Result<Vec<u32>, Failure> {
        let changed: Vec<u32> = self
            .lists
            .iter()
            .filter(|(_, bundle)| bundle.changed)
            .map(|(number, _)| *number)
            .collect();
        if changed.is_empty() {
            return Ok(changed);
        }
        let signer = signer(&workshop.dir.join("authority"), "registry")?;
        let stage = Stage::open(&self.records)?;
        for (at, number) in changed.iter().enumerate() {
            done(at, changed.len());
            let Some(bundle) = self.lists.get_mut(number) else {
                continue;
            };
            bundle.sequence = bundle.sequence.saturating_add(1);
            bundle.changed = false;
            let record = Record::Agencies(Agencies {
                bundle: *number,
                sequence: bundle.sequence,
                issued: now.floor_s(),
                not_after: signer.0.not_after(),
                agencies: bundle.agencies.values().cloned().collect(),
            });
            let bytes = record.to_json().len();
            if bytes > limits::RECORD_BYTES_MAX {
                return Err(Failure::new(
                    format!("bundle {number} would have {bytes} bytes (tệp danh bạ quá lớn)"),
                    "shorten names and aliases of its agencies: an agency stays in its bundle",
                ));
            }
            let step = "correct what the record says; nothing was written";
            let signed = record::sign(&record, &signer.1, &signer.0, now).next(step)?;
            stage.add(*number, &signed)?;
        }
        stage.decide()?;
        finish(&self.records)?;
        Ok(changed)
    }
}

/// Signed bundles that are not in place yet.
pub(super) struct Stage {
    records: PathBuf,
}

impl Stage {
    /// An empty folder beside the records; what a crash left before deciding is dropped.
    pub(super) fn open(records: &Path) -> Result<Self, Failure> {
        let staged = records.join(STAGED);
        match fs::remove_dir_all(&staged) {
            Err(error) if error.kind() != ErrorKind::NotFound => return disk(Err(error)),
            _ => {}
        }
        disk(fs::create_dir(&staged))?;
        Ok(Self {
            records: records.to_owned(),
        })
    }

    pub(super) fn add(&self, number: u32, signed: &[u8]) -> Result<(), Failure> {
        let path = self.records.join(STAGED).join(name_of(number));
        let written = File::create(path).and_then(|mut file| {
            file.write_all(signed)?;
            file.sync_all()
        });
        disk(written)
    }

    /// From here on the change happens, whatever breaks.
    pub(super) fn decide(self) -> Result<(), Failure> {
        let staged = self.records.join(STAGED);
        disk(sync_folder(&staged))?;
        disk(fs::rename(&staged, self.records.join(READY)))?;
        disk(sync_folder(&self.records))
    }
}

/// Puts a decided change in place.
fn finish(records: &Path) -> Result<(), Failure> {
    let ready = records.join(READY);
    let entries = match fs::read_dir(&ready) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => disk(entries)?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = disk(entry)?.file_name();
        numbers.extend(name.to_str().and_then(number_of));
    }
    numbers.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
    for number in numbers {
        let name = name_of(number);
        disk(fs::rename(ready.join(&name), records.join(&name)))?;
    }
    disk(sync_folder(records))?;
    disk(fs::remove_dir(&ready))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn disk<T>(result: std::io::Result<T>) -> Result<T, Failure> {
    result.next("look at the disk and the folder's owner, then run the command again")
}

fn name_of(number: u32) -> String {
    format!("agencies-{number}.rec")
}

fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("agencies-")?.strip_suffix(".rec")?;
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    (name_of(number) == name).then_some(number)
}

/// About as many bytes as an agency has in a record.
fn weight(agency: &Agency) -> usize {
    let aliases = agency.aliases.iter();
    let aliases: usize = aliases.map(|alias| alias.text.len() + ALIAS_BYTES).sum();
    AGENCY_BYTES + agency.name.len() + aliases
}

/// Keys, codes and times of an agency's text.
const AGENCY_BYTES: usize = 250;
/// Keys and times of an alias's text.
const ALIAS_BYTES: usize = 90;
/// An added agency leaves so much of the limit to corrections of those that are there.
const WEIGHT_MAX: usize = limits::RECORD_BYTES_MAX / 4 * 3;
/// Where bundles are signed. Stations do not look into folders.
const STAGED: &str = ".agencies.staged";
/// The name of that folder once the change is decided.
const READY: &str = ".agencies.ready";
