//! Approvals: certificates of some profiles are issued only after several persons agreed.
//!
//! Owns: waiting requests, and the signatures of approvers over them. An approver is a key in
//! `authority/approvers.toml`; what counts is a signature of that key over exactly this request, one
//! a person. A request is known by the hash of what it asks, so whoever asks again after the
//! approval gets the certificate and asks nobody else. Renewal needs no approval: it is by possession
//! of the current key. Fails with [`ApprovalError`]. Must not know what is asked for.

use std::collections::BTreeMap;
use std::path::Path;

use formats::id::Digest;
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use thiserror::Error;

use super::audit::{self, Actor};
use super::db::{DbError, Row, Tx, Value};
use super::inventory::Inventory;
use super::office::{Office, OfficeError};
use crate::algorithm::{AlgorithmError, PublicKey};
use crate::key::{KeyError, SigningKey};

/// Why a request is not approved or its approvals do not count.
#[derive(Debug, Error)]
pub enum ApprovalError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Already decided.
    #[error("request {id} is {state} already")]
    Decided {
        /// Which.
        id: String,
        /// How it stands.
        state: String,
    },
    /// A stored value is not what was written.
    #[error("request {0} is damaged: ask again")]
    Damaged(String),
    /// The key does not sign or is of no accepted kind.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is not this approver's.
    #[error("the key is not the one that approvers.toml names for {0}")]
    NotTheirs(String),
    /// The folder.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// The public key of an approver.
    #[error("key of approver {name}: {source}")]
    PublicKey {
        /// Whose.
        name: String,
        /// What is wrong.
        #[source]
        source: AlgorithmError,
    },
    /// One person, one voice.
    #[error("{0} has spoken on this request already")]
    Twice(String),
    /// Nobody asked.
    #[error("no such request")]
    Unknown,
    /// Not in the list.
    #[error("{0} is no approver: see authority/approvers.toml")]
    UnknownApprover(String),
}

/// `authority/approvers.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    approver: Vec<Approver>,
}

/// A person who may approve.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// As in the register of the office.
    pub name: String,
    /// SubjectPublicKeyInfo in hexadecimal.
    pub key: String,
}

/// How a request stands.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Short name.
    pub id: String,
    /// When it was made.
    pub made: Timestamp,
    /// By whom.
    pub made_by: String,
    /// What is asked for, in words for the approvers.
    pub body: Json,
    /// How many must agree.
    pub needed: u32,
    /// `waiting`, `approved`, `rejected`.
    pub state: String,
    /// Who agreed (true) or not.
    pub voices: Vec<(String, bool)>,
    hash: String,
}

