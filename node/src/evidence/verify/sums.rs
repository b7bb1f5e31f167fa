//! Whether every member is as it was written: damage is found before anything is judged.

use std::io::{Read, Seek, Write};

use sha2::{Digest as _, Sha256};

use formats::id::Digest;
use formats::proof::{Member, ProofReader, Sums};

use super::{Place, Report};

/// Compares every member with `SHA256SUMS`.
pub(super) fn check<R: Read + Seek>(zip: &mut ProofReader<R>, report: &mut Report) {
    let at = Place::of(&Member::Sums);
    let Some(text) = report.take(&at, zip.read(&Member::Sums)) else {
        return;
    };
    let sums = std::str::from_utf8(&text).ok().and_then(Sums::parse);
    let Some(Sums(mut listed)) = report.take(&at, sums.ok_or("malformed")) else {
        return;
    };
    let members: Vec<Member> = zip.members().cloned().collect();
    let before = report.checks.len();
    for member in members.iter().filter(|one| **one != Member::Sums) {
        let at = Place::of(member);
        let mut hash = Hashing::default();
        let Some(_) = report.take(&at, zip.copy(member, &mut hash)) else {
            continue;
        };
        match listed.remove(member) {
            None => report.bad(&at, "is not listed in SHA256SUMS"),
            Some(digest) if digest != hash.finish() => report.bad(&at, "is damaged"),
            Some(_) => {}
        }
    }
    for member in listed.keys() {
        report.bad(&Place::of(member), "is missing");
    }
    if report.checks.len() == before {
        let count = members.len().saturating_sub(1);
        report.ok(
            &at,
            format!("{count} tệp còn nguyên vẹn"),
            format!("{count} members are as they were written"),
        );
    }
}

/// Hashes what is written.
#[derive(Default)]
pub(super) struct Hashing(Sha256);

impl Hashing {
    pub(super) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
