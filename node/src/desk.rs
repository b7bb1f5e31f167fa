//! The service layer: everything that a door, a screen or a command may ask of this desk.
//!
//! Doors parse and format; they call only what is here. Every method is for one agency, so a caller
//! sees nothing of another. Answers leave after the commit they speak of is durable. Failures are
//! `SubmitError` and `DeskError`; nothing here panics on input.

mod archive;
pub(crate) mod core;
mod keep;
mod order;
pub(crate) mod topics;

use std::path::Path;
use std::sync::Arc;

use formats::edxml::deadline::Standing;
use formats::id::{AgencyCode, EnvelopeId};
use formats::limits;
use formats::time::Timestamp;
use relay::clock::Clock;
use relay::station::Station;

use self::core::Core;
pub use self::core::{NodeError, SCHEMA};
pub use self::order::{
    DocumentFilter, Draft, DraftFile, RecallDraft, StatusDraft, Submission, UpdateDraft,
};
pub use self::topics::Topic;
use crate::access::{Caller, KeyDraft, KeyView, Login, NewKey, UserDraft};
use crate::agency::Agency;
use crate::body::{Body, Spool};
use crate::config::NodeConfig;
use crate::evidence::Contents;
use crate::fault::{DeskError, SubmitError};
use crate::life::Side;
use crate::store::ledger;
use crate::view::{
    Accepted, Acknowledged, AgencyView, AttachmentView, Checked, CheckedRecipient, Claim, Counts,
    DeadlineRow, DocumentRow, DocumentView, Explanation, FileView, Finding, InboxRow, InboxState,
    InboxView, Level, Page, ReceiptsView, RecipientView, ServedAgency, StateCounts, StationView,
    TimelineView,
};
use crate::{answers, checks, compose, deadlines, history, inbox, lookup, outbox, station};

/// The desk of a node. Cheap to clone; the station under it stops with `stop`.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Core>);

