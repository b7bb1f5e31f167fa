//! The operator's best work: a log rewritten so that it agrees with itself again: chains, leaves, tiles,
//! legs, and a head signed with the real keys. And folders put back to an older state.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use formats::checkpoint::{Checkpoint, LogOrigin};
use formats::id::{Digest, Party};
use formats::merkle::tiles::Tree;
use formats::statement::{self, Event, Statement};
use relay::clock::Clock;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tests::samples::Noise;

use crate::Class;
use crate::detect::Detector;
use crate::rows::Done;
use crate::scene::{Place, below, pick};

/// One row of the log.
#[derive(Clone)]
pub struct Leaf {
    pub envelope: Vec<u8>,
    pub header: Vec<u8>,
    pub salt: [u8; 32],
    pub body: Vec<u8>,
}

impl Leaf {
    pub fn statement(&self) -> Option<Statement> {
        Statement::parse(&self.body).ok()
    }
}

/// All leaves as they stand (salts that are damaged count as zero).
pub async fn load(open: &mut SqliteConnection) -> Vec<Leaf> {
    let rows = sqlx::query(
        "SELECT envelope_id, header_digest, salt, body FROM statement ORDER BY position",
    )
    .fetch_all(open)
    .await
    .unwrap();
    rows.iter()
        .map(|row| Leaf {
            envelope: row.get(0),
            header: row.get(1),
            salt: row.get::<Vec<u8>, _>(2).try_into().unwrap_or([0; 32]),
            body: row.get(3),
        })
        .collect()
}

/// Truncates or forks, below what others have seen.
pub async fn rewrite(
    open: &mut SqliteConnection,
    place: &Place,
    class: Class,
    noise: &mut Noise,
) -> Done {
    let leaves = load(open).await;
    // The last leaf of all may be unseen.
    let index = 1 + below(noise, leaves.len() - 24);
    if class == Class::Truncate {
        if noise.word().is_multiple_of(4) {
            let sql = "DELETE FROM statement WHERE position > ?";
            let last = i64::try_from(index).unwrap();
            sqlx::query(sql).bind(last).execute(open).await.unwrap();
            return Done::rows(
                format!("cut after {index} leaves, nothing else"),
                Detector::Local,
            );
        }
        cut(open, place, leaves, index).await;
        return Done::rows(
            format!("cut after {index} leaves, all made to fit"),
            Detector::Peer,
        );
    }
    let how = *pick(
        noise,
        &["time", "erase", "insert", "order", "salt", "recipient"],
    );
    let what = format!("leaf {index} rewritten ({how}), all made to fit and signed again");
    rewrite_at(open, place, index, how).await;
    Done::rows(what, Detector::Peer)
}

/// Rewrites the history from a leaf on.
pub async fn rewrite_at(open: &mut SqliteConnection, place: &Place, index: usize, how: &str) {
    let mut leaves = load(open).await;
    let mut first = index;
    let mut one = leaves[index].statement().unwrap();
    match how {
        "time" => {
            let (was, now) = (one.time, one.time.minus_ms(60_000));
            one.time = now;
            leaves[index].body = one.to_json();
            let sql = "UPDATE leg SET received = ? WHERE received = ? AND recipient = ? AND envelope = \
                       (SELECT key FROM envelope WHERE header_digest = ?)";
            sqlx::query(sql)
                .bind(now.unix_ms())
                .bind(was.unix_ms())
                .bind(one.recipient.as_str())
                .bind(leaves[index].header.clone())
                .execute(&mut *open)
                .await
                .unwrap();
        }
        "erase" => {
            let gone = leaves[index].envelope.clone();
            first = leaves
                .iter()
                .position(|leaf| leaf.envelope == gone)
                .unwrap();
            leaves.retain(|leaf| leaf.envelope != gone);
            forget(open, place, &gone).await;
        }
        "insert" => {
            let mut again = leaves[index].clone();
            again.salt[0] ^= 1;
            leaves.insert(index + 1, again);
        }
        "order" => leaves.swap(index, index + 1),
        "recipient" => {
            // The statement now speaks of the next envelope's leg: one document is denied, one invented.
            let other = leaves[index + 1].clone();
            leaves[index] = other;
        }
        _ => leaves[index].salt[7] ^= 0x40,
    }
    save(open, place, leaves, first).await;
}

/// Cuts the log and whatever speaks of what was cut.
async fn cut(open: &mut SqliteConnection, place: &Place, mut leaves: Vec<Leaf>, size: usize) {
    let gone = leaves.split_off(size);
    let kept: HashSet<&Vec<u8>> = leaves.iter().map(|leaf| &leaf.envelope).collect();
    for envelope in gone
        .iter()
        .map(|leaf| &leaf.envelope)
        .collect::<HashSet<_>>()
    {
        if !kept.contains(envelope) {
            forget(open, place, envelope).await;
        }
    }
    save(open, place, leaves, size).await;
}

/// Removes every row about an envelope.
async fn forget(open: &mut SqliteConnection, place: &Place, id: &[u8]) {
    let key = "(SELECT key FROM envelope WHERE id = ?)";
    for sql in [
        format!("DELETE FROM received_evidence WHERE envelope IN {key}"),
        format!("DELETE FROM leg WHERE envelope IN {key}"),
        "DELETE FROM envelope WHERE id = ?".to_owned(),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id.to_vec())
            .execute(&mut *open)
            .await
            .unwrap();
    }
    if place.is_node {
        let bytes: [u8; 16] = id.try_into().unwrap();
        let text = formats::id::EnvelopeId::from_bytes(bytes)
            .unwrap()
            .to_string();
        for sql in [
            "DELETE FROM desk_inbox WHERE envelope = ?",
            "DELETE FROM desk_recipient WHERE envelope = ?",
            "DELETE FROM desk_document WHERE id = ?",
            "DELETE FROM desk_envelope WHERE id = ?",
        ] {
            sqlx::query(sql)
                .bind(&text)
                .execute(&mut *open)
                .await
                .unwrap();
        }
    }
}

