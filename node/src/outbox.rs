//! Sealed → outbox: the submission as a whole, and the one commit that makes it durable: key, document,
//! packet, envelopes, legs and their statements together (architecture 4, 11).
//!
//! Order: Idempotency-Key, reading, natural key, signature and time-stamp, sealing, commit, answer. The
//! same document is worked on by one caller at a time. Fails with `SubmitError`; nothing of a failed
//! submission is kept.

mod gate;
pub(crate) mod moves;
mod rows;
mod turns;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::limits;
use formats::reason::Reason;
use formats::statement::Event;
use formats::time::Timestamp;
use relay::store::{Accept, Change, CommitError, NewLeg, Write};

use crate::access::book::seconds_up;
use crate::acts;
use crate::agency::Agency;
use crate::deadlines::Facts;
use crate::desk::core::Core;
use crate::desk::{Submission, Topic};
use crate::fault::SubmitError;
use crate::intake::{self, Intake, Packet, Recipient};
use crate::life::{Side, Target, Times};
use crate::packet;
use crate::recall;
use crate::seal::{self, Sealed, Sealing, Signed};
use crate::store;
use crate::store::commit::{desk_rows, desk_write};
use crate::store::documents::{self, Earlier, NewDocument};
use crate::view::{Accepted, AcceptedRecipient, RecipientState};

use self::rows::Rows;
pub(crate) use self::turns::{Running, Turns};

/// Accepts a submission. It runs to its end even if the caller goes away (a client that hangs up
/// drops the request): the turns that keep the same document from being taken twice are held until
/// the commit is known, so the client that comes back at once finds it.
pub(crate) async fn submit(
    core: &Arc<Core>,
    code: &AgencyCode,
    submission: Submission,
) -> Result<Accepted, SubmitError> {
    let (own, code) = (Arc::clone(core), code.clone());
    core.to_the_end(async move { accept(&own, &code, submission).await })
        .await
        .ok_or(SubmitError::Busy { retry_after_s: 5 })?
}

async fn accept(
    core: &Core,
    code: &AgencyCode,
    submission: Submission,
) -> Result<Accepted, SubmitError> {
    let agency = core.agency(code)?;
    let now = core.now();
    let request = submission
        .request_digest
        .unwrap_or_else(|| submission.packet.digest());
    let _running = match &submission.idempotency_key {
        None => None,
        Some(key) => {
            let running = core
                .running
                .begin(code, key)
                .ok_or(SubmitError::StillRunning)?;
            if let Some(answer) = replay(core, code, key, request, now).await? {
                return Ok(answer);
            }
            Some(running)
        }
    };
    let mut packet = read(core, &agency, &submission, now).await?;
    // Two callers with the same document: the second sees what the first stored.
    let _turn = core.turns.turn(code, &packet.natural).await;
    let known = documents::earlier(&core.reader(), code, &packet).await?;
    packet.warnings.extend(known.twin_warning());
    let earlier = known.same;
    let plan = Plan::of(&packet, &earlier, submission.resend_reason.as_deref())?;
    let work = Work {
        core,
        agency: &agency,
        now,
        request,
        submission,
    };
    if plan.recipients.is_empty() {
        return work.answer_duplicate(plan.document).await;
    }
    work.send(packet, plan).await
}

/// The first answer again, if the key was answered within its promise.
async fn replay(
    core: &Core,
    agency: &AgencyCode,
    key: &str,
    request: Digest,
    now: Timestamp,
) -> Result<Option<Accepted>, SubmitError> {
    let not_before = now.minus_ms(KEY_MS);
    let Some(first) = documents::answered(&core.reader(), agency, key, not_before).await? else {
        return Ok(None);
    };
    if first.request != request {
        return Err(SubmitError::IdempotencyMismatch {
            first: first.document,
        });
    }
    let mut answer = core.accepted(agency, first.document).await?;
    answer.duplicate = first.duplicate;
    answer.replayed = true;
    Ok(Some(answer))
}