impl Desk {
    /// Starts the station and the desk on it; returns when it takes work.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeError> {
        Self::start_at(config, Clock::system()).await
    }

    /// Starts with a given clock (tests).
    pub async fn start_at(config: NodeConfig, clock: Clock) -> Result<Self, NodeError> {
        Ok(Self(Core::start(config, clock).await?))
    }

    /// Finishes what is in work and stops desk and station.
    pub async fn stop(&self) {
        self.0.stop().await;
    }

    /// The station under the desk.
    pub fn station(&self) -> &Station {
        self.0.station()
    }

    /// Now, by the clock of the station.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// A place for a door to stream a packet or a file into.
    pub fn spool(&self) -> Spool {
        self.0.tmp.spool(limits::PACKET_BYTES_MAX)
    }

    /// Agencies that this desk serves.
    pub fn agencies(&self) -> Vec<ServedAgency> {
        self.0
            .agencies
            .all()
            .map(|agency| self.served(&agency))
            .collect()
    }

    /// One agency of the directory by code or alias.
    pub fn agency(&self, code: &str) -> Option<AgencyView> {
        let directory = self.0.station().directory().snapshot();
        lookup::agency(&directory, code, self.now())
    }

    /// Agencies whose code, name or alias has words that begin so; diacritics do not matter. Best
    /// first, at most 50.
    pub fn search_agencies(&self, text: &str, limit: usize) -> Vec<AgencyView> {
        let directory = self.0.station().directory().snapshot();
        lookup::search(&directory, text, limit, self.now())
    }

    /// Renews all certificates of the station and its agencies now, as if their day had come: after
    /// a key was exposed. Foreign ones are left alone.
    pub fn renew_now(&self) {
        if let Some(authority) = self.0.station().authority() {
            authority.renew_now();
        }
        self.0.renew.notify_one();
    }

    /// How the station under the desk is.
    pub async fn station_view(&self) -> Result<StationView, DeskError> {
        station::view(&self.0).await
    }

    /// Tells when a state of that document or an arrival in that inbox was committed: long polls wait on it.
    pub fn changes(&self, topic: Topic) -> tokio::sync::watch::Receiver<u64> {
        self.0.topics.listen(topic)
    }

    // Sending.

    /// Accepts a document: checks, signs, stamps, seals, commits. See architecture 4.
    pub async fn submit(
        &self,
        agency: &AgencyCode,
        submission: Submission,
    ) -> Result<Accepted, SubmitError> {
        let answer = outbox::submit(&self.0, agency, submission).await;
        if let Err(SubmitError::Internal(why)) = &answer {
            tracing::error!(code = "TRAM-300", %agency, why, "submission could not be taken");
        }
        answer
    }

    /// Says what `submit` would say about the packet; stores nothing.
    pub async fn validate(
        &self,
        agency: &AgencyCode,
        packet: Body,
    ) -> Result<Checked, SubmitError> {
        let served = self.0.agency(agency)?;
        let submission = Submission::of(packet);
        let packet = outbox::read(&self.0, &served, &submission, self.now()).await?;
        Ok(Checked {
            local_id: packet.local_id,
            recipients: packet
                .recipients
                .into_iter()
                .map(|one| CheckedRecipient {
                    code: one.code,
                    name: one.name,
                    written_as: one.written_as,
                })
                .collect(),
            warnings: packet
                .warnings
                .into_iter()
                .map(|warning| Finding::of(Level::Warning, warning))
                .collect(),
        })
    }

    /// Writes an edXML packet for a form. Its faults come with `submit` or `validate`.
    pub async fn compose(
        &self,
        agency: &AgencyCode,
        draft: Draft,
        files: Vec<DraftFile>,
    ) -> Result<Body, SubmitError> {
        self.0.agency(agency)?;
        let (core, agency) = (Arc::clone(&self.0), agency.clone());
        tokio::task::spawn_blocking(move || {
            let directory = core.station().directory().snapshot();
            compose::write(&agency, &draft, &files, &directory, &core.tmp, core.now())
        })
        .await
        .map_err(|error| SubmitError::Internal(error.to_string()))?
    }

    /// Writes the status packet that answers a received document; `submit` sends it.
    pub async fn answer(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        draft: &StatusDraft,
    ) -> Result<Body, SubmitError> {
        self.0.agency(agency)?;
        answers::status(&self.0, agency, id, draft).await
    }

    /// Writes the packet that recalls a sent document; `submit` sends it, and asks the recipients'
    /// stations not to deliver what is still on its way.
    pub async fn recall(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        draft: &RecallDraft,
    ) -> Result<Body, SubmitError> {
        self.0.agency(agency)?;
        answers::recall(&self.0, agency, id, draft).await
    }

    /// Writes the packet that changes the recipients of a sent document; `submit` sends it.
    pub async fn update(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        draft: &UpdateDraft,
    ) -> Result<Body, SubmitError> {
        self.0.agency(agency)?;
        answers::update(&self.0, agency, id, draft).await
    }

    /// Sent documents, newest first. `limit` 1 to 200.
    pub async fn documents(
        &self,
        agency: &AgencyCode,
        filter: &DocumentFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<DocumentRow>, DeskError> {
        self.0.serves(agency)?;
        let limit = limit.clamp(1, 200);
        let before = cursor.map(inbox::place).transpose()?;
        let rows = ledger::list(&self.0.reader(), agency, filter, before, limit + 1).await?;
        Ok(inbox::page(rows, limit))
    }

    /// One sent document.
    pub async fn document(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<DocumentView, DeskError> {
        Ok(ledger::document(&self.0.reader(), agency, id).await?.view)
    }

    /// Sent documents with this DocumentId, newest first (more than one after a resend).
    pub async fn find_by_local_id(
        &self,
        agency: &AgencyCode,
        local_id: &str,
    ) -> Result<Vec<DocumentRow>, DeskError> {
        let naturals: Vec<String> = (0..=3).map(|kind| format!("d|{kind}|{local_id}")).collect();
        ledger::by_natural(&self.0.reader(), agency, &naturals).await
    }

    /// Its recipients in the order of the packet.
    pub async fn recipients(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Vec<RecipientView>, DeskError> {
        let pool = self.0.reader();
        let document = ledger::document(&pool, agency, id).await?;
        let mut recipients = ledger::recipients(&pool, id).await?;
        deadlines::of_recipients(&self.0, &document.view, &mut recipients);
        Ok(recipients)
    }

    /// Documents with a legal deadline that runs, the most pressing first: received ones that this agency
    /// owes something, or sent ones whose recipients do. `standings` empty = overdue and due soon.
    pub async fn deadlines(
        &self,
        agency: &AgencyCode,
        sent: bool,
        standings: &[Standing],
        limit: u32,
    ) -> Result<Vec<DeadlineRow>, DeskError> {
        self.0.serves(agency)?;
        let side = if sent { Side::Sent } else { Side::Received };
        deadlines::list(&self.0, agency, side, standings, limit.clamp(1, 200)).await
    }

    /// The history per recipient.
    pub async fn timeline(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Vec<TimelineView>, DeskError> {
        history::timeline(&self.0, agency, id).await
    }

    /// How many recipients of a sent document are in which state: what a long poll looks at.
    pub async fn progress(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<StateCounts, DeskError> {
        ledger::progress(&self.0.reader(), agency, id).await
    }

    /// The receipts about a sent document, and what opens its commitment.
    pub async fn receipts(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<ReceiptsView, DeskError> {
        crate::proofs::of_document(&self.0, agency, id).await
    }

    /// Why it is where it is and what to do.
    pub async fn explain(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Explanation, DeskError> {
        history::explain(&self.0, agency, id).await
    }

    /// Writes the proof package (zip) of a sent document; without its content where only the digest is
    /// wanted, or where retention has deleted it.
    pub async fn evidence(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        contents: Contents,
    ) -> Result<FileView, DeskError> {
        crate::evidence::package(&self.0, agency, id, contents).await
    }

    /// Attachment `n` (from 1) of a sent document, unzipped.
    pub async fn sent_file(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        n: u32,
    ) -> Result<FileView, DeskError> {
        let package = self.sent_package(agency, id).await?;
        inbox::extract(&self.0, package, n).await
    }

    // Receiving.

    /// Received documents and statuses, newest first; `states` empty = all but quarantine, `kind` absent =
    /// both. `limit` 1 to 200.
    pub async fn inbox(
        &self,
        agency: &AgencyCode,
        states: &[InboxState],
        kind: Option<&str>,
        text: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<InboxRow>, DeskError> {
        self.0.serves(agency)?;
        inbox::list(&self.0, agency, states, kind, text, cursor, limit).await
    }

    /// One received document.
    pub async fn inbox_item(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<InboxView, DeskError> {
        let mut item = checks::item(&self.0, agency, id).await?;
        deadlines::of_item(&self.0, &mut item);
        Ok(item)
    }

    /// Leases up to `count` (1 to 200) new documents for `lease_s` seconds (5 to 3600).
    pub async fn claim(
        &self,
        agency: &AgencyCode,
        count: u32,
        lease_s: u32,
    ) -> Result<Claim, DeskError> {
        self.0.serves(agency)?;
        inbox::claim(&self.0, agency, count, lease_s).await
    }

    /// Hands a document over: state, statement and owed receipt in one commit. Without a claim only
    /// for an item that nobody has claimed. Repeating it gives the first answer.
    pub async fn ack(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        claim: Option<&str>,
    ) -> Result<Acknowledged, DeskError> {
        inbox::acknowledge(&self.0, agency, id, claim).await
    }

    /// The verified packet of a received document.
    pub async fn package(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<FileView, DeskError> {
        inbox::package(&self.0, agency, id).await
    }

    /// Attachment `n` (from 1) of a received document, unzipped.
    pub async fn file(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        n: u32,
    ) -> Result<FileView, DeskError> {
        inbox::file(&self.0, agency, id, n).await
    }

    /// Attachments of a received document.
    pub async fn files(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Vec<AttachmentView>, DeskError> {
        Ok(self.inbox_item(agency, id).await?.attachments)
    }

    /// Numbers for the rail.
    pub async fn counts(&self, agency: &AgencyCode) -> Result<Counts, DeskError> {
        ledger::counts(&self.0.reader(), agency).await
    }

    // Access.

    /// Adds a user, or sets a new password, name and scopes for an existing one.
    pub async fn put_user(&self, draft: UserDraft) -> Result<(), DeskError> {
        self.0.serves(&draft.agency)?;
        self.0.access.put_user(draft, self.now()).await
    }

    /// Checks a password; `None` says no more than no.
    pub async fn login(&self, name: &str, password: &str) -> Result<Option<Login>, DeskError> {
        self.0.access.login(name, password, self.now()).await
    }

    /// Who a session token belongs to, if it still runs.
    pub async fn session(&self, token: &str) -> Result<Option<Caller>, DeskError> {
        self.0.access.session(token, self.now()).await
    }

    /// Ends a session.
    pub async fn logout(&self, token: &str) -> Result<(), DeskError> {
        self.0.access.logout(token).await
    }

    /// Makes a key for an agency served here.
    pub async fn create_key(
        &self,
        agency: &AgencyCode,
        draft: KeyDraft,
    ) -> Result<NewKey, DeskError> {
        self.0.serves(agency)?;
        self.0.access.create_key(agency, draft, self.now()).await
    }

    /// Who a key belongs to, if it is good now.
    pub async fn verify_key(&self, secret: &str) -> Result<Option<Caller>, DeskError> {
        self.0.access.verify_key(secret, self.now()).await
    }

    /// Keys of an agency, newest first.
    pub async fn keys(&self, agency: &AgencyCode) -> Result<Vec<KeyView>, DeskError> {
        self.0.access.keys(agency).await
    }

    /// Revokes a key.
    pub async fn revoke_key(&self, agency: &AgencyCode, id: &str) -> Result<(), DeskError> {
        self.0.access.revoke_key(agency, id, self.now()).await
    }

    /// Checks a proof package; the same checks as its `verify.sh`.
    pub fn verify_evidence(path: &Path) -> std::io::Result<crate::evidence::verify::Report> {
        crate::evidence::verify::file(path)
    }
}

impl Desk {
    fn served(&self, agency: &Agency) -> ServedAgency {
        let directory = self.0.station().directory().snapshot();
        let name = directory
            .agency(&agency.code)
            .map(|entry| entry.agency.name.clone());
        let encryption = agency
            .encryption
            .first()
            .map(|(_, certificate)| certificate.not_after());
        ServedAgency {
            code: agency.code.clone(),
            name: name.unwrap_or_else(|| agency.code.to_string()),
            signature_until: agency.signature_certificate.not_after(),
            encryption_until: encryption.unwrap_or_else(|| Timestamp::from_unix_ms(0)),
        }
    }
}