/// Writes the leaves back: chains, hashes, tiles, what legs name; stamped checkpoints that no longer fit go.
async fn save(open: &mut SqliteConnection, place: &Place, mut leaves: Vec<Leaf>, first: usize) {
    let mut last: HashMap<(Vec<u8>, Party), Digest> = HashMap::new();
    let mut tree = Tree::new();
    let position = |index: usize| i64::try_from(index + 1).unwrap();
    let run = "DELETE FROM statement WHERE position > ?";
    let from = i64::try_from(first).unwrap();
    sqlx::query(run)
        .bind(from)
        .execute(&mut *open)
        .await
        .unwrap();
    for (index, leaf) in leaves.iter_mut().enumerate() {
        if let Some(mut one) = leaf.statement() {
            let key = (leaf.header.clone(), one.recipient.clone());
            one.prev = last.get(&key).copied().unwrap_or(one.header_digest);
            leaf.body = one.to_json();
            last.insert(key, Digest::of(&leaf.body));
        }
        let hash = statement::leaf_hash(&leaf.salt, &leaf.body);
        tree.append(hash);
        if index >= first {
            sqlx::query(
                "INSERT INTO statement (position, envelope_id, header_digest, salt, leaf, body) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(position(index))
            .bind(&leaf.envelope)
            .bind(&leaf.header)
            .bind(leaf.salt.to_vec())
            .bind(hash.as_bytes().to_vec())
            .bind(&leaf.body)
            .execute(&mut *open)
            .await
            .unwrap();
        }
    }
    sqlx::query("DELETE FROM tile")
        .execute(&mut *open)
        .await
        .unwrap();
    let (size, root) = (tree.size(), tree.root());
    for (id, tile) in tree.take_full() {
        sqlx::query("INSERT INTO tile (epoch, level, number, root, hashes) VALUES (1, ?, ?, ?, ?)")
            .bind(i64::from(id.level))
            .bind(i64::try_from(id.index).unwrap())
            .bind(tile.root().unwrap().as_bytes().to_vec())
            .bind(tile.to_bytes())
            .execute(&mut *open)
            .await
            .unwrap();
    }
    sqlx::query("DELETE FROM checkpoint WHERE size > ?")
        .bind(from)
        .execute(&mut *open)
        .await
        .unwrap();
    for ((header, recipient), digest) in last {
        let sql = "UPDATE leg SET last_statement = ?1, last_epoch = 1 WHERE recipient = ?2 AND envelope = \
                   (SELECT key FROM envelope WHERE header_digest = ?3) AND last_statement <> ?1";
        sqlx::query(sql)
            .bind(digest.as_bytes().to_vec())
            .bind(recipient.as_str())
            .bind(header)
            .execute(&mut *open)
            .await
            .unwrap();
    }
    sign(place, size, root);
}

/// The head of the new history, with the keys that every verifier asks for: a signature alone helps nobody.
fn sign(place: &Place, size: u64, root: Digest) {
    let head = Checkpoint {
        origin: LogOrigin::new(place.name.parse().unwrap(), 1),
        size,
        root,
    };
    let now = Clock::system().now();
    let signed = pki::note::sign_checkpoint(
        &head,
        &place.log_key,
        &place.evidence_key,
        &place.evidence,
        now,
    )
    .unwrap();
    assert_eq!(signed.parsed().unwrap().checkpoint, head);
}

/// Goes on: states more about legs that are there, as a station does; gives the size.
pub async fn grow(open: &mut SqliteConnection, place: &Place, count: usize) -> usize {
    let mut leaves = load(open).await;
    let first = leaves.len();
    let legs: Vec<Leaf> = leaves
        .iter()
        .filter(|leaf| {
            leaf.statement()
                .is_some_and(|one| one.event == Event::RelayAcceptance)
        })
        .cloned()
        .collect();
    let now = Clock::system().now();
    for nth in 0..count {
        let mut next = legs[nth % legs.len()].clone();
        let mut one = next.statement().unwrap();
        one.time = now;
        next.body = one.to_json();
        next.salt[3] ^= u8::try_from(nth % 255).unwrap() + 1;
        leaves.push(next);
    }
    let size = leaves.len();
    save(open, place, leaves, first).await;
    size
}

/// A folder of the past.
pub struct Restored {
    pub what: String,
    pub data: PathBuf,
}

pub fn old_backup(place: &Place, noise: &mut Noise) -> Restored {
    let nth = below(noise, place.backups.len());
    Restored {
        what: format!("backup {} of {}", nth + 1, place.backups.len()),
        data: place.backups[nth].clone(),
    }
}

/// The restored station takes up its work as if nothing had been, or not yet.
pub async fn go_on(open: &mut SqliteConnection, place: &Place, noise: &mut Noise) -> String {
    let count = below(noise, 40);
    if count == 0 {
        return "as it was".to_owned();
    }
    grow(open, place, count).await;
    format!("and {count} statements more")
}