/// Reads and judges the packet.
pub(crate) async fn read(
    core: &Core,
    agency: &Agency,
    submission: &Submission,
    now: Timestamp,
) -> Result<Packet, SubmitError> {
    let body = submission.packet.clone();
    let read = if body.in_memory().is_some() {
        intake::read(&body, agency.hash, &core.tmp)?
    } else {
        let (body, hash, tmp) = (body.clone(), agency.hash, Arc::clone(&core.tmp));
        tokio::task::spawn_blocking(move || intake::read(&body, hash, &tmp))
            .await
            .map_err(|error| SubmitError::Internal(error.to_string()))??
    };
    let holders = match intake::taken_back(&read.packet) {
        Some(target) => holders(core, &agency.code, &target).await?,
        None => Vec::new(),
    };
    let directory = core.station().directory().snapshot();
    let mut packet = Intake {
        agency: &agency.code,
        directory: &directory,
        now,
        holders,
    }
    .judge(body, read)?;
    let codes: Vec<AgencyCode> = packet
        .recipients
        .iter()
        .map(|recipient| recipient.code.clone())
        .collect();
    let found = acts::outgoing(core, &agency.code, &packet.edxml, &codes, now).await?;
    packet.acts = found.map_err(SubmitError::Faults)?;
    packet.warnings.append(&mut packet.acts.warnings);
    Ok(packet)
}

/// Who has the document that a take-back names.
async fn holders(
    core: &Core,
    agency: &AgencyCode,
    target: &Target,
) -> Result<Vec<AgencyCode>, SubmitError> {
    let pool = core.reader();
    let found = store::acts::find_target(&pool, agency, Side::Sent, None, target).await?;
    match found {
        Some(found) => Ok(documents::holders(&pool, agency, &found.local_id).await?),
        None => Ok(Vec::new()),
    }
}

/// What is new in a submission.
#[derive(Debug)]
struct Plan {
    /// Who has not got it yet.
    recipients: Vec<Recipient>,
    /// The document that the same packet made before, if any.
    document: Option<EnvelopeId>,
    /// Why it is sent again.
    resend_reason: Option<String>,
}

impl Plan {
    /// The rule of the natural key (architecture 4), recipient by recipient.
    fn of(
        packet: &Packet,
        earlier: &[Earlier],
        resend_reason: Option<&str>,
    ) -> Result<Self, SubmitError> {
        let latest: BTreeMap<&str, &Earlier> = earlier
            .iter()
            .map(|one| (one.recipient.as_str(), one))
            .collect();
        let digest = packet.digest.digest();
        let mut recipients = Vec::new();
        for recipient in &packet.recipients {
            let sent = match latest.get(recipient.code.as_str()) {
                None => false,
                Some(first) if first.packet != digest => {
                    if resend_reason.is_none() {
                        return Err(SubmitError::NaturalKeyConflict {
                            first: first.document,
                            first_digest: first.packet,
                        });
                    }
                    false
                }
                Some(first) => resend_reason.is_none() && !is_over(first.state),
            };
            if !sent {
                recipients.push(recipient.clone());
            }
        }
        let document = earlier
            .iter()
            .rev()
            .find(|one| one.packet == digest)
            .map(|one| one.document);
        Ok(Self {
            recipients,
            document,
            resend_reason: resend_reason.map(str::to_owned),
        })
    }
}

/// Ended without arriving: the same packet may go again.
fn is_over(state: RecipientState) -> bool {
    match state {
        RecipientState::Refused | RecipientState::Expired | RecipientState::Withdrawn => true,
        RecipientState::Accepted
        | RecipientState::Relayed
        | RecipientState::Delivered
        | RecipientState::HandedOver => false,
    }
}

/// One submission under way.
struct Work<'a> {
    core: &'a Core,
    agency: &'a Agency,
    now: Timestamp,
    request: Digest,
    submission: Submission,
}

