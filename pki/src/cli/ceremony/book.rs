//! The transcript's file: opened by one program at a time, appended durably.
//!
//! Owns: the lock, the torn last line of an interrupted run (it was never acknowledged and is cut
//! off), and the order *write, sync, go on*. Must not know: what the steps mean.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use formats::time::Timestamp;
use pki::ceremony::transcript::{Step, TRANSCRIPT_BYTES_MAX, Transcript};

use super::super::Failure;
use super::super::failure::Next;

/// The open, locked transcript.
pub(super) struct Book {
    file: File,
    transcript: Transcript,
}

impl Book {
    /// Opens or creates it and checks every line.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let step = "look at the disk and the folder's owner";
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o644)
            .open(path)
            .next(step)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    "another program carries out this ceremony",
                    "wait for it or stop it",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error).next(step),
        }
        let limit = u64::try_from(TRANSCRIPT_BYTES_MAX).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).next(step)?;
        Read::by_ref(&mut file)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .next(step)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at.saturating_add(1));
        let transcript = Transcript::parse(bytes.get(..whole).unwrap_or_default())
            .next("do not go on: find out who changed the transcript, then start anew")?;
        if whole < bytes.len() {
            file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))
                .and_then(|()| file.sync_all())
                .next(step)?;
        }
        Ok(Self { file, transcript })
    }

    /// Notes a step, durably.
    pub(super) fn note(&mut self, step: Step, now: Timestamp) -> Result<(), Failure> {
        let next = "look at the disk and run the same command again";
        let text = self.transcript.append(step, now).next(next)?;
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .next(next)
    }

    /// What it says.
    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Every step.
    pub(super) fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.transcript.lines().iter().map(|line| &line.step)
    }
}
