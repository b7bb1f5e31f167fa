//! The inventory: every certificate of this authority, from before it exists to after it ended.
//!
//! Owns: the order *planned (durable) → signed → noted*: only [`Inventory::plan`] makes what can be
//! signed; revocations and the numbers of revocation lists; search. Each change stands in the audit
//! log and, once signed, in the Merkle log of certificates, in the same transaction. Several
//! processes may have it open at once. Fails with [`InventoryError`]; nothing is then changed. Must
//! not know keys or where files lie.

mod moved;
mod search;

use formats::id::Digest;
use formats::time::Timestamp;
use serde_json::json;
use thiserror::Error;
use x509_cert::ext::pkix::CrlReason;

use super::audit::{self, Actor, AuditError};
use super::db::{Db, DbError, Row, Tx};
use super::log;
use crate::cert::Certificate;
use crate::issue::{CrlEntry, Planned, Prepared};
use crate::ledger::{LedgerError, reason_from, reason_word};
use crate::role::Role;

pub use search::{PAGE_MAX, Search, Standing};

/// Why the inventory cannot be read or changed.
#[derive(Debug, Error)]
pub enum InventoryError {
    /// The chain of the audit log is broken.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A row is not what this program writes.
    #[error("row of certificate {0} is damaged: restore the database from a backup")]
    Damaged(String),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The ledger file of a ceremony or of an earlier version cannot be taken over.
    #[error("ledger to take over")]
    Ledger(#[from] LedgerError),
    /// Already revoked, and the new reason says less.
    #[error("certificate {serial} is revoked since {at} ({reason})")]
    Revoked {
        /// Its serial number.
        serial: String,
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: &'static str,
    },
    /// No such certificate.
    #[error("no certificate with serial {0} was issued here; see `tram-pki list`")]
    UnknownSerial(String),
}

/// What is known about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the order of planning.
    pub seq: u64,
    /// Serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of the issuer's certificate in hexadecimal; `self` for a root.
    pub issuer: String,
    /// The role.
    pub role: Role,
    /// Whom or what it names.
    pub name: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate, once it was signed.
    pub sha256: Option<Digest>,
    /// Since when and why it is revoked.
    pub revoked: Option<(Timestamp, CrlReason)>,
}

/// The open inventory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) db: Db,
}

impl Inventory {
    /// Opens or makes the database at `place` (a file or a `postgres://` URL).
    ///
    /// # Errors
    /// [`InventoryError::Db`].
    pub async fn open(place: &str) -> Result<Self, InventoryError> {
        Ok(Self {
            db: Db::open(place).await?,
        })
    }