impl Work<'_> {
    async fn answer_duplicate(
        &self,
        document: Option<EnvelopeId>,
    ) -> Result<Accepted, SubmitError> {
        let document = document.ok_or_else(|| SubmitError::Internal("no recipient".to_owned()))?;
        if let Some(key) = self.submission.idempotency_key.clone() {
            let (code, request, now) = (self.agency.code.clone(), self.request, self.now);
            let write = desk_rows(move |desk, _| {
                documents::put_idempotency(desk, &code, &key, request, document, true, now);
                Ok(())
            });
            let change = Change::with_desk(Vec::new(), write);
            self.core
                .station()
                .commit(change)
                .await
                .map_err(commit_error)?;
        }
        let mut answer = self.core.accepted(&self.agency.code, document).await?;
        answer.duplicate = true;
        Ok(answer)
    }

    async fn send(self, packet: Packet, plan: Plan) -> Result<Accepted, SubmitError> {
        let station = self.core.station();
        gate::pass(station, self.agency, &plan.recipients, self.now)?;
        let lifetime_ms = self
            .submission
            .lifetime_hours
            .map_or(LIFETIME_MS, |hours| {
                i64::from(hours).saturating_mul(3_600_000)
            })
            .clamp(3_600_000, limits::LIFETIME_MS_MAX);
        let expires = self.now.plus_ms(lifetime_ms);
        // What the node says by itself repeats what its log states: the log's stamp covers it.
        let tsa = self.core.tsa.as_ref();
        // By a clock that may be wrong nothing is stamped.
        let tsa = tsa.filter(|_| self.submission.reports.is_none() && !station.clock_unsure());
        let signed = seal::sign(self.agency, packet, tsa, self.now).await?;
        let sealing = Sealing {
            agency: self.agency,
            station: station.name(),
            bodies: station.store().bodies(),
            now: self.now,
            expires,
        };
        let mut envelopes = Vec::new();
        for part in plan.recipients.chunks(limits::RECIPIENTS_MAX) {
            envelopes.push(sealing.envelope(&signed, part.to_vec()).await?);
        }
        let Some(first) = envelopes.first().map(|sealed| sealed.header.context().id) else {
            return Err(SubmitError::Internal("no recipient".to_owned()));
        };
        let document = plan.document.unwrap_or(first);
        let accepts = self.accepts(&envelopes)?;
        let answer = self.answer(document, &signed, &envelopes, expires);
        let recall = recall::writes(self.core, &self.agency.code, &signed.packet.acts).await?;
        self.commit(document, plan, signed, envelopes, accepts, recall, expires)
            .await?;
        Ok(answer)
    }

    fn accepts(&self, envelopes: &[Sealed]) -> Result<Vec<Write>, SubmitError> {
        let mut writes = Vec::with_capacity(envelopes.len());
        for sealed in envelopes {
            let mut legs = Vec::with_capacity(sealed.recipients.len());
            for recipient in &sealed.recipients {
                let party = recipient.party();
                let next_hop = self
                    .core
                    .station()
                    .next_hop(&party)
                    .map_err(|reason| no_way(recipient, reason))?;
                legs.push(NewLeg {
                    recipient: party,
                    next_hop,
                });
            }
            writes.push(Write::from(Accept {
                header: Arc::clone(&sealed.header),
                header_signature: sealed.header_signature.clone(),
                capsule_bytes: sealed.body.capsule_bytes,
                body: sealed.body.place.clone(),
                legs,
                via: Vec::new(),
                attempt: 1,
                from: None,
                received: self.now,
                event: Some(Event::SubmissionAcceptance),
                keep_body: true,
            }));
        }
        Ok(writes)
    }

    fn answer(
        &self,
        document: EnvelopeId,
        signed: &Signed,
        envelopes: &[Sealed],
        expires: Timestamp,
    ) -> Accepted {
        let recipients = envelopes.iter().flat_map(|sealed| {
            let envelope = sealed.header.context().id;
            sealed
                .recipients
                .iter()
                .map(move |recipient| AcceptedRecipient {
                    code: recipient.code.clone(),
                    name: recipient.name.clone(),
                    written_as: recipient.written_as.clone(),
                    envelope,
                    state: RecipientState::Accepted,
                })
        });
        Accepted {
            id: document,
            local_id: signed.packet.local_id.clone(),
            envelopes: envelopes
                .iter()
                .map(|sealed| sealed.header.context().id)
                .collect(),
            duplicate: false,
            replayed: false,
            accepted_at: self.now,
            expires,
            packet_digest: signed.packet.digest.digest(),
            recipients: recipients.collect(),
            warnings: signed.packet.warnings.clone(),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one commit, each made by a step before it"
    )]
    async fn commit(
        &self,
        document: EnvelopeId,
        plan: Plan,
        signed: Signed,
        envelopes: Vec<Sealed>,
        mut writes: Vec<Write>,
        recall: recall::Writes,
        expires: Timestamp,
    ) -> Result<(), SubmitError> {
        let kept = self.core.keep(&signed.packet.body).await?;
        let new = plan.document.is_none().then(|| NewDocument {
            id: document,
            agency: self.agency.code.clone(),
            certificate: self.agency.signature_certificate.sha256(),
            resend_reason: plan.resend_reason,
            created: self.now,
            expires,
        });
        let due = self.first_due(&signed.packet);
        let rows = Rows {
            document,
            agency: self.agency.code.clone(),
            new,
            signed,
            kept,
            key: self.submission.idempotency_key.clone(),
            request: self.request,
            envelopes,
            accepts: writes.len(),
            stopped: recall.steps,
            reports: self.submission.reports,
            due,
            now: self.now,
        };
        writes.extend(recall.station);
        let about = rows.signed.packet.acts.about.clone();
        let write = if rows.signed.packet.acts.is_empty() {
            desk_rows(move |desk, outcomes| rows.write(desk, outcomes))
        } else {
            desk_write(move |desk, outcomes| {
                async move {
                    rows.write(desk, outcomes)?;
                    rows.write_acts(desk).await
                }
                .boxed()
            })
        };
        let change = Change::with_desk(writes, write);
        self.core
            .station()
            .commit(change)
            .await
            .map_err(commit_error)?;
        for id in about {
            self.core.changed(Topic::document(id));
        }
        Ok(())
    }
}

