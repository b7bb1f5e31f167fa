//! The logs as others read them: tiles, entries and checkpoints in the layout of C2SP tlog-tiles, roots and
//! consistency proofs, of the open epoch and of closed ones. Nothing is given out that is not signed.

use std::collections::BTreeSet;
use std::sync::Arc;

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::id::Digest;
use formats::merkle::layout::{self, Resource};
use formats::merkle::tiles::{self, TileId};
use formats::statement::{self, LogOpened};
use sqlx::Row;

use crate::evidence::Head;
use crate::store::epochs::Epoch;
use crate::store::read::ReadError;
use crate::store::writer::Chore;
use crate::store::{CommitError, Store, rows};

/// One epoch's log as it stands.
#[derive(Debug, Clone)]
pub struct LogState {
    /// Its name.
    pub origin: LogOrigin,
    /// Leaves that are signed.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// The newest signed head; of a closed epoch the last one.
    pub signed: SignedCheckpoint,
    /// Whether it goes on.
    pub open: bool,
}

impl Store {
    /// All epochs, the oldest first.
    #[must_use]
    pub fn logs(&self) -> Vec<LogState> {
        let state = |epoch: &Epoch| {
            let head = self.head_of(epoch);
            LogState {
                origin: epoch.origin.clone(),
                size: head.size,
                root: head.root,
                signed: head.signed.clone(),
                open: epoch.closed.is_none(),
            }
        };
        self.shared.epochs.iter().map(state).collect()
    }

    /// What C2SP tlog-tiles serves under a path of the epoch with this number in its origin. `None` for
    /// what is not there, or not signed yet.
    pub async fn resource(
        &self,
        epoch: u32,
        resource: Resource,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(epoch) = self.epoch_named(epoch) else {
            return Ok(None);
        };
        let head = self.head_of(epoch);
        if !resource.exists_at(head.size) {
            return Ok(None);
        }
        match resource {
            Resource::Checkpoint => Ok(Some(head.signed.note.clone().into_bytes())),
            Resource::Tile { id, width } => self.hashes(epoch, &head, id, width).await,
            Resource::Entries { index, width } => self.entries(epoch, index, width).await,
        }
    }

    /// The path that proves the log of `origin` at `old` to be the beginning of it at `new` (RFC 6962
    /// section 2.1.2). `None` if it is none of ours, or has no signed head of these sizes.
    pub async fn consistency_of(
        &self,
        origin: &LogOrigin,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Digest>>, ReadError> {
        let own = self.shared.epochs.iter().find(|one| one.origin == *origin);
        let Some(epoch) = own else { return Ok(None) };
        let head = self.head_of(epoch);
        if new > head.size {
            return Ok(None);
        }
        let mut needed = BTreeSet::new();
        tiles::needed_for_consistency(old, new, &mut needed);
        let tiles = self.tiles(epoch, &head, &needed).await?;
        Ok(tiles.consistency(old, new))
    }

    /// Root of the open epoch at an earlier size; `None` if it never had that many leaves.
    pub async fn root_at(&self, size: u64) -> Result<Option<Digest>, ReadError> {
        let epoch = self.open_epoch();
        let head = self.head_of(epoch);
        if size > head.size {
            return Ok(None);
        }
        if size == head.size {
            return Ok(Some(head.root));
        }
        let mut needed = BTreeSet::new();
        if let Some(last) = size.checked_sub(1) {
            tiles::needed_for_inclusion(last, size, &mut needed);
        }
        Ok(self.tiles(epoch, &head, &needed).await?.root(size))
    }

    /// The first leaf of the open epoch.
    pub async fn log_opened(&self) -> Result<LogOpened, ReadError> {
        let position = self.open_epoch().first_position;
        let row = sqlx::query("SELECT body FROM statement WHERE position = ?")
            .bind(position)
            .fetch_one(&self.shared.readers)
            .await?;
        let body: Vec<u8> = row.try_get("body")?;
        LogOpened::parse(&body).map_err(|error| ReadError::Damaged {
            table: "statement",
            row: position,
            problem: error.to_string(),
        })
    }

    /// Puts the note with the lines of witnesses in the place of the one that is kept for this size.
    pub async fn keep_cosigned(
        &self,
        size: u64,
        signed: SignedCheckpoint,
        witnesses: u32,
    ) -> Result<(), CommitError> {
        let chore = Chore::Cosigned {
            size,
            signed,
            witnesses,
        };
        self.keep(chore).await.map(drop)
    }

    fn epoch_named(&self, number: u32) -> Option<&Epoch> {
        let mut epochs = self.shared.epochs.iter().rev();
        epochs.find(|epoch| epoch.origin.epoch() == number)
    }

    pub(super) fn open_epoch(&self) -> &Epoch {
        // There is always one: a store begins its first epoch when it is made.
        &self.shared.epochs[self.shared.epochs.len() - 1]
    }

    pub(super) fn head_of(&self, epoch: &Epoch) -> Arc<Head> {
        match &epoch.closed {
            Some(head) => Arc::clone(head),
            None => self.newest_head(),
        }
    }

    async fn hashes(
        &self,
        epoch: &Epoch,
        head: &Head,
        id: TileId,
        width: u16,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let found = self.tiles(epoch, head, &BTreeSet::from([id])).await?;
        let bytes = found.tile(id).map(tiles::Tile::to_bytes);
        let wanted = usize::from(width) * 32;
        Ok(bytes.and_then(|bytes| bytes.get(..wanted).map(<[u8]>::to_vec)))
    }

    async fn entries(
        &self,
        epoch: &Epoch,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let from = i64::try_from(index.saturating_mul(256)).unwrap_or(i64::MAX);
        let from = epoch.first_position.saturating_add(from);
        let rows = sqlx::query(
            "SELECT position, salt, body FROM statement WHERE position >= ? ORDER BY position LIMIT ?",
        )
        .bind(from)
        .bind(i64::from(width))
        .fetch_all(&self.shared.readers)
        .await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let (position, salt): (i64, Vec<u8>) = (row.try_get("position")?, row.try_get("salt")?);
            let salt = rows::salt("statement", position, &salt)?;
            let body: Vec<u8> = row.try_get("body")?;
            entries.push(statement::leaf_data(&salt, &body));
        }
        if entries.len() != usize::from(width) {
            return Ok(None);
        }
        let entries = entries.iter().map(|entry| entry.as_bytes().as_slice());
        Ok(layout::entry_bundle(entries))
    }
}
