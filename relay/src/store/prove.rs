//! Statements with their proofs: those of an envelope, the receipts owed, tiles and consistency for
//! those who watch the log. Every proof is checked against the signed root before it is given out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use formats::checkpoint::SignedCheckpoint;
use formats::id::{Digest, EnvelopeId, Party, StationName};
use formats::limits;
use formats::merkle;
use formats::receipt::{Proven, ReceiptBundle};
use formats::statement::Statement;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::evidence::Head;
use crate::store::epochs::Epoch;
use crate::store::read::{OwedReceipts, ProofBase, ReadError, count};
use crate::store::{EnvelopeKey, Store, log, rows};
use formats::merkle::tiles::{self, TileId};

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
    /// proven in one checkpoint: those of the newest epoch of its log that speaks of all these
    /// recipients, else of the one that says most. `None` if it made none. [`Self::all_statements`] gives
    /// what other epochs say.
    pub async fn statements(
        &self,
        envelope: EnvelopeKey,
        recipients: &[Party],
        base: ProofBase,
    ) -> Result<Option<ReceiptBundle>, ReadError> {
        let groups = self.stated(envelope, recipients).await?;
        let spoken = |stored: &[Stored]| {
            let told: BTreeSet<Party> = stored
                .iter()
                .filter_map(|one| Some(Statement::parse(&one.body).ok()?.recipient))
                .collect();
            (told.len(), stored.len())
        };
        // Of equal ones the last: the newest epoch.
        let best = groups.into_iter().max_by_key(|(_, stored)| spoken(stored));
        let Some((epoch, stored)) = best else {
            return Ok(None);
        };
        self.prove_in(epoch, stored, base).await.map(Some)
    }

    /// All statements this station made about an envelope: one bundle for each epoch of its log that speaks
    /// of it, the oldest first.
    pub async fn all_statements(
        &self,
        envelope: EnvelopeKey,
        recipients: &[Party],
        base: ProofBase,
    ) -> Result<Vec<ReceiptBundle>, ReadError> {
        let mut bundles = Vec::new();
        for (epoch, stored) in self.stated(envelope, recipients).await? {
            bundles.push(self.prove_in(epoch, stored, base).await?);
        }
        Ok(bundles)
    }

    /// The same by the names that the statements themselves bear: statements outlive their envelopes, and
    /// those about refused packets never had one.
    pub async fn statements_about(
        &self,
        id: &EnvelopeId,
        header_digest: &Digest,
        base: ProofBase,
    ) -> Result<Vec<ReceiptBundle>, ReadError> {
        let (id, digest) = (id.as_bytes().to_vec(), header_digest.as_bytes().to_vec());
        let mut bundles = Vec::new();
        for (epoch, stored) in self.stated_about(id, digest, &[]).await? {
            bundles.push(self.prove_in(epoch, stored, base).await?);
        }
        Ok(bundles)
    }

    /// What was stated about an envelope, by epoch.
    async fn stated(
        &self,
        envelope: EnvelopeKey,
        recipients: &[Party],
    ) -> Result<Vec<(&Epoch, Vec<Stored>)>, ReadError> {
        let row = sqlx::query("SELECT id, header_digest FROM envelope WHERE key = ?")
            .bind(envelope.0)
            .fetch_optional(&self.shared.readers)
            .await?;
        let Some(row) = row else {
            return Ok(Vec::new());
        };
        let (id, digest) = (row.try_get("id")?, row.try_get("header_digest")?);
        self.stated_about(id, digest, recipients).await
    }

    async fn stated_about(
        &self,
        id: Vec<u8>,
        header_digest: Vec<u8>,
        recipients: &[Party],
    ) -> Result<Vec<(&Epoch, Vec<Stored>)>, ReadError> {
        let rows = sqlx::query(
            "SELECT position, salt, body FROM statement WHERE envelope_id = ? \
             AND header_digest = ? AND position < ? ORDER BY position LIMIT ?",
        )
        .bind(id)
        .bind(header_digest)
        .bind(self.end())
        .bind(count(limits::BUNDLE_STATEMENTS_MAX))
        .fetch_all(&self.shared.readers)
        .await?;
        let mut groups: Vec<(&Epoch, Vec<Stored>)> = Vec::new();
        for row in &rows {
            let (epoch, one) = self.stored(row)?;
            let named = recipients.is_empty()
                || Statement::parse(&one.body)
                    .is_ok_and(|statement| recipients.contains(&statement.recipient));
            match groups.last_mut() {
                _ if !named => {}
                Some((last, stored)) if last.row == epoch.row => stored.push(one),
                _ => groups.push((epoch, vec![one])),
            }
        }
        Ok(groups)
    }

    async fn prove_in(
        &self,
        epoch: &Epoch,
        stored: Vec<Stored>,
        base: ProofBase,
    ) -> Result<ReceiptBundle, ReadError> {
        let head = self.head_of(epoch);
        let last = stored.last().map_or(0, |last| last.index);
        let base = self.base(epoch, &head, last, base).await?;
        self.prove(epoch, &head, &base, stored).await
    }

    /// At most `limit` of the receipts owed, grouped by the station they are for and the epoch they were
    /// stated in, proven in its newest head (what was asked for again: in the first time-stamped checkpoint,
    /// as far as they reach); none for the stations `but`, so that one without a road
    /// never stands before the others. Settle them with [`crate::store::Write::SettleReceipts`] in the
    /// change that accepts the envelope which carries them.
    pub async fn owed_receipts(
        &self,
        limit: usize,
        but: &BTreeSet<StationName>,
    ) -> Result<Vec<OwedReceipts>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT o.station, o.again, s.position, s.salt, s.body FROM owed_receipt o \
             JOIN statement s ON s.position = o.position WHERE o.position < ",
        );
        query.push_bind(self.end());
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
        type Group<'e> = (&'e Epoch, Vec<i64>, Vec<Stored>);
        let mut groups: BTreeMap<(StationName, i64, bool), Group<'_>> = BTreeMap::new();
        let stamped = match rows.iter().any(asked_again) {
            true => self.stamped_sizes().await?,
            false => BTreeMap::new(),
        };
        for row in &rows {
            let position: i64 = row.try_get("position")?;
            let station = rows::station("owed_receipt", position, row.try_get("station")?)?;
            let Some(station) = station else { continue };
            let (epoch, one) = self.stored(row)?;
            let covered = stamped
                .get(&epoch.row)
                .is_some_and(|size| one.index < *size);
            let again = asked_again(row) && covered;
            let (_, positions, stored) =
                groups
                    .entry((station, epoch.row, again))
                    .or_insert((epoch, vec![], vec![]));
            positions.push(position);
            stored.push(one);
        }
        let mut owed = Vec::with_capacity(groups.len());
        for ((station, _, again), (epoch, positions, stored)) in groups {
            let base = match again {
                true => ProofBase::FirstStamped,
                false => ProofBase::Newest,
            };
            let bundle = self.prove_in(epoch, stored, base).await?;
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
        let found = self.tiles(self.open_epoch(), &head, &needed).await?;
        let hashes = found.tile(id).map(tiles::Tile::to_bytes);
        Ok(hashes.and_then(|bytes| bytes.get(..width * 32).map(<[u8]>::to_vec)))
    }

    /// The path that proves the log at `old` to be the beginning of the log at `new` (RFC 6962 section
    /// 2.1.2). `None` for sizes the newest head does not have.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Digest>>, ReadError> {
        self.consistency_of(&self.open_epoch().origin, old, new)
            .await
    }

    /// The newest stamped checkpoint of the open epoch.
    pub async fn stamped(&self) -> Result<Option<SignedCheckpoint>, ReadError> {
        let row = sqlx::query(
            "SELECT size, signed FROM checkpoint WHERE epoch = ? ORDER BY size DESC LIMIT 1",
        )
        .bind(self.open_epoch().row)
        .fetch_optional(&self.shared.readers)
        .await?;
        row.as_ref().map(signed_checkpoint).transpose()
    }

    /// The newest checkpoint of the open epoch that so many witnesses have cosigned.
    pub async fn witnessed(&self, needed: u8) -> Result<Option<SignedCheckpoint>, ReadError> {
        let row = sqlx::query(
            "SELECT size, signed FROM checkpoint WHERE epoch = ? AND witnesses >= ? \
             ORDER BY size DESC LIMIT 1",
        )
        .bind(self.open_epoch().row)
        .bind(i64::from(needed.max(1)))
        .fetch_optional(&self.shared.readers)
        .await?;
        row.as_ref().map(signed_checkpoint).transpose()
    }

    /// How many leaves the newest time-stamped checkpoint of each epoch covers.
    async fn stamped_sizes(&self) -> Result<BTreeMap<i64, u64>, ReadError> {
        let rows = sqlx::query("SELECT epoch, max(size) AS size FROM checkpoint GROUP BY epoch")
            .fetch_all(&self.shared.readers)
            .await?;
        let sizes = rows.iter().map(|row| {
            let size: i64 = row.try_get("size")?;
            Ok((row.try_get("epoch")?, u64::try_from(size).unwrap_or(0)))
        });
        sizes.collect()
    }

    pub(super) fn newest_head(&self) -> Arc<Head> {
        self.shared.head.borrow().clone()
    }

    /// Position after the last leaf that is signed: what came later is not given out yet.
    fn end(&self) -> i64 {
        let leaves = i64::try_from(self.newest_head().size).unwrap_or(i64::MAX);
        self.open_epoch().first_position.saturating_add(leaves)
    }

    fn stored(&self, row: &SqliteRow) -> Result<(&Epoch, Stored), ReadError> {
        let position: i64 = row.try_get("position")?;
        let salt: Vec<u8> = row.try_get("salt")?;
        let mut epochs = self.shared.epochs.iter().rev();
        let epoch = epochs.find(|epoch| epoch.first_position <= position);
        let epoch = epoch.ok_or_else(|| ReadError::Damaged {
            table: "statement",
            row: position,
            problem: "is before the first epoch".to_owned(),
        })?;
        let one = Stored {
            index: u64::try_from(position - epoch.first_position).unwrap_or(u64::MAX),
            salt: rows::salt("statement", position, &salt)?,
            body: row.try_get("body")?,
        };
        Ok((epoch, one))
    }

    async fn base(
        &self,
        epoch: &Epoch,
        head: &Head,
        last: u64,
        base: ProofBase,
    ) -> Result<Base, ReadError> {
        if base == ProofBase::Newest {
            return Ok(newest(head));
        }
        // Witnesses follow the time-stamp by a second or so. A witnessed checkpoint of much later would prove
        // less about the time than the first stamped one.
        let row = sqlx::query(
            "SELECT size, root, signed FROM checkpoint c WHERE epoch = ?1 AND size > ?2 \
             AND stamped <= ?3 + (SELECT stamped FROM checkpoint WHERE epoch = ?1 AND size > ?2 \
             ORDER BY size LIMIT 1) ORDER BY witnesses = 0, size LIMIT 1",
        )
        .bind(epoch.row)
        .bind(i64::try_from(last).unwrap_or(i64::MAX))
        .bind(WITNESSED_WITHIN_MS)
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
        epoch: &Epoch,
        head: &Head,
        base: &Base,
        stored: Vec<Stored>,
    ) -> Result<ReceiptBundle, ReadError> {
        let mut needed = BTreeSet::new();
        for one in &stored {
            tiles::needed_for_inclusion(one.index, base.size, &mut needed);
        }
        let tiles = self.tiles(epoch, head, &needed).await?;
        let mut proven = Vec::with_capacity(stored.len());
        for one in stored {
            let (index, size) = (one.index, base.size);
            let unprovable = ReadError::Unprovable { index, size };
            let Some(path) = tiles.inclusion(index, size) else {
                self.mend_leaf(epoch.row, epoch.first_position, index).await;
                return Err(unprovable);
            };
            let one = Proven {
                statement: one.body,
                salt: one.salt,
                index,
                path,
            };
            if !merkle::verify_inclusion(&one.leaf_hash(), index, size, &one.path, &base.root) {
                // A bit of the disk may have turned: what can be put right is, for whoever asks again.
                self.mend_leaf(epoch.row, epoch.first_position, index).await;
                return Err(unprovable);
            }
            proven.push(one);
        }
        Ok(ReceiptBundle {
            proven,
            checkpoint: base.signed.clone(),
        })
    }

    pub(super) async fn tiles(
        &self,
        epoch: &Epoch,
        head: &Head,
        needed: &BTreeSet<TileId>,
    ) -> Result<tiles::Tiles, ReadError> {
        Ok(log::gather(&self.shared.readers, epoch.row, &head.edge, needed).await?)
    }
}

/// Column `again` of an owed receipt.
fn asked_again(row: &SqliteRow) -> bool {
    row.try_get::<i64, _>("again").is_ok_and(|again| again == 1)
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

/// A witnessed checkpoint is taken before the first stamped one if it was stamped at most this much later.
const WITNESSED_WITHIN_MS: i64 = 600_000;
