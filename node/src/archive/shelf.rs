//! The shelf: packages and their evidence records as files, put there and renewed in batches under one time-stamp.
//!
//! Owns: the folder, what is put under a time-stamp and when a renewal is due. A record is durable before anybody is
//! told of it, and older ones stay: a crash in between leaves the row with the older record, which still holds, and
//! the renewal is made again. Clock and authorities are the caller's. Fails with [`Trouble`]s that an operator mends.
//! Must not know tables or what a package is.

use std::fs::File;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::ers::{Batch, DataObject, Ends, ErsError, EvidenceRecord, Hash, Question, Scope};
use pki::pdf::Anchors;
use pki::sign::HashAlgorithm;

use super::files;
use crate::store::archive::Archived;

/// Gets a token over a digest.
pub(crate) type Stamp<'s> =
    dyn Fn(HashAlgorithm, Vec<u8>) -> BoxFuture<'s, Result<Vec<u8>, String>> + Send + Sync + 's;

/// Something that an operator must mend: about whom, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// How many packages.
    pub(crate) packages: usize,
    /// When the first of them ends, or ended.
    pub(crate) until: Timestamp,
    pub(crate) why: String,
}

/// Whom and what to believe.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) anchors: Anchors,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) ends: Ends,
}

/// See the file.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    /// Opens the folder; makes it when it is not there.
    pub(crate) fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// Where the package of a document lies.
    pub(crate) fn package(&self, document: &str) -> PathBuf {
        self.0.join(format!("{document}.zip"))
    }

    /// Where a record of a document lies; the first is 1.
    pub(crate) fn record(&self, document: &str, number: u32) -> PathBuf {
        self.0.join(format!("{document}.{number}.ers"))
    }

    fn object(&self, document: &str, hashes: &[Hash]) -> Result<DataObject, String> {
        let path = self.package(document);
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = File::open(&path).map_err(told)?;
        DataObject::read(document, file, hashes).map_err(told)
    }

    fn load(&self, one: &Archived) -> Result<EvidenceRecord, String> {
        let path = self.record(&one.document.to_string(), one.record);
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| told(&error))?;
        EvidenceRecord::parse(&bytes).map_err(|error| told(&error))
    }

    /// The first record of packages that lie in the folder already: one time-stamp for all. What the rows say of
    /// records is filled in.
    pub(crate) async fn begin(
        &self,
        hash: Hash,
        rows: Vec<Archived>,
        trust: &Trust,
        stamp: &Stamp<'_>,
    ) -> Result<Vec<Archived>, String> {
        let (shelf, all) = (self.clone(), rows.clone());
        let batch = blocking(move || {
            let objects = all
                .iter()
                .map(|one| Ok(vec![shelf.object(&one.document.to_string(), &[hash])?]))
                .collect::<Result<Vec<_>, String>>()?;
            Batch::begin(hash, &objects).map_err(text)
        })
        .await?;
        self.finish(rows, batch, trust, stamp, None).await
    }

    /// Renews what ends before `due`; rows that were renewed come back with what they rest on now.
    pub(crate) async fn renew(
        &self,
        rows: Vec<Archived>,
        now: Timestamp,
        due: Timestamp,
        trust: &Trust,
        stamp: &Stamp<'_>,
    ) -> (Vec<Archived>, Vec<Trouble>) {
        let (mut done, mut troubles) = (Vec::new(), Vec::new());
        for (kind, rows) in sorted(rows, due, &trust.ends) {
            let until = rows.iter().map(|one| one.renew_before).min();
            let packages = rows.len();
            match self.renew_alike(kind, rows, now, trust, stamp).await {
                Ok((renewed, broken)) => {
                    done.extend(renewed);
                    troubles.extend(broken);
                }
                Err(why) => troubles.push(Trouble {
                    packages,
                    until: until.unwrap_or(now),
                    why,
                }),
            }
        }
        (done, troubles)
    }

    async fn renew_alike(
        &self,
        kind: Renewal,
        rows: Vec<Archived>,
        now: Timestamp,
        trust: &Trust,
        stamp: &Stamp<'_>,
    ) -> Result<(Vec<Archived>, Vec<Trouble>), String> {
        let (shelf, known) = (self.clone(), trust.clone());
        let (sound, broken, batch) = blocking(move || {
            let (mut sound, mut ready) = (Vec::new(), Vec::new());
            let mut broken: Option<Trouble> = None;
            for one in rows {
                match shelf.examined(&one, kind, &known, now) {
                    Ok(found) => {
                        sound.push(one);
                        ready.push(found);
                    }
                    Err(why) => {
                        let told = broken.get_or_insert_with(|| Trouble {
                            packages: 0,
                            until: one.renew_before,
                            why: format!("{}: {why}", one.document),
                        });
                        told.packages += 1;
                        told.until = told.until.min(one.renew_before);
                    }
                }
            }
            if let Some(told) = broken.as_mut().filter(|told| told.packages > 1) {
                told.why += &format!("; and {} more", told.packages - 1);
            }
            let broken = Vec::from_iter(broken);
            let batch = match kind {
                _ if ready.is_empty() => None,
                Renewal::TimeStamp(_) => {
                    let records = ready.into_iter().map(|(record, _)| record);
                    Some(Batch::renew_time_stamps(records.collect()).map_err(text)?)
                }
                Renewal::Tree(hash) => Some(Batch::renew_trees(hash, ready).map_err(text)?),
            };
            Ok((sound, broken, batch))
        })
        .await?;
        let Some(batch) = batch else {
            return Ok((Vec::new(), broken));
        };
        let before = sound.iter().map(|one| one.renew_before).min();
        let renewed = self.finish(sound, batch, trust, stamp, before).await?;
        Ok((renewed, broken))
    }

    /// A record that does not hold any more is not renewed: nothing later can make it hold again.
    fn examined(
        &self,
        one: &Archived,
        kind: Renewal,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<(EvidenceRecord, Vec<DataObject>), String> {
        let record = self.load(one)?;
        let objects = match kind {
            Renewal::TimeStamp(_) => Vec::new(),
            Renewal::Tree(hash) => {
                let mut hashes = record.hashes().map_err(text)?;
                hashes.push(hash);
                vec![self.object(&one.document.to_string(), &hashes)?]
            }
        };
        holds(&record, &objects, trust, now)?;
        Ok((record, objects))
    }

    /// Has a batch stamped and makes its records durable. `outlive`: what the new time-stamp must live longer than.
    async fn finish(
        &self,
        rows: Vec<Archived>,
        batch: Batch,
        trust: &Trust,
        stamp: &Stamp<'_>,
        outlive: Option<Timestamp>,
    ) -> Result<Vec<Archived>, String> {
        let (hash, imprint) = batch.imprint();
        let token = stamp(hash, imprint.to_vec()).await?;
        let (shelf, ends) = (self.clone(), trust.ends.clone());
        blocking(move || {
            let records = batch.finish(&token).map_err(text)?;
            let mut renewed = Vec::with_capacity(rows.len());
            for (mut one, record) in rows.into_iter().zip(records) {
                let newest = record.newest(&ends).map_err(text)?;
                if let Some(outlive) = outlive.filter(|outlive| newest.end() <= *outlive) {
                    return Err(format!(
                        "the time-stamp authority's new time-stamp ends no later than {}: {}",
                        outlive.rfc3339(),
                        newest.tsa
                    ));
                }
                one.record = one.record.saturating_add(1);
                let path = shelf.record(&one.document.to_string(), one.record);
                let bytes = record.to_der().map_err(text)?;
                files::write(&path, &bytes)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                one.renew_before = newest.end();
                one.hash = newest.hash.name().to_owned();
                one.stamped = newest.time;
                one.tsa = newest.tsa;
                one.certificate_end = newest.certificate_end;
                let algorithm = newest.algorithm_end;
                one.algorithm = algorithm.map(|(name, end)| (name.to_owned(), end));
                renewed.push(one);
            }
            Ok(renewed)
        })
        .await
    }
}