impl Office {
    /// Persons who may approve.
    ///
    /// # Errors
    /// [`OfficeError::Settings`], [`OfficeError::File`].
    pub fn approvers(&self) -> Result<Vec<Approver>, OfficeError> {
        let file = self.file("approvers.toml");
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let read: Result<File, _> = toml::from_str(&text);
                let read = read.map_err(|error| OfficeError::Settings {
                    file: file.display().to_string(),
                    reason: error.to_string(),
                })?;
                Ok(read.approver)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(super::folder::failed(&file, source)),
        }
    }

    /// Adds a person, or replaces the key of one.
    ///
    /// # Errors
    /// [`ApprovalError::PublicKey`], [`ApprovalError::Office`], [`ApprovalError::Db`].
    pub async fn add_approver(
        &self,
        name: &str,
        spki_der: &[u8],
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), ApprovalError> {
        PublicKey::from_spki(spki_der).map_err(|source| ApprovalError::PublicKey {
            name: name.to_owned(),
            source,
        })?;
        let mut all = self.approvers()?;
        all.retain(|one| one.name != name);
        let key = crate::cert::hex(spki_der);
        let facts = json!({ "approver": name, "key_sha256": Digest::of(spki_der).to_string() });
        all.push(Approver {
            name: name.to_owned(),
            key,
        });
        let mut text = String::new();
        for one in &all {
            // A JSON text is a TOML text as well.
            let (name, key) = (Json::from(one.name.as_str()), Json::from(one.key.as_str()));
            text += &format!("[[approver]]\nname = {name}\nkey = {key}\n\n");
        }
        self.inventory
            .note("approver_added", facts, actor, now)
            .await
            .map_err(|error| match error {
                super::inventory::InventoryError::Db(error) => ApprovalError::Db(error),
                other => ApprovalError::Office(OfficeError::Inventory(other)),
            })?;
        let path: &Path = &self.file("approvers.toml");
        Ok(super::folder::write_public(path, text.as_bytes())?)
    }

    /// Agrees to a request, or refuses it, with the person's own key.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn decide(
        &self,
        id: &str,
        (name, key): (&str, &SigningKey),
        agreed: bool,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Waiting, ApprovalError> {
        let approvers = self.approvers()?;
        let known = approvers.iter().find(|one| one.name == name);
        let known = known.ok_or_else(|| ApprovalError::UnknownApprover(name.to_owned()))?;
        if known.key != crate::cert::hex(key.spki_der()) {
            return Err(ApprovalError::NotTheirs(name.to_owned()));
        }
        let mut tx = self.inventory.db.write().await?;
        let waiting = by_id(&mut tx, id).await?.ok_or(ApprovalError::Unknown)?;
        if waiting.state != WAITING {
            return Err(ApprovalError::Decided {
                id: waiting.id,
                state: waiting.state,
            });
        }
        if waiting.voices.iter().any(|(who, _)| who == name) {
            return Err(ApprovalError::Twice(name.to_owned()));
        }
        let signature = key.sign(&statement(&waiting, name, agreed))?;
        tx.execute(
            "INSERT INTO approval VALUES ($1, $2, $3, $4, $5)",
            [
                id.into(),
                name.into(),
                now.unix_ms().into(),
                i64::from(agreed).into(),
                Value::Bytes(Some(signature)),
            ],
        )
        .await?;
        let believed = believed(&mut tx, &waiting, &approvers).await?;
        let state = match (agreed, believed >= waiting.needed) {
            (false, _) => REJECTED,
            (true, true) => APPROVED,
            (true, false) => WAITING,
        };
        tx.execute(
            "UPDATE request SET state = $1 WHERE id = $2",
            [state.into(), id.into()],
        )
        .await?;
        let facts = json!({
            "request": id, "hash": waiting.hash, "approver": name, "agreed": agreed, "state": state,
        });
        audit::append(&mut tx, actor, now, [("request_decided", facts)]).await?;
        let waiting = by_id(&mut tx, id).await?.ok_or(ApprovalError::Unknown)?;
        tx.commit().await?;
        Ok(waiting)
    }
}

/// What became of a wish that needs approval.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Approved,
    Rejected(String),
    Waiting { id: String, have: u32, needed: u32 },
}

/// Looks whether a wish was approved; the first time it is put before the approvers.
pub(super) async fn judge(
    tx: &mut Tx,
    office: &Office,
    hash: &Digest,
    (body, needed): (Json, u32),
    actor: &Actor,
    now: Timestamp,
) -> Result<Outcome, ApprovalError> {
    let hash = hash.to_string();
    let row = tx
        .row(
            "SELECT id FROM request WHERE hash = $1 ORDER BY made DESC LIMIT 1",
            [hash.clone().into()],
        )
        .await?;
    let Some(row) = row else {
        let id: String = hash.chars().take(12).collect();
        tx.execute(
            "INSERT INTO request VALUES ($1, $2, $3, $4, 'issue', $5, $6, $7, $8, NULL)",
            [
                id.clone().into(),
                now.unix_ms().into(),
                now.plus_ms(LIFE_MS).unix_ms().into(),
                actor.who.clone().into(),
                hash.clone().into(),
                body.to_string().into(),
                i64::from(needed).into(),
                WAITING.into(),
            ],
        )
        .await?;
        let facts = json!({ "request": id, "hash": hash, "needed": needed, "asked": body });
        audit::append(tx, actor, now, [("approval_asked", facts)]).await?;
        return Ok(Outcome::Waiting {
            id,
            have: 0,
            needed,
        });
    };
    let waiting = by_id(tx, &row.text(0)?)
        .await?
        .ok_or(ApprovalError::Unknown)?;
    if waiting.state == REJECTED {
        return Ok(Outcome::Rejected(waiting.id));
    }
    // Counted anew from the signatures: the word in the table alone decides nothing.
    let have = believed(tx, &waiting, &office.approvers()?).await?;
    if have >= needed {
        return Ok(Outcome::Approved);
    }
    Ok(Outcome::Waiting {
        id: waiting.id,
        have,
        needed,
    })
}

