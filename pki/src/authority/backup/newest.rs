//! What was published after a backup was made: found in the records folder of any station.
//!
//! Owns: taking over newer revocations, certificates and records, each believed by its own
//! signature only.

use std::path::Path;

use formats::id::Digest;
use serde_json::json;

use super::BackupError;
use crate::authority::audit::{self, Actor};
use crate::authority::db::{DbError, Tx, Value};
use crate::authority::folder::write_public;
use crate::authority::inventory::next_seq;
use crate::authority::log;
use crate::authority::office::Office;
use crate::cert::Certificate;
use crate::chain::{TrustStore, Validator};
use crate::ledger::reason_word;
use crate::record;
use crate::revoke::Crl;

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Revocations that the backup did not know.
    pub revocations: usize,
    /// Certificates that were issued after the backup.
    pub certificates: usize,
    /// Records with a higher sequence.
    pub records: usize,
}

/// Takes over what `folder` knows and the restored office does not.
pub(super) async fn take(
    office: &Office,
    tx: &mut Tx,
    folder: &Path,
) -> Result<Newest, BackupError> {
    let mut found = Newest::default();
    let authorities = office.authorities()?;
    let (roots, between) = authorities
        .clone()
        .into_iter()
        .partition(Certificate::is_self_issued);
    let validator = Validator::new(TrustStore {
        trust_domain: office.domain().clone(),
        roots,
        intermediates: between,
        crls: Vec::new(),
        ocsp: Vec::new(),
    });
    let mut names = super::names(folder)?;
    // Certificates first: a revocation of one that is known then keeps its name and end.
    names.sort_by_key(|name| !name.ends_with(".crt"));
    for name in names {
        let path = folder.join(&name);
        let bytes = std::fs::read(&path).map_err(|source| super::failed(&path, source))?;
        if name.ends_with(".crt") {
            for cert in Certificate::all_from_pem(&bytes).unwrap_or_default() {
                if adopt(tx, &validator, &cert).await? {
                    found.certificates = found.certificates.saturating_add(1);
                    write_public(&office.records().join(&name), &bytes)?;
                }
            }
        } else if name.ends_with(".crl") {
            let count = lists(office, tx, &authorities, &name, &bytes).await?;
            found.revocations = found.revocations.saturating_add(count);
        } else if name.ends_with(".rec") && newer(office, &name, &bytes) {
            write_public(&office.records().join(&name), &bytes)?;
            found.records = found.records.saturating_add(1);
        }
    }
    Ok(found)
}

/// Numbers of lists go on well above any that may have been published and not found: what stations
/// hold is never newer than what is made from now on.
pub(super) async fn raise_numbers(tx: &mut Tx) -> Result<(), DbError> {
    tx.execute("UPDATE crl SET number = number + $1", [NUMBERS.into()])
        .await?;
    Ok(())
}

