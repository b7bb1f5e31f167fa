//! Taking over what was issued before there was this database: the ledger file of a ceremony or of
//! an earlier version.
//!
//! Owns: the one transaction that takes everything or nothing, and leaves the ledger's last hash in
//! the audit log, so that both chains are one. Certificates are found again among the public files
//! by their SHA-256. Must not know folders.

use std::collections::HashMap;

use formats::id::Digest;
use formats::time::Timestamp;
use serde_json::json;

use super::{Inventory, InventoryError, SELF, next_seq};
use crate::authority::audit::{self, Actor};
use crate::authority::db::Value;
use crate::authority::log;
use crate::cert::Certificate;
use crate::ledger::{Ledger, reason_word};

impl Inventory {
    /// Takes over a whole ledger. `known` are the certificates that are at hand.
    ///
    /// # Errors
    /// [`InventoryError`]; nothing is then taken over.
    pub async fn take_over(
        &self,
        ledger: &Ledger,
        known: &HashMap<Digest, Certificate>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<usize, InventoryError> {
        let mut tx = self.db.write().await?;
        let mut seq = next_seq(&mut tx).await?;
        let mut certs = Vec::new();
        let mut count = 0_usize;
        for entry in ledger.entries() {
            let cert = entry.sha256.and_then(|id| known.get(&id));
            let not_before = cert.map_or(entry.not_after, Certificate::not_before);
            // A root stands on its own list under its own fingerprint once it is revoked.
            let (revoked, reason) = match entry.revoked {
                Some((at, reason)) => (Some(at.unix_ms()), Some(reason_word(reason).to_owned())),
                None => (None, None),
            };
            tx.execute(
                "INSERT INTO certificate
                 (serial, seq, issuer, role, name, not_before, not_after, planned, sha256, der,
                  revoked, reason, spki)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                [
                    entry.serial.clone().into(),
                    seq.into(),
                    entry.issuer.clone().into(),
                    entry.role.as_str().into(),
                    entry.name.clone().into(),
                    not_before.unix_ms().into(),
                    entry.not_after.unix_ms().into(),
                    now.unix_ms().into(),
                    entry.sha256.map(|id| id.to_string()).into(),
                    Value::Bytes(cert.map(|cert| cert.der().to_vec())),
                    revoked.into(),
                    reason.into(),
                    cert.map(|cert| Digest::of(cert.spki_der()).to_string())
                        .into(),
                ],
            )
            .await?;
            certs.extend(cert.cloned());
            seq = seq.saturating_add(1);
            count = count.saturating_add(1);
        }
        for (issuer, number) in ledger.crl_numbers() {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            tx.execute(
                "INSERT INTO crl VALUES ($1, $2) ON CONFLICT (issuer) DO UPDATE
                 SET number = CASE WHEN crl.number > excluded.number THEN crl.number
                                   ELSE excluded.number END",
                [issuer.into(), number.into()],
            )
            .await?;
        }
        log::append(&mut tx, &certs).await?;
        let (lines, head) = ledger.head();
        let facts = json!({
            "ledger_lines": lines, "ledger_head": head.to_string(), "certificates": count,
            "at_hand": certs.len(), "roots": SELF,
        });
        audit::append(&mut tx, actor, now, [("ledger_taken_over", facts)]).await?;
        tx.commit().await?;
        Ok(count)
    }
}
