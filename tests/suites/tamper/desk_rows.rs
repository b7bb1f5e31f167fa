//! Clumsy hands at a node: rows of the desk and packet files, in the ways of each class.

use std::path::PathBuf;

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tests::samples::Noise;

use crate::Class;
use crate::rows::{flip_file, turn};
use crate::scene::{Place, below, pick};

/// What was done, and a file to put back.
pub type Mutated = (String, Option<(PathBuf, Vec<u8>)>);

/// Columns whose bytes are turned: table, its key, column.
const BLOBS: &[(&str, &str, &str)] = &[
    ("desk_bundle", "digest", "bundle"),
    ("desk_packet", "digest", "inline"),
    ("desk_packet", "digest", "digest"),
    ("desk_receipt", "leaf", "leaf"),
    ("desk_receipt", "leaf", "bundle"),
    ("desk_envelope", "id", "header"),
    ("desk_envelope", "id", "header_digest"),
    ("desk_envelope", "id", "salt"),
    ("desk_inbox", "seq", "header"),
    ("desk_inbox", "seq", "salt"),
    ("desk_inbox", "seq", "packet_digest"),
    ("desk_document", "seq", "packet_digest"),
];

pub async fn mutate(
    open: &mut SqliteConnection,
    place: &Place,
    class: Class,
    noise: &mut Noise,
) -> Mutated {
    let sql = match class {
        Class::Alter => return alter(open, place, noise).await,
        Class::Drop => *pick(noise, DROPS),
        Class::Swap => *pick(noise, SWAPS),
        Class::Replay => *pick(noise, REPLAYS),
        Class::BackDate => *pick(noise, BACK_DATES),
        Class::Truncate | Class::Fork | Class::OldBackup => unreachable!("made by the ledger"),
    };
    let salt = i64::try_from(3 + below(noise, 997)).unwrap();
    let mut changed = 0;
    for (nth, statement) in sql.1.iter().enumerate() {
        let query = sqlx::query(*statement);
        // The first statement chooses the row by this number.
        let query = if nth == 0 { query.bind(salt) } else { query };
        changed += query.execute(&mut *open).await.unwrap().rows_affected();
    }
    assert!(changed > 0, "{} changes nothing", sql.0);
    (format!("{} (choice {salt})", sql.0), None)
}

