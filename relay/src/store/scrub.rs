//! Scrub: a slow walk over what lies here, in small steps, while the station runs: bodies against the signed
//! headers, statements against their leaf hashes, tiles against what is below them. What is damaged is set
//! aside or put right ([`super::mend`]) before anybody needs it.
//!
//! One step reads about as many bytes as it is allowed. Fails by [`ReadError`]; the next step goes on. Must not
//! know how often it is called.

use formats::time::Timestamp;
use sqlx::Row;

use crate::store::body::BodyError;
use crate::store::mend::{Mended, Place};
use crate::store::read::ReadError;
use crate::store::writer::Chore;
use crate::store::{EnvelopeKey, Store};

/// Where a walk stands; begins with the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Envelopes after this key.
    Envelopes(i64),
    /// Statements after this position.
    Statements(i64),
    /// Tiles after this row.
    Tiles(i64),
}

impl Default for Cursor {
    fn default() -> Self {
        Self::Envelopes(i64::MIN)
    }
}

/// What a step found.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Bytes read.
    pub bytes: u64,
    /// Rows that were put right.
    pub mended: u64,
    /// Bodies that are not what their headers say, with what is wrong: to be set aside.
    pub damaged: Vec<(EnvelopeKey, String)>,
    /// Rows that no digest puts right, in words.
    pub lost: Vec<String>,
    /// The walk came to its end with this step.
    pub ended: bool,
}

/// A body that is set aside and waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedBody {
    /// Its envelope's id.
    pub envelope: String,
    /// Since when.
    pub found: Timestamp,
    /// What is wrong with it.
    pub problem: String,
    /// Where the copy is kept: a file of `bodies`, or the row that says so.
    pub kept: String,
}

impl Store {
    /// Walks on by about `bytes`; gives where it stands.
    pub async fn scrub(&self, cursor: Cursor, bytes: u64) -> Result<(Cursor, Step), ReadError> {
        let mut step = Step::default();
        let mut at = cursor;
        while step.bytes < bytes && !step.ended {
            at = match at {
                Cursor::Envelopes(after) => self.scrub_envelope(after, &mut step).await?,
                Cursor::Statements(after) => self.scrub_statements(after, &mut step).await?,
                Cursor::Tiles(after) => self.scrub_tiles(after, &mut step).await?,
            };
        }
        Ok((at, step))
    }

    /// Bodies that are set aside and have not been replaced, the oldest first.
    pub async fn damaged_bodies(&self) -> Result<Vec<DamagedBody>, ReadError> {
        let rows = sqlx::query(
            "SELECT d.id, d.envelope_id, d.found, d.problem, d.file FROM damaged_body d \
             JOIN leg l ON l.envelope = d.envelope AND l.phase < 4 \
             WHERE d.mended IS NULL GROUP BY d.id ORDER BY d.id LIMIT 256",
        )
        .fetch_all(&self.shared.readers)
        .await?;
        let mut damaged = Vec::with_capacity(rows.len());
        for row in &rows {
            let (id, file): (i64, Option<String>) = (row.try_get("id")?, row.try_get("file")?);
            damaged.push(DamagedBody {
                envelope: super::check::id_text(&row.try_get::<Vec<u8>, _>("envelope_id")?),
                found: Timestamp::from_unix_ms(row.try_get("found")?),
                problem: row.try_get("problem")?,
                kept: file.map_or_else(
                    || format!("damaged_body row {id}"),
                    |name| format!("bodies/{name}"),
                ),
            });
        }
        Ok(damaged)
    }

    async fn scrub_envelope(&self, after: i64, step: &mut Step) -> Result<Cursor, ReadError> {
        let row = sqlx::query("SELECT key FROM envelope WHERE key > ? ORDER BY key LIMIT 1")
            .bind(after)
            .fetch_optional(&self.shared.readers)
            .await?;
        let Some(row) = row else {
            return Ok(Cursor::Statements(i64::MIN));
        };
        let key: i64 = row.try_get("key")?;
        step.bytes += ENVELOPE_BYTES;
        let envelope = match self.envelope(EnvelopeKey(key)).await {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return Ok(Cursor::Envelopes(key)),
            Err(error @ ReadError::Damaged { .. }) => {
                step.lost.push(error.to_string());
                return Ok(Cursor::Envelopes(key));
            }
            Err(error) => return Err(error),
        };
        if envelope.body.is_none() {
            return Ok(Cursor::Envelopes(key));
        }
        let problem = match self.open_body(&envelope).await {
            Ok(None) => None,
            Err(error) => Some(error),
            Ok(Some(body)) => {
                step.bytes += body.layout().body_bytes();
                let mut problem = None;
                for piece in 0..body.layout().piece_count() {
                    problem = body.piece(piece).await.err();
                    if problem.is_some() {
                        break;
                    }
                }
                problem
            }
        };
        if let Some(problem) = problem.filter(|problem| !is_passing(problem)) {
            step.damaged.push((EnvelopeKey(key), problem.to_string()));
        }
        Ok(Cursor::Envelopes(key))
    }