/// How many approvers' signatures over this request hold.
async fn believed(
    tx: &mut Tx,
    waiting: &Waiting,
    approvers: &[Approver],
) -> Result<u32, ApprovalError> {
    let rows = tx
        .rows(
            "SELECT approver, signature FROM approval WHERE request = $1 AND agreed = 1",
            [waiting.id.clone().into()],
        )
        .await?;
    let keys: BTreeMap<&str, &str> = approvers
        .iter()
        .map(|one| (one.name.as_str(), one.key.as_str()))
        .collect();
    let mut count = 0_u32;
    let mut counted = std::collections::BTreeSet::new();
    for row in rows {
        let name = row.text(0)?;
        let key = keys.get(name.as_str()).copied();
        let spki = key.and_then(super::inventory::unhex);
        let Some(public) = spki.and_then(|spki| PublicKey::from_spki(&spki).ok()) else {
            continue;
        };
        let message = statement(waiting, &name, true);
        let signature = row.bytes(1)?;
        let algorithm = public.usual_algorithm();
        let holds = public.verify(algorithm, &message, &signature).is_ok();
        // One key under two names is one voice.
        if holds && counted.insert(key) {
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

impl Inventory {
    /// Requests for approval, newest first.
    ///
    /// # Errors
    /// [`ApprovalError::Db`], [`ApprovalError::Damaged`].
    pub async fn requests(&self, most: u32) -> Result<Vec<Waiting>, ApprovalError> {
        let mut tx = self.db.read().await?;
        let rows = tx
            .rows(
                "SELECT id FROM request ORDER BY made DESC, id LIMIT $1",
                [i64::from(most).into()],
            )
            .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            all.extend(by_id(&mut tx, &row.text(0)?).await?);
        }
        Ok(all)
    }

    /// One request.
    ///
    /// # Errors
    /// [`ApprovalError::Db`], [`ApprovalError::Damaged`].
    pub async fn request(&self, id: &str) -> Result<Option<Waiting>, ApprovalError> {
        by_id(&mut self.db.read().await?, id).await
    }
}

async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Waiting>, ApprovalError> {
    let row = tx
        .row(
            "SELECT id, made, made_by, body, needed, state, hash FROM request WHERE id = $1",
            [id.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let voices = tx
        .rows(
            "SELECT approver, agreed FROM approval WHERE request = $1 ORDER BY made",
            [id.into()],
        )
        .await?;
    let voice = |row: &Row| Ok((row.text(0)?, row.int(1)? == 1));
    let body = serde_json::from_str(&row.text(3)?);
    Ok(Some(Waiting {
        id: row.text(0)?,
        made: Timestamp::from_unix_ms(row.int(1)?),
        made_by: row.text(2)?,
        body: body.map_err(|_| ApprovalError::Damaged(id.to_owned()))?,
        needed: u32::try_from(row.int(4)?).unwrap_or(u32::MAX),
        state: row.text(5)?,
        voices: voices.iter().map(voice).collect::<Result<_, DbError>>()?,
        hash: row.text(6)?,
    }))
}

/// What an approver signs.
fn statement(waiting: &Waiting, name: &str, agreed: bool) -> Vec<u8> {
    let word = if agreed { "agree" } else { "reject" };
    format!(
        "tram-approval-1\n{}\n{}\n{word}\n{name}\n",
        waiting.id, waiting.hash
    )
    .into_bytes()
}

const APPROVED: &str = "approved";
const REJECTED: &str = "rejected";
const WAITING: &str = "waiting";
/// Nobody decides about last year's wishes.
const LIFE_MS: i64 = 30 * 24 * 60 * 60 * 1000;
