//! Statements with their proofs: those of an envelope, the receipts owed, tiles and consistency for
//! those who watch the log. Every proof is checked against the signed root before it is given out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use formats::checkpoint::SignedCheckpoint;
use formats::id::{Digest, Party, StationName};
use formats::limits;
use formats::merkle;
use formats::receipt::{Proven, ReceiptBundle};
use formats::statement::Statement;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::evidence::Head;
use crate::store::read::{OwedReceipts, ProofBase, ReadError, count};
use crate::store::{EnvelopeKey, Store, log, rows};
use formats::merkle::tiles::{self, TileId};

/// Which leaves of the table of statements are the open epoch's.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogPlace {
    pub(super) epoch: i64,
    pub(super) first_position: i64,
}

/// A statement as stored, with its index in the epoch.
struct Stored {
    index: u64,
    salt: [u8; 32],
    body: Vec<u8>,
}

/// A checkpoint to prove in.
struct Base {
    size: u64,
    root: Digest,
    signed: SignedCheckpoint,
}

impl Store {
    /// The statements this station made about an envelope, for these recipients (none named = all),
    /// proven in one checkpoint. `None` if it made none in this epoch of its log.
    pub async fn statements(
        &self,
        envelope: EnvelopeKey,
        recipients: &[Party],
        base: ProofBase,
    ) -> Result<Option<ReceiptBundle>, ReadError> {
        let head = self.newest_head();
        let rows = sqlx::query(
            "SELECT s.position, s.salt, s.body FROM envelope e \
             JOIN statement s ON s.envelope_id = e.id AND s.header_digest = e.header_digest \
             WHERE e.key = ? AND s.position >= ? AND s.position < ? ORDER BY s.position \
             LIMIT ?",
        )
        .bind(envelope.0)
        .bind(self.shared.place.first_position)
        .bind(self.end_of(&head))
        .bind(count(limits::BUNDLE_STATEMENTS_MAX))
        .fetch_all(&self.shared.readers)
        .await?;
        let mut stored = Vec::with_capacity(rows.len());
        for row in &rows {
            let one = self.stored(row)?;
            let named = recipients.is_empty()
                || Statement::parse(&one.body)
                    .is_ok_and(|statement| recipients.contains(&statement.recipient));
            if named {
                stored.push(one);
            }
        }
        let Some(last) = stored.last() else {
            return Ok(None);
        };
        let base = self.base(&head, last.index, base).await?;
        self.prove(&head, &base, stored).await.map(Some)
    }

