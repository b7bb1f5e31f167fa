//! Syncs of files and of the folder that names them. A rename is covered by any sync of the folder that
//! began after it, so callers that come while one runs share the next. Blocking; an error ends the
//! process, because what the disk holds is then unknown.

use std::fs::File;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::store::fatal;

/// Shares syncs of one folder.
#[derive(Debug)]
pub struct FolderSync {
    folder: File,
    turns: Mutex<Turns>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Turns {
    begun: u64,
    done: u64,
    running: bool,
}

impl FolderSync {
    /// For an open folder.
    #[must_use]
    pub fn new(folder: File) -> Self {
        Self {
            folder,
            turns: Mutex::new(Turns::default()),
            ended: Condvar::new(),
        }
    }

    /// Returns when a sync that began after this call has ended.
    pub fn wait(&self) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = turns.begun + 1;
        while turns.done < wanted {
            if turns.running {
                turns = self
                    .ended
                    .wait(turns)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            turns.running = true;
            turns.begun += 1;
            let turn = turns.begun;
            drop(turns);
            if let Err(error) = self.folder.sync_all() {
                fatal::file("fsync of a folder", &error);
            }
            turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.running = false;
            turns.done = turn;
            self.ended.notify_all();
        }
    }
}

/// Makes the bytes of a file durable. A full disk is an error to go on from; any other ends the process.
///
/// # Errors
/// No space or quota left.
pub fn sync_file(file: &File, doing: &'static str) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if !fatal::is_full(&error) => fatal::file(doing, &error),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_waiters_share_syncs_and_all_return() {
        let dir = tempfile::tempdir().unwrap();
        let sync = FolderSync::new(File::open(dir.path()).unwrap());
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| sync.wait());
            }
        });
        let turns = sync.turns.lock().unwrap();
        assert!(!turns.running && turns.done == turns.begun && turns.done <= 32);
    }
}
