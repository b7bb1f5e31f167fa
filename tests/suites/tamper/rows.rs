//! Clumsy hands: rows and files of the station changed one by one, in the ways of each class.

use std::path::{Path, PathBuf};

use formats::statement::{self, Statement};
use formats::time::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tests::samples::Noise;

use crate::Class;
use crate::desk_rows;
use crate::detect::Detector;
use crate::scene::{Place, below, pick};

/// What was done, and how files are put back; rows are rolled back.
pub struct Done {
    pub what: String,
    pub wanted: Detector,
    file: Option<(PathBuf, Vec<u8>)>,
}

impl Done {
    pub fn rows(what: impl Into<String>, wanted: Detector) -> Self {
        Self {
            what: what.into(),
            wanted,
            file: None,
        }
    }

    fn local(what: impl Into<String>) -> Self {
        Self::rows(what, Detector::Local)
    }

    pub fn undo_file(&self) {
        if let Some((path, bytes)) = &self.file {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// Nothing speaks of these: what is changed here changes no evidence.
pub const UNPROTECTED: &[(&str, &str)] = &[
    (
        "when a leg is tried again, how often it was",
        "UPDATE leg SET next_at = next_at - 1000, tries = tries + 1",
    ),
    (
        "turns of legs that were not the plain way",
        "DELETE FROM leg_turn",
    ),
    (
        "when evidence of others came",
        "UPDATE received_evidence SET received = received - 1000",
    ),
    (
        "a time-stamp of our own log thrown away (others keep theirs)",
        "DELETE FROM checkpoint WHERE size = (SELECT min(size) FROM checkpoint)",
    ),
    (
        "receipts owed but not sent: the sender asks again",
        "DELETE FROM owed_receipt",
    ),
];

pub async fn mutate(
    open: &mut SqliteConnection,
    place: &Place,
    class: Class,
    noise: &mut Noise,
) -> Done {
    if place.is_node && noise.word().is_multiple_of(2) {
        let what = desk_rows::mutate(open, place, class, noise).await;
        return match what {
            (what, None) => Done::local(what),
            (what, file) => Done {
                what,
                wanted: Detector::Local,
                file,
            },
        };
    }
    match class {
        Class::Alter => alter(open, place, noise).await,
        Class::Drop => drop_row(open, place, noise).await,
        Class::Swap => swap(open, noise).await,
        Class::Replay => replay(open, noise).await,
        Class::BackDate => back_date(open, noise).await,
        Class::Truncate | Class::Fork | Class::OldBackup => unreachable!("made by the ledger"),
    }
}

/// Blobs of the station; one bit is turned.
const BLOBS: &[(&str, &str)] = &[
    ("statement", "body"),
    ("statement", "salt"),
    ("statement", "leaf"),
    ("statement", "envelope_id"),
    ("statement", "header_digest"),
    ("tile", "hashes"),
    ("tile", "root"),
    ("checkpoint", "root"),
    ("envelope", "header"),
    ("envelope", "header_digest"),
    ("envelope", "id"),
    ("envelope", "body"),
    ("received_evidence", "bundle"),
    ("received_evidence", "digest"),
    ("leg", "last_statement"),
];

async fn alter(open: &mut SqliteConnection, place: &Place, noise: &mut Noise) -> Done {
    let nth = below(noise, BLOBS.len() + 4);
    match nth.checked_sub(BLOBS.len()) {
        None => {
            let (table, column) = BLOBS[nth];
            flip(open, table, column, noise).await.map_or_else(
                // A node that delivered everything keeps no body in a row.
                || None,
                Some,
            )
        }
        Some(0) => flip_body(&place.data, noise),
        Some(1) => {
            let phase = *pick(noise, &[5, 6, 7, 8]);
            let sql = "UPDATE leg SET phase = ?, reason = 'no_route' WHERE id = (SELECT id FROM leg \
                       WHERE phase = 4 AND last_statement IS NOT NULL AND id >= ? ORDER BY id LIMIT 1)";
            let near = below(noise, 100);
            let rows = sqlx::query(sql)
                .bind(phase)
                .bind(i64::try_from(near).unwrap())
                .execute(&mut *open)
                .await
                .unwrap();
            assert_eq!(rows.rows_affected(), 1);
            Some(Done::local(format!("leg near {near} said to be in phase {phase}")))
        }
        Some(2) => {
            sqlx::query("UPDATE log SET origin = replace(origin, '/log/1', '/log/2')")
                .execute(&mut *open)
                .await
                .unwrap();
            Some(Done::local("the log has another name"))
        }
        Some(_) => {
            let sql = "UPDATE envelope SET expires = expires + 86400000 WHERE key = \
                       (SELECT key FROM envelope WHERE key >= ? ORDER BY key LIMIT 1)";
            let near = i64::try_from(below(noise, 40)).unwrap();
            sqlx::query(sql).bind(near).execute(&mut *open).await.unwrap();
            Some(Done::local(format!("envelope near {near} expires a day later")))
        }
    }
    .unwrap_or_else(|| Done::local("(nothing there)"))
    .or_statement(open, noise)
    .await
}

impl Done {
    /// Where there was nothing of the kind, a statement is altered.
    async fn or_statement(self, open: &mut SqliteConnection, noise: &mut Noise) -> Self {
        if self.what == "(nothing there)" {
            return flip(open, "statement", "body", noise).await.unwrap();
        }
        self
    }
}

/// Turns one bit of one row's column.
pub async fn flip(
    open: &mut SqliteConnection,
    table: &str,
    column: &str,
    noise: &mut Noise,
) -> Option<Done> {
    let sql =
        format!("SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY rowid");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_all(&mut *open)
        .await
        .unwrap();
    if rows.is_empty() {
        return None;
    }
    let row = pick(noise, &rows);
    let (id, mut bytes): (i64, Vec<u8>) = (row.get(0), row.get(1));
    let bit = turn(&mut bytes, noise);
    let sql = format!("UPDATE OR IGNORE {table} SET {column} = ? WHERE rowid = ?");
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(bytes)
        .bind(id)
        .execute(open)
        .await
        .unwrap();
    Some(Done::local(format!("{table}.{column} row {id}, bit {bit}")))
}

pub fn turn(bytes: &mut [u8], noise: &mut Noise) -> usize {
    let bit = below(noise, bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    bit
}

/// Turns one bit of a file of a folder.
pub fn flip_file(folder: &Path, noise: &mut Noise) -> Option<(String, PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    if files.is_empty() {
        return None;
    }
    let path = pick(noise, &files).clone();
    let bytes = std::fs::read(&path).unwrap();
    let mut turned = bytes.clone();
    let bit = turn(&mut turned, noise);
    std::fs::write(&path, turned).unwrap();
    Some((format!("{} bit {bit}", path.display()), path, bytes))
}

fn flip_body(data: &Path, noise: &mut Noise) -> Option<Done> {
    let (what, path, bytes) = flip_file(&data.join("bodies"), noise)?;
    Some(Done {
        what,
        wanted: Detector::Local,
        file: Some((path, bytes)),
    })
}

async fn drop_row(open: &mut SqliteConnection, place: &Place, noise: &mut Noise) -> Done {
    let any = |table: &str, only: &str| {
        format!(
            "DELETE FROM {table} WHERE rowid = (SELECT rowid FROM {table} WHERE {only} \
             ORDER BY (rowid * 7919) % ? LIMIT 1)"
        )
    };
    let choice = below(noise, 7);
    let (what, sql) = match choice {
        0 => ("a statement", any("statement", "position > 1")),
        1 => ("a leg", any("leg", "last_statement IS NOT NULL")),
        2 => (
            "an envelope with its legs",
            any(
                "envelope",
                "header_digest IN (SELECT header_digest FROM statement)",
            ),
        ),
        3 => ("a tile", any("tile", "level = 0")),
        4 => ("another station's evidence", any("received_evidence", "1")),
        5 => (
            "the first leaf",
            "DELETE FROM statement WHERE position < 2 + 0 * ?".to_owned(),
        ),
        _ => {
            let files = std::fs::read_dir(place.data.join("bodies")).unwrap();
            let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
            files.sort();
            let Some(path) = files.get(below(noise, files.len())).cloned() else {
                return flip(open, "statement", "leaf", noise).await.unwrap();
            };
            let bytes = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            return Done {
                what: format!("a body file {}", path.display()),
                wanted: Detector::Local,
                file: Some((path, bytes)),
            };
        }
    };
    let salt = i64::try_from(101 + 2 * below(noise, 400)).unwrap();
    let done = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(salt)
        .execute(&mut *open)
        .await
        .unwrap();
    if done.rows_affected() == 0 {
        return flip(open, "statement", "leaf", noise).await.unwrap();
    }
    if choice == 2 {
        sqlx::query("DELETE FROM leg WHERE envelope NOT IN (SELECT key FROM envelope)")
            .execute(&mut *open)
            .await
            .unwrap();
        let sql = "DELETE FROM received_evidence WHERE envelope NOT IN (SELECT key FROM envelope)";
        sqlx::query(sql).execute(&mut *open).await.unwrap();
    }
    Done::local(what)
}

/// Two different rows of a table, as rowids.
async fn two(
    open: &mut SqliteConnection,
    table: &str,
    only: &str,
    noise: &mut Noise,
) -> (i64, i64) {
    let sql = format!("SELECT rowid FROM {table} WHERE {only} ORDER BY rowid");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_all(open)
        .await
        .unwrap();
    let first = below(noise, rows.len());
    let second = (first + 1 + below(noise, rows.len() - 1)) % rows.len();
    (rows[first].get(0), rows[second].get(0))
}

/// Exchanges columns of two rows.
async fn exchange(open: &mut SqliteConnection, table: &str, columns: &[&str], a: i64, b: i64) {
    for column in columns {
        let read = format!("SELECT {column} FROM {table} WHERE rowid = ?");
        let mut values: Vec<Vec<u8>> = Vec::new();
        for row in [a, b] {
            let found = sqlx::query(sqlx::AssertSqlSafe(read.clone())).bind(row);
            values.push(found.fetch_one(&mut *open).await.unwrap().get(0));
        }
        let write = format!("UPDATE {table} SET {column} = ? WHERE rowid = ?");
        for (row, value) in [b, a].into_iter().zip(values) {
            let sql = sqlx::query(sqlx::AssertSqlSafe(write.clone()));
            sql.bind(value).bind(row).execute(&mut *open).await.unwrap();
        }
    }
}

async fn swap(open: &mut SqliteConnection, noise: &mut Noise) -> Done {
    let stamped = "position > 1 AND position <= (SELECT max(size) FROM checkpoint)";
    let whole: &[&str] = &["envelope_id", "header_digest", "salt", "leaf", "body"];
    let choices: [(&str, &str, &[&str]); 5] = [
        ("statement", "position > 1", &["salt", "body"]),
        ("statement", stamped, whole),
        ("envelope", "body_kind = 2", &["header_signature"]),
        (
            "envelope",
            "body_kind = 2 AND length(header_digest) = 32",
            &["header"],
        ),
        ("received_evidence", "1", &["bundle"]),
    ];
    let (table, only, columns) = *pick(noise, &choices);
    let (a, b) = two(open, table, only, noise).await;
    exchange(open, table, columns, a, b).await;
    Done::local(format!(
        "{} of {table} rows {a} and {b}",
        columns.join(", ")
    ))
}

async fn replay(open: &mut SqliteConnection, noise: &mut Noise) -> Done {
    match below(noise, 3) {
        0 => {
            let (a, _) = two(open, "statement", "position > 1", noise).await;
            let sql = "INSERT INTO statement SELECT (SELECT max(position) + 1 FROM statement), \
                       envelope_id, header_digest, salt, leaf, body FROM statement WHERE position = ?";
            sqlx::query(sql).bind(a).execute(open).await.unwrap();
            Done::local(format!("statement {a} a second time at the end"))
        }
        1 => {
            let sql = "SELECT a.envelope AS a, b.envelope AS b FROM received_evidence a, received_evidence b \
                       WHERE a.envelope <> b.envelope ORDER BY (a.envelope * 31 + b.envelope) % ? LIMIT 1";
            let salt = i64::try_from(3 + below(noise, 500)).unwrap();
            let row = sqlx::query(sql)
                .bind(salt)
                .fetch_one(&mut *open)
                .await
                .unwrap();
            let (a, b): (i64, i64) = (row.get(0), row.get(1));
            let sql = "INSERT OR IGNORE INTO received_evidence SELECT ?, digest, received, bundle \
                       FROM received_evidence WHERE envelope = ?";
            sqlx::query(sql)
                .bind(a)
                .bind(b)
                .execute(open)
                .await
                .unwrap();
            Done::local(format!(
                "evidence of envelope {b} kept for envelope {a} too"
            ))
        }
        _ => {
            let (a, _) = two(
                open,
                "leg",
                "phase = 4 AND last_statement IS NOT NULL",
                noise,
            )
            .await;
            let sql = "UPDATE leg SET phase = 0, next_at = received WHERE id = ?";
            sqlx::query(sql).bind(a).execute(&mut *open).await.unwrap();
            let sql = "UPDATE envelope SET body_kind = 0, body = zeroblob(100) WHERE body_kind = 2 AND \
                       key = (SELECT envelope FROM leg WHERE id = ?)";
            sqlx::query(sql).bind(a).execute(open).await.unwrap();
            Done::local(format!("leg {a} queued again, as if it had not gone"))
        }
    }
}

async fn back_date(open: &mut SqliteConnection, noise: &mut Noise) -> Done {
    let by = 60_000 * (1 + i64::try_from(below(noise, 60 * 24 * 20)).unwrap());
    match below(noise, 5) {
        0 => {
            let (a, _) = two(open, "statement", "position > 1", noise).await;
            restate(open, a, by, false).await;
            Done::local(format!("statement {a} dated back {by} ms"))
        }
        1 => {
            let only = "position > 1 AND position <= (SELECT max(size) FROM checkpoint)";
            let (a, _) = two(open, "statement", only, noise).await;
            restate(open, a, by, true).await;
            Done::local(format!(
                "statement {a} dated back {by} ms, its leaf hash made to fit"
            ))
        }
        2 => {
            let (a, _) = two(open, "leg", "last_statement IS NOT NULL", noise).await;
            let sql = "UPDATE leg SET received = received - ? WHERE id = ?";
            sqlx::query(sql)
                .bind(by)
                .bind(a)
                .execute(open)
                .await
                .unwrap();
            Done::local(format!("leg {a} said to have come {by} ms earlier"))
        }
        3 => {
            let sql = "UPDATE log SET opened = opened - ?";
            sqlx::query(sql).bind(by).execute(open).await.unwrap();
            Done::local(format!("the log opened {by} ms earlier"))
        }
        _ => {
            let (a, _) = two(open, "checkpoint", "1", noise).await;
            let sql = "UPDATE checkpoint SET stamped = stamped - ? WHERE rowid = ?";
            sqlx::query(sql)
                .bind(by + 660_000)
                .bind(a)
                .execute(open)
                .await
                .unwrap();
            Done::local(format!("checkpoint row {a} said to be stamped earlier"))
        }
    }
}

async fn restate(open: &mut SqliteConnection, position: i64, by: i64, leaf_too: bool) {
    let row = sqlx::query("SELECT salt, body FROM statement WHERE position = ?")
        .bind(position)
        .fetch_one(&mut *open)
        .await
        .unwrap();
    let (salt, body): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    let mut one = Statement::parse(&body).unwrap();
    one.time = Timestamp::from_unix_ms(one.time.unix_ms() - by);
    let body = one.to_json();
    let leaf = statement::leaf_hash(&salt.try_into().unwrap(), &body);
    let sql = if leaf_too {
        "UPDATE statement SET body = ?1, leaf = ?2 WHERE position = ?3"
    } else {
        "UPDATE statement SET body = ?1 WHERE position = ?3 AND ?2 = ?2"
    };
    sqlx::query(sql)
        .bind(body)
        .bind(leaf.as_bytes().to_vec())
        .bind(position)
        .execute(open)
        .await
        .unwrap();
}