impl Work<'_> {
    /// When the first clock of a document ends that was handed in now.
    fn first_due(&self, packet: &Packet) -> Option<Timestamp> {
        if !acts::is_document(&packet.edxml, &packet.acts) {
            return None;
        }
        let facts = Facts {
            side: Side::Sent,
            packet: &packet.facts,
            times: Times::default(),
            taken: self.now,
            relayed: None,
            ended: None,
        };
        facts.next(self.now, &self.core.calendar)
    }
}

/// The directory knew the recipient a moment ago, the routes do not.
fn no_way(recipient: &Recipient, reason: Reason) -> SubmitError {
    let fault = formats::edxml::Fault::coded(
        "E-RECEIVER",
        "MessageHeader/To",
        format!("Bên nhận {}: {}", recipient.code, reason.vi()),
        format!("receiver {}: {}", recipient.code, reason.en()),
    );
    SubmitError::Faults(vec![packet::fault_view(&fault)])
}

/// A commit's failure as an answer.
pub(crate) fn commit_error(error: CommitError) -> SubmitError {
    match error {
        CommitError::Busy { retry_after_ms } => SubmitError::Busy {
            retry_after_s: seconds_up(retry_after_ms),
        },
        CommitError::DiskFull { retry_after_ms, .. } => SubmitError::DiskFull {
            retry_after_s: seconds_up(retry_after_ms),
        },
        CommitError::Closed => SubmitError::Busy { retry_after_s: 5 },
        other => SubmitError::Internal(other.to_string()),
    }
}

/// How long a key is answered (72 h).
pub(crate) const KEY_MS: i64 = 72 * 3_600_000;
/// Documents that nobody wants after a week are a mistake; agencies may say otherwise per document.
const LIFETIME_MS: i64 = 7 * 24 * 3_600_000;