/// A certificate of one of our authorities that the backup did not know.
async fn adopt(
    tx: &mut Tx,
    validator: &Validator,
    cert: &Certificate,
) -> Result<bool, BackupError> {
    let judged = cert.role().ok().and_then(|role| {
        let judged = validator.verify(cert, role, cert.not_before());
        judged.ok().map(|judged| (role, judged))
    });
    let Some((role, judged)) = judged else {
        return Ok(false);
    };
    let Some(issuer) = judged.path().iter().rev().nth(1) else {
        return Ok(false);
    };
    let serial = cert.serial_hex();
    let known = tx
        .row(
            "SELECT sha256 FROM certificate WHERE serial = $1",
            [serial.clone().into()],
        )
        .await?;
    let key = Digest::of(cert.spki_der()).to_string();
    let sha256 = cert.sha256().to_string();
    match known.map(|row| row.text_or_none(0)).transpose()?.flatten() {
        Some(_) => return Ok(false),
        None => {
            tx.execute(
                "DELETE FROM certificate WHERE serial = $1 AND sha256 IS NULL",
                [serial.clone().into()],
            )
            .await?;
        }
    }
    let name = judged
        .party()
        .map_or_else(|| cert.subject(), ToString::to_string);
    let seq = next_seq(tx).await?;
    tx.execute(
        "INSERT INTO certificate
         (serial, seq, issuer, role, name, not_before, not_after, planned, sha256, der, spki)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        [
            serial.clone().into(),
            seq.into(),
            issuer.sha256().to_string().into(),
            role.as_str().into(),
            name.into(),
            cert.not_before().unix_ms().into(),
            cert.not_after().unix_ms().into(),
            cert.not_before().unix_ms().into(),
            sha256.into(),
            Value::Bytes(Some(cert.der().to_vec())),
            key.into(),
        ],
    )
    .await?;
    log::append(tx, std::slice::from_ref(cert)).await?;
    let facts = json!({ "serial": serial, "sha256": cert.sha256().to_string() });
    let now = cert.not_before();
    audit::append(tx, &Actor::itself(), now, [("found_published", facts)]).await?;
    Ok(true)
}

/// A list of one of our authorities: its revocations and its number.
async fn lists(
    office: &Office,
    tx: &mut Tx,
    authorities: &[Certificate],
    name: &str,
    bytes: &[u8],
) -> Result<usize, BackupError> {
    let refused = |reason: String| BackupError::Newest {
        file: name.to_owned(),
        reason,
    };
    let crl = Crl::parse(bytes).map_err(|error| refused(error.to_string()))?;
    let Some(issuer) = authorities.iter().find(|ca| crl.verify(ca).is_ok()) else {
        return Ok(0);
    };
    let id = issuer.sha256().to_string();
    let mut count = 0_usize;
    for (serial, revoked) in crl.all() {
        let (at, reason) = (revoked.at.unix_ms(), reason_word(revoked.reason));
        let known = tx
            .row(
                "SELECT revoked FROM certificate WHERE serial = $1 AND sha256 IS NOT NULL",
                [serial.clone().into()],
            )
            .await?;
        let changed = match known {
            Some(row) if row.int_or_none(0)?.is_some() => 0,
            Some(_) => {
                tx.execute(
                    "UPDATE certificate SET revoked = $1, reason = $2 WHERE serial = $3",
                    [at.into(), reason.into(), serial.into()],
                )
                .await?
            }
            None => {
                tx.execute(
                    "INSERT INTO found_revocation VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                    [id.clone().into(), serial.into(), at.into(), reason.into()],
                )
                .await?
            }
        };
        count = count.saturating_add(usize::try_from(changed).unwrap_or_default());
    }
    let number = |crl: &Crl| crl.count().and_then(|count| i64::try_from(count).ok());
    if let Some(count_of_list) = number(&crl) {
        tx.execute(
            "INSERT INTO crl VALUES ($1, $2) ON CONFLICT (issuer) DO UPDATE
             SET number = CASE WHEN crl.number > excluded.number THEN crl.number
                               ELSE excluded.number END",
            [id.into(), count_of_list.into()],
        )
        .await?;
        let own = office.records().join(name);
        let held = std::fs::read(&own)
            .ok()
            .and_then(|held| Crl::parse(&held).ok());
        let held = held.and_then(|held| number(&held));
        if held.is_none_or(|held| held < count_of_list) {
            write_public(&own, bytes)?;
        }
    }
    Ok(count)
}

/// Whether a published record is newer than ours of the same name.
fn newer(office: &Office, name: &str, bytes: &[u8]) -> bool {
    let Ok(found) = record::open(bytes) else {
        return false;
    };
    let held = std::fs::read(office.records().join(name));
    let held = held.ok().and_then(|held| record::open(&held).ok());
    held.is_none_or(|held| held.record.sequence() < found.record.sequence())
}

/// More lists than are made in a month.
const NUMBERS: i64 = 1000;