/// How a record is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Renewal {
    /// By a new time-stamp; records that end in this digest.
    TimeStamp(Hash),
    /// By a new tree with this digest.
    Tree(Hash),
}

/// What is renewed alike goes under one time-stamp: while the digest lives, by a time-stamp; when it ends, by a tree
/// with the first one that lives longer.
fn sorted(rows: Vec<Archived>, due: Timestamp, ends: &Ends) -> Vec<(Renewal, Vec<Archived>)> {
    let mut all: std::collections::BTreeMap<Renewal, Vec<Archived>> = Default::default();
    for one in rows {
        let hash = Hash::named(&one.hash).unwrap_or(Hash::Sha256);
        let lives = |hash: &Hash| ends.of_hash(*hash).is_none_or(|end| end >= due);
        let stronger = STRONGER
            .into_iter()
            .filter(|other| *other > hash)
            .find(lives);
        let kind = match stronger {
            Some(stronger) if !lives(&hash) => Renewal::Tree(stronger),
            _ => Renewal::TimeStamp(hash),
        };
        all.entry(kind).or_default().push(one);
    }
    all.into_iter().collect()
}

fn holds(
    record: &EvidenceRecord,
    objects: &[DataObject],
    trust: &Trust,
    now: Timestamp,
) -> Result<(), String> {
    let question = Question {
        anchors: &trust.anchors,
        certificates: &trust.certificates,
        ends: &trust.ends,
        at: now,
        scope: Scope::Group,
    };
    let report = question.ask(record, objects).map_err(text)?;
    match report.faults.first() {
        None => Ok(()),
        Some(fault) => Err(fault.english()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn text(error: ErsError) -> String {
    error.to_string()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error.to_string())?
}

const STRONGER: [Hash; 2] = [Hash::Sha384, Hash::Sha512];