async fn alter(open: &mut SqliteConnection, place: &Place, noise: &mut Noise) -> Mutated {
    let nth = below(noise, BLOBS.len() + 3);
    match nth.checked_sub(BLOBS.len()) {
        None => {
            let (table, key, column) = BLOBS[nth];
            let sql = format!(
                "SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {key}"
            );
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_all(&mut *open)
                .await
                .unwrap();
            let at = below(noise, rows.len());
            let mut bytes: Vec<u8> = rows[at].get(1);
            let old = bytes.clone();
            let bit = turn(&mut bytes, noise);
            let sql = format!(
                "UPDATE {table} SET {column} = ?1 WHERE {column} = ?2 AND {key} = \
                (SELECT {key} FROM {table} WHERE {column} IS NOT NULL ORDER BY {key} LIMIT 1 OFFSET ?3)"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(bytes).bind(old);
            let done = query
                .bind(i64::try_from(at).unwrap())
                .execute(open)
                .await
                .unwrap();
            assert_eq!(done.rows_affected(), 1, "{table}.{column}");
            (format!("{table}.{column} row {at}, bit {bit}"), None)
        }
        Some(0) => {
            let (what, path, bytes) = flip_file(&place.data.join("packets"), noise).unwrap();
            (what, Some((path, bytes)))
        }
        Some(1) => {
            let state = *pick(noise, &["refused", "withdrawn", "accepted", "handed_over"]);
            let sql = "UPDATE desk_recipient SET state = ? WHERE state = 'delivered'";
            let done = sqlx::query(sql).bind(state).execute(open).await.unwrap();
            assert!(done.rows_affected() > 0);
            (format!("recipients shown as {state}"), None)
        }
        Some(_) => {
            let sql = "UPDATE desk_inbox SET state = 'acknowledged' WHERE seq = (SELECT seq FROM desk_inbox \
                       WHERE state = 'new' ORDER BY (seq * 7919) % ? LIMIT 1)";
            let salt = i64::try_from(3 + below(noise, 500)).unwrap();
            let done = sqlx::query(sql).bind(salt).execute(open).await.unwrap();
            assert_eq!(done.rows_affected(), 1);
            (
                "a document shown as taken over that was not".to_owned(),
                None,
            )
        }
    }
}

type Statements = (&'static str, &'static [&'static str]);

const DROPS: &[Statements] = &[
    (
        "a receipt",
        &[
            "DELETE FROM desk_receipt WHERE leaf = (SELECT leaf FROM desk_receipt ORDER BY (at * 31) % ?, leaf LIMIT 1)",
        ],
    ),
    (
        "a bundle",
        &[
            "DELETE FROM desk_bundle WHERE digest = (SELECT digest FROM desk_bundle ORDER BY (received * 31) % ?, digest LIMIT 1)",
        ],
    ),
    (
        "a packet",
        &[
            "DELETE FROM desk_packet WHERE digest = (SELECT digest FROM desk_packet ORDER BY (bytes * 31) % ?, digest LIMIT 1)",
        ],
    ),
    (
        "an arrival",
        &[
            "DELETE FROM desk_inbox WHERE seq = (SELECT seq FROM desk_inbox ORDER BY (seq * 7919) % ? LIMIT 1)",
        ],
    ),
    (
        "a recipient",
        &[
            "DELETE FROM desk_recipient WHERE envelope = (SELECT envelope FROM desk_recipient ORDER BY (accepted_at * 31) % ?, envelope LIMIT 1)",
        ],
    ),
    (
        "a document that was sent, with all the desk's rows about it",
        &[
            "DELETE FROM desk_document WHERE seq = (SELECT seq FROM desk_document ORDER BY (seq * 7919) % ? LIMIT 1)",
            "DELETE FROM desk_envelope WHERE document NOT IN (SELECT id FROM desk_document)",
            "DELETE FROM desk_recipient WHERE document NOT IN (SELECT id FROM desk_document)",
            "DELETE FROM desk_step WHERE envelope NOT IN (SELECT id FROM desk_envelope)",
        ],
    ),
];

const SWAPS: &[Statements] = &[
    (
        "the packets of two arrivals",
        &[
            "UPDATE desk_inbox SET packet_digest = (SELECT o.packet_digest FROM desk_inbox o WHERE \
               o.packet_digest <> desk_inbox.packet_digest ORDER BY (o.seq * 7919) % ? LIMIT 1) \
             WHERE seq IN (SELECT seq FROM desk_inbox ORDER BY seq LIMIT 2)",
        ],
    ),
    (
        "what two receipts were taken from",
        &[
            "UPDATE desk_receipt SET position = position + 1000 + 0 * ?, event = 'Opened' WHERE leaf = \
             (SELECT leaf FROM desk_receipt ORDER BY at DESC, leaf LIMIT 1)",
        ],
    ),
    (
        "the recipients of two receipts",
        &[
            "UPDATE desk_receipt SET recipient = CASE recipient WHEN 'H01.36' THEN 'H01.36.04' ELSE 'H01.36' END \
           WHERE at % 1 = 0 * ?",
        ],
    ),
    (
        "the salts of two envelopes",
        &[
            "UPDATE desk_envelope SET salt = (SELECT o.salt FROM desk_envelope o WHERE o.id <> desk_envelope.id \
           ORDER BY (o.created * 31) % ?, o.id LIMIT 1)",
        ],
    ),
];

const REPLAYS: &[Statements] = &[
    (
        "a document that was taken over is offered again",
        &[
            "UPDATE desk_inbox SET state = 'new' WHERE seq = (SELECT seq FROM desk_inbox WHERE \
           state = 'acknowledged' ORDER BY (seq * 7919) % ? LIMIT 1)",
        ],
    ),
    (
        "an old receipt under another leaf",
        &[
            "INSERT INTO desk_receipt (leaf, envelope, recipient, event, at, station, bundle, position) \
             SELECT randomblob(32), envelope, recipient, 'ContentHandover', at, station, \
             bundle, position FROM desk_receipt ORDER BY (at * 31) % ?, leaf LIMIT 1",
        ],
    ),
];

const BACK_DATES: &[Statements] = &[
    (
        "a delivery shown earlier",
        &[
            "UPDATE desk_recipient SET delivered_at = delivered_at - 1000 * ? WHERE delivered_at IS NOT NULL",
        ],
    ),
    (
        "a receipt's time",
        &[
            "UPDATE desk_receipt SET at = at - 60000 * ? WHERE leaf = (SELECT max(leaf) FROM desk_receipt)",
        ],
    ),
];