    /// Closes the database and its files.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Makes plans durable; only then can the certificates be signed.
    ///
    /// # Errors
    /// [`InventoryError::Db`]; nothing may then be signed.
    pub async fn plan(
        &self,
        prepared: Vec<Prepared>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<Planned>, InventoryError> {
        let mut tx = self.db.write().await?;
        let planned = plan_in(&mut tx, prepared, actor, now).await?;
        tx.commit().await?;
        Ok(planned)
    }

    /// Notes that planned certificates were signed.
    ///
    /// # Errors
    /// [`InventoryError::UnknownSerial`] for one that was not planned, [`InventoryError::Db`].
    pub async fn issued(
        &self,
        certs: &[Certificate],
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), InventoryError> {
        let mut tx = self.db.write().await?;
        issued_in(&mut tx, certs, actor, now).await?;
        Ok(tx.commit().await?)
    }

    /// Notes a revocation; it reaches others with the next list. A certificate that is revoked
    /// already keeps its time, and changes its reason only to a compromise.
    ///
    /// # Errors
    /// [`InventoryError::UnknownSerial`], [`InventoryError::Revoked`], [`InventoryError::Db`].
    pub async fn revoke(
        &self,
        serial: &str,
        reason: CrlReason,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), InventoryError> {
        let mut tx = self.db.write().await?;
        let entry = entry_in(&mut tx, serial).await?;
        let entry = entry.ok_or_else(|| InventoryError::UnknownSerial(serial.to_owned()))?;
        let since = match entry.revoked {
            None => now.floor_s(),
            Some((at, old)) if is_worse(reason, old) => at,
            Some((at, old)) => {
                return Err(InventoryError::Revoked {
                    serial: entry.serial,
                    at,
                    reason: reason_word(old),
                });
            }
        };
        let word = reason_word(reason);
        tx.execute(
            "UPDATE certificate SET revoked = $1, reason = $2 WHERE serial = $3",
            [since.unix_ms().into(), word.into(), serial.into()],
        )
        .await?;
        let facts = json!({
            "serial": serial, "role": entry.role.as_str(), "name": entry.name,
            "since": since.rfc3339(), "reason": word,
        });
        audit::append(&mut tx, actor, now, [("revoked", facts)]).await?;
        Ok(tx.commit().await?)
    }

    /// Reserves the next number of an authority's list, durably, and gives what the list must
    /// say: every revocation whose certificate has not long ended (RFC 5280 section 3.3 wants it on
    /// one list after its end).
    ///
    /// # Errors
    /// [`InventoryError::Db`].
    pub async fn next_crl(
        &self,
        issuer: &Certificate,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(u64, Vec<CrlEntry>), InventoryError> {
        let id = issuer.sha256().to_string();
        let mut tx = self.db.write().await?;
        let row = tx
            .row(
                "INSERT INTO crl VALUES ($1, 1)
                 ON CONFLICT (issuer) DO UPDATE SET number = crl.number + 1 RETURNING number",
                [id.clone().into()],
            )
            .await?;
        let number = row.map_or(Ok(1), |row| row.int(0))?;
        let rows = tx
            .rows(
                "SELECT serial, revoked, reason FROM certificate
                 WHERE (issuer = $1 OR (issuer = 'self' AND sha256 = $1))
                   AND revoked IS NOT NULL AND not_after > $2
                 UNION ALL SELECT serial, revoked, reason FROM found_revocation WHERE issuer = $1
                 ORDER BY serial",
                [
                    id.clone().into(),
                    now.minus_ms(KEPT_AFTER_END_MS).unix_ms().into(),
                ],
            )
            .await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let serial = row.text(0)?;
            let damaged = || InventoryError::Damaged(serial.clone());
            let reason = row.text_or_none(2)?.as_deref().and_then(reason_from);
            entries.push(CrlEntry {
                at: Timestamp::from_unix_ms(row.int(1)?),
                reason: reason.ok_or_else(damaged)?,
                serial: unhex(&serial).ok_or_else(damaged)?,
            });
        }
        let facts = json!({ "issuer": id, "number": number, "revoked": entries.len() });
        audit::append(&mut tx, actor, now, [("crl_made", facts)]).await?;
        tx.commit().await?;
        Ok((u64::try_from(number).unwrap_or_default(), entries))
    }

    /// The number of an authority's last list; 0 before the first.
    ///
    /// # Errors
    /// [`InventoryError::Db`].
    pub async fn crl_number(&self, issuer: &Certificate) -> Result<u64, InventoryError> {
        let mut tx = self.db.read().await?;
        let id = issuer.sha256().to_string();
        let row = tx
            .row("SELECT number FROM crl WHERE issuer = $1", [id.into()])
            .await?;
        Ok(row
            .map_or(Ok(0), |row| row.int(0))
            .map(|number| u64::try_from(number).unwrap_or(0))?)
    }

    /// One certificate by its serial number.
    ///
    /// # Errors
    /// [`InventoryError::Db`].
    pub async fn entry(&self, serial: &str) -> Result<Option<Entry>, InventoryError> {
        entry_in(&mut self.db.read().await?, serial).await
    }

    /// The certificate itself, once it was signed.
    ///
    /// # Errors
    /// [`InventoryError::Db`], [`InventoryError::Damaged`].
    pub async fn certificate(&self, serial: &str) -> Result<Option<Certificate>, InventoryError> {
        let mut tx = self.db.read().await?;
        let row = tx
            .row(
                "SELECT der FROM certificate WHERE serial = $1 AND der IS NOT NULL",
                [serial.into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let cert = Certificate::parse(&row.bytes(0)?);
        cert.map(Some)
            .map_err(|_| InventoryError::Damaged(serial.to_owned()))
    }

    /// The certificate that was signed for this key (SHA-256 of its SubjectPublicKeyInfo), name and
    /// role, and is not revoked.
    ///
    /// # Errors
    /// [`InventoryError::Db`], [`InventoryError::Damaged`].
    pub async fn certificate_for_key(
        &self,
        key: &str,
        name: &str,
        role: Role,
    ) -> Result<Option<Certificate>, InventoryError> {
        let mut tx = self.db.read().await?;
        let row = tx
            .row(
                "SELECT serial, der FROM certificate
                 WHERE spki = $1 AND name = $2 AND role = $3 AND der IS NOT NULL
                   AND revoked IS NULL",
                [key.into(), name.into(), role.as_str().into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let cert = Certificate::parse(&row.bytes(1)?);
        let serial = row.text(0)?;
        cert.map(Some).map_err(|_| InventoryError::Damaged(serial))
    }

    /// Number of audit lines and the hash of the last: what to note elsewhere.
    ///
    /// # Errors
    /// [`InventoryError::Db`].
    pub async fn audit_head(&self) -> Result<(u64, Digest), InventoryError> {
        Ok(audit::head(&mut self.db.read().await?).await?)
    }

    /// Audit lines after `after`, at most `most`.
    ///
    /// # Errors
    /// [`InventoryError::Db`].
    pub async fn audit_lines(&self, after: u64, most: u32) -> Result<Vec<String>, InventoryError> {
        Ok(audit::lines(&mut self.db.read().await?, after, most).await?)
    }

    /// Notes an act that has no table of its own.
    ///
    /// # Errors
    /// [`InventoryError::Db`].
    pub async fn note(
        &self,
        event: &'static str,
        facts: serde_json::Value,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), InventoryError> {
        let mut tx = self.db.write().await?;
        audit::append(&mut tx, actor, now, [(event, facts)]).await?;
        Ok(tx.commit().await?)
    }
}

/// Plans inside a transaction; what it gives may be signed after the commit only.
pub(super) async fn plan_in(
    tx: &mut Tx,
    prepared: Vec<Prepared>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<Planned>, InventoryError> {
    let mut seq = next_seq(tx).await?;
    let mut events = Vec::with_capacity(prepared.len());
    for one in &prepared {
        let template = one.template();
        let name = template.party.as_ref();
        let name = name.map_or_else(|| template.common_name.clone(), ToString::to_string);
        let issuer = one
            .issuer_sha256()
            .map_or_else(|| SELF.to_owned(), |id| id.to_string());
        let role = template.role.as_str();
        let key = Digest::of(&template.spki_der).to_string();
        // A serial number that was ever planned stays taken: a second row is refused.
        tx.execute(
            "INSERT INTO certificate
             (serial, seq, issuer, role, name, not_before, not_after, planned, spki)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                one.serial_hex().into(),
                seq.into(),
                issuer.clone().into(),
                role.into(),
                name.clone().into(),
                template.not_before.unix_ms().into(),
                template.not_after.unix_ms().into(),
                now.unix_ms().into(),
                key.clone().into(),
            ],
        )
        .await?;
        seq = seq.saturating_add(1);
        let facts = json!({
            "serial": one.serial_hex(), "issuer": issuer, "role": role, "name": name,
            "not_after": template.not_after.rfc3339(), "spki_sha256": key,
            "tbs_sha256": one.tbs_sha256().to_string(),
            "profiles_sha256": one.profiles_sha256().to_string(),
        });
        events.push(("planned", facts));
    }
    audit::append(tx, actor, now, events).await?;
    Ok(prepared.into_iter().map(Prepared::recorded).collect())
}

/// Notes signed certificates inside a transaction, in both logs.
pub(super) async fn issued_in(
    tx: &mut Tx,
    certs: &[Certificate],
    actor: &Actor,
    now: Timestamp,
) -> Result<(), InventoryError> {
    let mut events = Vec::with_capacity(certs.len());
    for cert in certs {
        let serial = cert.serial_hex();
        let touched = tx
            .execute(
                "UPDATE certificate SET sha256 = $1, der = $2 WHERE serial = $3 AND sha256 IS NULL",
                [
                    cert.sha256().to_string().into(),
                    cert.der().into(),
                    serial.clone().into(),
                ],
            )
            .await?;
        if touched != 1 {
            return Err(InventoryError::UnknownSerial(serial));
        }
        let facts = json!({ "serial": serial, "sha256": cert.sha256().to_string() });
        events.push(("issued", facts));
    }
    log::append(tx, certs).await?;
    audit::append(tx, actor, now, events).await?;
    Ok(())
}

/// Whether a key (SHA-256 of its SubjectPublicKeyInfo) was ever certified.
pub(super) async fn keys_in(tx: &mut Tx, key: &str) -> Result<bool, DbError> {
    let row = tx
        .row(
            "SELECT serial FROM certificate WHERE spki = $1 AND sha256 IS NOT NULL LIMIT 1",
            [key.into()],
        )
        .await?;
    Ok(row.is_some())
}

async fn entry_in(tx: &mut Tx, serial: &str) -> Result<Option<Entry>, InventoryError> {
    let row = tx
        .row(
            "SELECT seq, serial, issuer, role, name, not_before, not_after, sha256, revoked, reason
             FROM certificate WHERE serial = $1",
            [serial.into()],
        )
        .await?;
    row.as_ref().map(entry_of).transpose()
}

/// Reads the columns `seq, serial, issuer, role, name, not_before, not_after, sha256, revoked,
/// reason`.
fn entry_of(row: &Row) -> Result<Entry, InventoryError> {
    let serial = row.text(1)?;
    let damaged = || InventoryError::Damaged(serial.clone());
    let sha256 = row.text_or_none(7)?;
    let sha256 = sha256.map(|text| text.parse()).transpose();
    let reason = row.text_or_none(9)?;
    let reason = reason
        .map(|word| reason_from(&word).ok_or_else(damaged))
        .transpose()?;
    Ok(Entry {
        seq: u64::try_from(row.int(0)?).map_err(|_| damaged())?,
        issuer: row.text(2)?,
        role: row.text(3)?.parse().map_err(|_| damaged())?,
        name: row.text(4)?,
        not_before: Timestamp::from_unix_ms(row.int(5)?),
        not_after: Timestamp::from_unix_ms(row.int(6)?),
        sha256: sha256.map_err(|_| damaged())?,
        revoked: row.int_or_none(8)?.map(Timestamp::from_unix_ms).zip(reason),
        serial,
    })
}

pub(super) async fn next_seq(tx: &mut Tx) -> Result<i64, DbError> {
    let row = tx
        .row("SELECT COALESCE(MAX(seq), 0) + 1 FROM certificate", [])
        .await?;
    row.map_or(Ok(1), |row| row.int(0))
}

/// A compromise may be learnt after a harmless revocation; nothing is ever made harmless again.
fn is_worse(new: CrlReason, old: CrlReason) -> bool {
    let compromise = |reason| {
        matches!(
            reason,
            CrlReason::KeyCompromise | CrlReason::CaCompromise | CrlReason::AaCompromise
        )
    };
    compromise(new) && !compromise(old)
}

/// Bytes of a hexadecimal serial number.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The issuer of a root.
const SELF: &str = "self";
/// A revoked certificate stays on the lists for 30 days after its end: longer than any document is
/// on its way.
const KEPT_AFTER_END_MS: i64 = 30 * 24 * 60 * 60 * 1000;