    async fn scrub_statements(&self, after: i64, step: &mut Step) -> Result<Cursor, ReadError> {
        let rows = sqlx::query(
            "SELECT position, salt, leaf, body, envelope_id, header_digest FROM statement \
             WHERE position > ? ORDER BY position LIMIT 64",
        )
        .bind(after)
        .fetch_all(&self.shared.readers)
        .await?;
        let mut last = None;
        for row in &rows {
            let position: i64 = row.try_get("position")?;
            last = Some(position);
            let body: Vec<u8> = row.try_get("body")?;
            step.bytes += ROW_BYTES;
            let salt: Vec<u8> = row.try_get("salt")?;
            let leaf: Vec<u8> = row.try_get("leaf")?;
            let good = <[u8; 32]>::try_from(salt).is_ok_and(|salt| {
                formats::statement::leaf_hash(&salt, &body)
                    .as_bytes()
                    .as_slice()
                    == leaf
            });
            let (id, header): (Vec<u8>, Vec<u8>) =
                (row.try_get("envelope_id")?, row.try_get("header_digest")?);
            let named = formats::statement::Statement::parse(&body)
                .ok()
                .is_none_or(|one| {
                    one.envelope.as_bytes().as_slice() == id
                        && one.header_digest.as_bytes().as_slice() == header
                });
            if !(good && named) {
                self.try_mending(Place::Statement(position), step).await;
            }
        }
        Ok(last.map_or(Cursor::Tiles(i64::MIN), Cursor::Statements))
    }

    async fn scrub_tiles(&self, after: i64, step: &mut Step) -> Result<Cursor, ReadError> {
        let row = sqlx::query(
            "SELECT t.rowid AS at, t.epoch, t.level, t.number, t.root, t.hashes, l.first_position \
             FROM tile t JOIN log l ON l.epoch = t.epoch WHERE t.rowid > ? ORDER BY t.rowid LIMIT 1",
        )
        .bind(after)
        .fetch_optional(&self.shared.readers)
        .await?;
        let Some(row) = row else {
            step.ended = true;
            return Ok(Cursor::default());
        };
        let at: i64 = row.try_get("at")?;
        let place = Place::Tile(
            row.try_get("epoch")?,
            row.try_get("level")?,
            row.try_get("number")?,
            row.try_get("first_position")?,
        );
        step.bytes += TILE_BYTES;
        let (root, hashes): (Vec<u8>, Vec<u8>) = (row.try_get("root")?, row.try_get("hashes")?);
        let own = formats::merkle::tiles::Tile::from_bytes(&hashes).and_then(|tile| tile.root());
        if own.is_none_or(|own| own.as_bytes().as_slice() != root) {
            self.try_mending(place, step).await;
        }
        Ok(Cursor::Tiles(at))
    }

    async fn try_mending(&self, place: Place, step: &mut Step) {
        match self.mend(place).await {
            Mended::Fine => {}
            Mended::Now => step.mended += 1,
            Mended::Cannot => step
                .lost
                .push(format!("{place:?}: no digest proves what it was")),
        }
    }

    /// Has the writer put a row right.
    pub(super) async fn mend(&self, place: Place) -> Mended {
        match self.keep(Chore::Mend(place)).await {
            Ok(0) => Mended::Fine,
            Ok(1) => Mended::Now,
            Ok(_) => Mended::Cannot,
            Err(error) => {
                tracing::warn!(code = "TRAM-347", ?place, %error, "a damaged row is not put right now");
                Mended::Cannot
            }
        }
    }

    /// A leaf that does not lead to the signed root: its statement and the tiles above it are looked at.
    pub(super) async fn mend_leaf(&self, epoch: i64, first_position: i64, index: u64) {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let position = first_position.saturating_add(index);
        let mut number = index / 256;
        let mut places = vec![Place::Statement(position)];
        for level in 0..3 {
            places.push(Place::Tile(epoch, level, number, first_position));
            number /= 256;
        }
        for place in places {
            let _told_by_the_next_proof = self.mend(place).await;
        }
    }
}

/// The file is there and could not be opened: says nothing about what lies in it.
pub(crate) fn is_passing(error: &BodyError) -> bool {
    matches!(error, BodyError::Missing { source, .. }
        if source.kind() != std::io::ErrorKind::NotFound)
}

/// What an envelope counts for besides its body: it is read alone.
const ENVELOPE_BYTES: u64 = 16_384;
/// What a statement counts for.
const ROW_BYTES: u64 = 2_048;
/// What a tile counts for.
const TILE_BYTES: u64 = 8_192;