    /// At most `limit` of the receipts owed, grouped by the station they are for, proven in the newest
    /// head; none for the stations `but`, so that one without a road never stands before the others.
    /// Settle them with [`crate::store::Write::SettleReceipts`] in the change that accepts the
    /// envelope which carries them.
    pub async fn owed_receipts(
        &self,
        limit: usize,
        but: &BTreeSet<StationName>,
    ) -> Result<Vec<OwedReceipts>, ReadError> {
        let head = self.newest_head();
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT o.station, s.position, s.salt, s.body FROM owed_receipt o \
             JOIN statement s ON s.position = o.position WHERE o.position >= ",
        );
        query.push_bind(self.shared.place.first_position);
        query
            .push(" AND o.position < ")
            .push_bind(self.end_of(&head));
        query.push(" AND o.station NOT IN (");
        let mut list = query.separated(", ");
        for station in but {
            list.push_bind(station.as_str().to_owned());
        }
        query.push(") ORDER BY o.position LIMIT ");
        query.push_bind(count(limit.min(limits::BUNDLE_STATEMENTS_MAX)));
        let rows = query
            .build()
            .persistent(but.is_empty())
            .fetch_all(&self.shared.readers)
            .await?;
        let mut groups: BTreeMap<StationName, (Vec<i64>, Vec<Stored>)> = BTreeMap::new();
        for row in &rows {
            let position: i64 = row.try_get("position")?;
            let station = rows::station("owed_receipt", position, row.try_get("station")?)?;
            let Some(station) = station else { continue };
            let (positions, stored) = groups.entry(station).or_default();
            positions.push(position);
            stored.push(self.stored(row)?);
        }
        let base = newest(&head);
        let mut owed = Vec::with_capacity(groups.len());
        for (station, (positions, stored)) in groups {
            let bundle = self.prove(&head, &base, stored).await?;
            owed.push(OwedReceipts {
                station,
                positions,
                bundle,
            });
        }
        Ok(owed)
    }

    /// Bundles of other stations that were kept with an envelope, the oldest first.
    pub async fn received_evidence(
        &self,
        envelope: EnvelopeKey,
    ) -> Result<Vec<ReceiptBundle>, ReadError> {
        let rows = sqlx::query(
            "SELECT bundle FROM received_evidence WHERE envelope = ? ORDER BY received LIMIT 4096",
        )
        .bind(envelope.0)
        .fetch_all(&self.shared.readers)
        .await?;
        let bundles = rows.iter().map(|row| {
            let bytes: Vec<u8> = row.try_get("bundle")?;
            ReceiptBundle::decode(&bytes).map_err(|error| ReadError::Damaged {
                table: "received_evidence",
                row: envelope.0,
                problem: error.to_string(),
            })
        });
        bundles.collect()
    }

    /// A tile of the log as C2SP tlog-tiles serves it: `width` hashes (256 = full) of 32 bytes. `None`
    /// if the newest head does not have that many.
    pub async fn tile(
        &self,
        level: u32,
        index: u64,
        width: usize,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let head = self.newest_head();
        let (id, mut needed) = (TileId { level, index }, BTreeSet::new());
        needed.insert(id);
        let found = self.tiles(&head, &needed).await?;
        let hashes = found.tile(id).map(tiles::Tile::to_bytes);
        Ok(hashes.and_then(|bytes| bytes.get(..width * 32).map(<[u8]>::to_vec)))
    }

    /// The path that proves the log at `old` to be the beginning of the log at `new` (RFC 6962 section
    /// 2.1.2). `None` for sizes the newest head does not have.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Digest>>, ReadError> {
        let head = self.newest_head();
        if new > head.size {
            return Ok(None);
        }
        let mut needed = BTreeSet::new();
        tiles::needed_for_consistency(old, new, &mut needed);
        Ok(self.tiles(&head, &needed).await?.consistency(old, new))
    }

    /// The newest stamped checkpoint.
    pub async fn stamped(&self) -> Result<Option<SignedCheckpoint>, ReadError> {
        let place = self.shared.place;
        let row = sqlx::query(
            "SELECT size, signed FROM checkpoint WHERE epoch = ? ORDER BY size DESC LIMIT 1",
        )
        .bind(place.epoch)
        .fetch_optional(&self.shared.readers)
        .await?;
        row.as_ref().map(signed_checkpoint).transpose()
    }

    fn newest_head(&self) -> Arc<Head> {
        self.shared.head.borrow().clone()
    }

    /// Position after the last leaf that the head covers: what came later is not signed yet.
    fn end_of(&self, head: &Head) -> i64 {
        let leaves = i64::try_from(head.size).unwrap_or(i64::MAX);
        self.shared.place.first_position.saturating_add(leaves)
    }

    fn stored(&self, row: &SqliteRow) -> Result<Stored, ReadError> {
        let position: i64 = row.try_get("position")?;
        let salt: Vec<u8> = row.try_get("salt")?;
        Ok(Stored {
            index: u64::try_from(position - self.shared.place.first_position).unwrap_or(u64::MAX),
            salt: rows::salt("statement", position, &salt)?,
            body: row.try_get("body")?,
        })
    }

    async fn base(&self, head: &Head, last: u64, base: ProofBase) -> Result<Base, ReadError> {
        if base == ProofBase::Newest {
            return Ok(newest(head));
        }
        let row = sqlx::query(
            "SELECT size, root, signed FROM checkpoint WHERE epoch = ? AND size > ? \
             ORDER BY size LIMIT 1",
        )
        .bind(self.shared.place.epoch)
        .bind(i64::try_from(last).unwrap_or(i64::MAX))
        .fetch_optional(&self.shared.readers)
        .await?;
        let Some(row) = row else {
            return Ok(newest(head));
        };
        let size: i64 = row.try_get("size")?;
        let root: Vec<u8> = row.try_get("root")?;
        Ok(Base {
            size: u64::try_from(size).unwrap_or(0),
            root: rows::digest("checkpoint", size, &root)?,
            signed: signed_checkpoint(&row)?,
        })
    }

    async fn prove(
        &self,
        head: &Head,
        base: &Base,
        stored: Vec<Stored>,
    ) -> Result<ReceiptBundle, ReadError> {
        let mut needed = BTreeSet::new();
        for one in &stored {
            tiles::needed_for_inclusion(one.index, base.size, &mut needed);
        }
        let tiles = self.tiles(head, &needed).await?;
        let mut proven = Vec::with_capacity(stored.len());
        for one in stored {
            let (index, size) = (one.index, base.size);
            let unprovable = ReadError::Unprovable { index, size };
            let Some(path) = tiles.inclusion(index, size) else {
                return Err(unprovable);
            };
            let one = Proven {
                statement: one.body,
                salt: one.salt,
                index,
                path,
            };
            if !merkle::verify_inclusion(&one.leaf_hash(), index, size, &one.path, &base.root) {
                return Err(unprovable);
            }
            proven.push(one);
        }
        Ok(ReceiptBundle {
            proven,
            checkpoint: base.signed.clone(),
        })
    }

    async fn tiles(
        &self,
        head: &Head,
        needed: &BTreeSet<TileId>,
    ) -> Result<tiles::Tiles, ReadError> {
        Ok(log::gather(
            &self.shared.readers,
            self.shared.place.epoch,
            &head.edge,
            needed,
        )
        .await?)
    }
}

fn newest(head: &Head) -> Base {
    Base {
        size: head.size,
        root: head.root,
        signed: head.signed.clone(),
    }
}

fn signed_checkpoint(row: &SqliteRow) -> Result<SignedCheckpoint, ReadError> {
    let bytes: Vec<u8> = row.try_get("signed")?;
    let size: i64 = row.try_get("size")?;
    SignedCheckpoint::decode(&bytes).map_err(|error| ReadError::Damaged {
        table: "checkpoint",
        row: size,
        problem: error.to_string(),
    })
}
