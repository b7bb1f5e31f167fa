//! What a database or file error means. Three kinds: the caller's change cannot be written, the machine
//! is full or busy (roll back, go on), or the disk cannot be trusted any more (end the process at once,
//! no answer, never a retry: after a failed fsync the kernel may have dropped the pages, and a second
//! fsync would lie). The next start reads back what is really there.

use std::io;

/// `EX_IOERR` of sysexits.h: service managers restart on it, operators recognise it.
const EXIT_IO_ERROR: i32 = 74;

// Primary result codes of SQLite (sqlite.org/rescode.html).
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_IOERR: i32 = 10;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;

/// What to do about a database error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another process holds the lock: roll back, try later.
    Busy,
    /// What was asked is wrong: roll back that.
    Change,
    /// The disk cannot be trusted.
    Fatal,
    /// No space: roll back, refuse, go on.
    Full,
}

/// Judges an error of any statement but COMMIT.
pub(super) fn judge(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(database) => match primary_code(database.code().as_deref()) {
            Some(SQLITE_FULL) => Verdict::Full,
            Some(SQLITE_BUSY | SQLITE_LOCKED) => Verdict::Busy,
            Some(SQLITE_IOERR | SQLITE_CORRUPT | SQLITE_NOTADB) => Verdict::Fatal,
            Some(_) | None => Verdict::Change,
        },
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => Verdict::Fatal,
        _ => Verdict::Change,
    }
}

/// Judges an error of COMMIT: whatever is not full or busy leaves the outcome unknown.
pub(super) fn judge_commit(error: &sqlx::Error) -> Verdict {
    match judge(error) {
        Verdict::Change | Verdict::Fatal => Verdict::Fatal,
        Verdict::Busy => Verdict::Busy,
        Verdict::Full => Verdict::Full,
    }
}

fn primary_code(code: Option<&str>) -> Option<i32> {
    let code: i32 = code?.parse().ok()?;
    Some(code & 0xff)
}

/// Ends the process because of the database.
pub(super) fn database(doing: &'static str, error: &sqlx::Error) -> ! {
    tracing::error!(code = "TRAM-210", doing, error = %error, "the disk cannot be trusted; exit");
    std::process::exit(EXIT_IO_ERROR)
}

/// Ends the process because of a file.
pub(super) fn file(doing: &'static str, error: &io::Error) -> ! {
    tracing::error!(code = "TRAM-211", doing, error = %error, "the disk cannot be trusted; exit");
    std::process::exit(EXIT_IO_ERROR)
}

/// No space or quota left: the one file error after which going on is right.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_codes_count_as_their_primary_code() {
        // SQLITE_IOERR_FSYNC is 10 + 4·256, SQLITE_BUSY_SNAPSHOT 5 + 2·256.
        assert_eq!(primary_code(Some("1034")), Some(SQLITE_IOERR));
        assert_eq!(primary_code(Some("517")), Some(SQLITE_BUSY));
        assert_eq!(primary_code(Some("13")), Some(SQLITE_FULL));
        assert_eq!(primary_code(Some("x")), None);
    }

    #[test]
    fn a_commit_of_unknown_outcome_is_fatal_and_another_statement_is_not() {
        let error = sqlx::Error::RowNotFound;
        assert_eq!(judge(&error), Verdict::Change);
        assert_eq!(judge_commit(&error), Verdict::Fatal);
    }

    #[test]
    fn a_full_disk_is_not_an_untrusted_one() {
        assert!(is_full(&io::Error::from_raw_os_error(28)));
        assert!(!is_full(&io::Error::from_raw_os_error(5)));
    }
}
