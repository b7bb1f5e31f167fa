//! Submission → Packet: is this a packet that may travel, from whom it says, to whom it names?
//!
//! Everything wrong is said at once. Nothing is stored here. Knows edXML, the directory and the agencies
//! served; must not know keys' use, envelopes or the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use formats::edxml::{self, Fault, Validation};
use formats::header::{Class, Priority};
use formats::id::{AgencyCode, Party};
use formats::limits;
use formats::time::Timestamp;
use pki::chain::VerifiedCert;
use pki::sign::{HashAlgorithm, PacketDigest};
use relay::directory::Snapshot;

use crate::acts::Acts;
use crate::body::{Body, TemporaryDirectory};
use crate::fault::SubmitError;
use crate::fold::fold;
use crate::life::Target;
use crate::lookup;
use crate::packet::{self, PacketError, ReadPacket};
use crate::view::{AttachmentView, FaultView, PacketFacts};

/// Reads a packet. Blocking for packets that lie in a file.
pub(crate) fn read(
    body: &Body,
    hash: HashAlgorithm,
    tmp: &Arc<TemporaryDirectory>,
) -> Result<ReadPacket, SubmitError> {
    if body.bytes() > limits::PACKET_BYTES_MAX {
        return Err(SubmitError::Faults(vec![too_large(body.bytes())]));
    }
    packet::read(body, hash, tmp).map_err(|error| match error {
        PacketError::Faults(faults) => SubmitError::Faults(faults),
        PacketError::Disk(error) => error.into(),
    })
}

/// The document that a take-back (status 13) is about.
pub(crate) fn taken_back(packet: &edxml::Packet) -> Option<Target> {
    match packet {
        edxml::Packet::Status(status) if status.code == edxml::StatusCode::TakeBack => {
            Some(Target::from(&status.response_for))
        }
        edxml::Packet::Document(_) | edxml::Packet::Status(_) => None,
    }
}

/// A packet that may travel.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) body: Body,
    pub(crate) digest: PacketDigest,
    pub(crate) class: Class,
    pub(crate) natural: String,
    pub(crate) local_id: String,
    pub(crate) facts: PacketFacts,
    pub(crate) attachments: Vec<AttachmentView>,
    pub(crate) warnings: Vec<FaultView>,
    pub(crate) priority: Priority,
    pub(crate) recipients: Vec<Recipient>,
    /// As it was read.
    pub(crate) edxml: edxml::Packet,
    /// What it does to other documents; found after judging.
    pub(crate) acts: Acts,
}

/// One recipient, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Recipient {
    pub(crate) code: AgencyCode,
    pub(crate) name: String,
    /// The code as written, when it was another.
    pub(crate) written_as: Option<String>,
    /// Sealed to this certificate.
    pub(crate) certificate: VerifiedCert,
}

/// Who submits, and what this moment's directory says.
pub(crate) struct Intake<'a> {
    pub(crate) agency: &'a AgencyCode,
    pub(crate) directory: &'a Snapshot,
    pub(crate) now: Timestamp,
    /// For a take-back (status 13): who has the document, from our own ledger.
    pub(crate) holders: Vec<AgencyCode>,
}

impl Intake<'_> {
    /// Judges a packet that was read.
    pub(crate) fn judge(&self, body: Body, read: ReadPacket) -> Result<Packet, SubmitError> {
        let ReadPacket {
            packet,
            digest,
            attachments,
            mut faults,
        } = read;
        let Validation {
            faults: found,
            warnings,
        } = packet::judge(&packet, self.now);
        faults.extend(found.iter().map(packet::fault_view));
        let from = match &packet {
            edxml::Packet::Document(document) => &document.from,
            edxml::Packet::Status(status) => &status.from,
        };
        faults.extend(self.sender_fault(from.organ_id.as_str()));
        let (recipients, more) = self.recipients(&packet);
        faults.extend(more);
        if !faults.is_empty() {
            return Err(SubmitError::Faults(faults));
        }
        let facts = packet::facts(&packet);
        Ok(Packet {
            body,
            digest,
            class: match &packet {
                edxml::Packet::Document(_) => Class::Document,
                edxml::Packet::Status(_) => Class::Status,
            },
            natural: packet::natural_key(&packet),
            local_id: local_id(&packet),
            attachments,
            warnings: warnings.iter().map(packet::warning_view).collect(),
            priority: Priority::from_number(facts.priority.into()).unwrap_or_default(),
            recipients,
            facts,
            edxml: packet,
            acts: Acts::default(),
        })
    }

    /// E-SENDER, unless From is the caller's agency by code, alias or predecessor.
    fn sender_fault(&self, written: &str) -> Option<FaultView> {
        let resolved = self.directory.resolve(written, self.now);
        if written.is_empty() || resolved.is_some_and(|entry| entry.agency.code == *self.agency) {
            // An empty From is reported by the validation.
            return None;
        }
        Some(packet::fault_view(&Fault::sender(
            written,
            self.agency.as_str(),
        )))
    }

    fn recipients(&self, packet: &edxml::Packet) -> (Vec<Recipient>, Vec<FaultView>) {
        let written: Vec<String> = match packet {
            edxml::Packet::Document(document) => document
                .to
                .iter()
                .map(|org| org.organ_id.as_str().to_owned())
                .collect(),
            edxml::Packet::Status(status) => self.status_recipients(status),
        };
        let mut recipients = Vec::new();
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for (at, written) in written
            .iter()
            .enumerate()
            .filter(|(_, written)| !written.is_empty())
        {
            match self.recipient(written) {
                Ok(recipient) if seen.insert(recipient.code.clone()) => recipients.push(recipient),
                Ok(recipient) => {
                    let (vi, en) = (
                        format!("trùng với {} đã ghi ở trên; bỏ dòng này", recipient.code),
                        format!("is {} again; remove this line", recipient.code),
                    );
                    faults.push(packet::fault_view(&Fault::receiver(
                        at + 1,
                        written,
                        &vi,
                        &en,
                    )));
                }
                Err((vi, en)) => {
                    faults.push(packet::fault_view(&Fault::receiver(
                        at + 1,
                        written,
                        &vi,
                        &en,
                    )));
                }
            }
        }
        (recipients, faults)
    }

    /// A status goes to the issuer of the document; a take-back to those who have it.
    fn status_recipients(&self, status: &edxml::StatusPacket) -> Vec<String> {
        if status.code == edxml::StatusCode::TakeBack {
            return self
                .holders
                .iter()
                .map(|code| code.as_str().to_owned())
                .collect();
        }
        vec![status.response_for.organ_id.as_str().to_owned()]
    }

    fn recipient(&self, written: &str) -> Result<Recipient, (String, String)> {
        let entry = self.directory.resolve(written, self.now).ok_or_else(|| {
            (
                "không có trong danh bạ; kiểm tra mã, hoặc tìm theo tên trong danh bạ".to_owned(),
                "is not in the directory; check the code or search by name".to_owned(),
            )
        })?;
        if let Some(refusal) = lookup::out_of_time(&entry.agency, self.now) {
            return Err(refusal);
        }
        if self
            .directory
            .home_station(&entry.agency.code, self.now)
            .is_none()
        {
            return Err((
                format!(
                    "{} chưa nối vào trục; gửi bằng cách khác",
                    entry.agency.name
                ),
                format!(
                    "{} is not connected to the backbone yet; use another way",
                    entry.agency.name
                ),
            ));
        }
        let certificate = self
            .directory
            .encryption_certificate(&entry.agency.code, self.now)
            .map_err(|error| {
                (
                    format!(
                        "{} không có chứng thư mã hóa dùng được ({error}); báo bên nhận gia hạn",
                        entry.agency.name
                    ),
                    format!(
                        "{} has no usable encryption certificate: {error}",
                        entry.agency.name
                    ),
                )
            })?;
        let written_as = (written != entry.agency.code.as_str()).then(|| written.to_owned());
        Ok(Recipient {
            code: entry.agency.code.clone(),
            name: entry.agency.name.clone(),
            written_as,
            certificate,
        })
    }
}

impl Packet {
    /// What a search may find it by, folded.
    pub(crate) fn search_text(&self) -> String {
        let mut words = search_words(&self.facts, &self.local_id);
        for recipient in &self.recipients {
            words.push(' ');
            words.push_str(recipient.code.as_str());
            words.push(' ');
            words.push_str(&recipient.name);
        }
        fold(&words)
    }
}

impl Recipient {
    /// As the header names it.
    pub(crate) fn party(&self) -> Party {
        Party::Agency(self.code.clone())
    }
}

/// The searchable words of a packet.
pub(crate) fn search_words(facts: &PacketFacts, local_id: &str) -> String {
    format!(
        "{} {} {} {}",
        facts.code, facts.subject, facts.type_name, local_id
    )
}

/// DocumentId; for a status that of the document it answers.
pub(crate) fn local_id(packet: &edxml::Packet) -> String {
    match packet {
        edxml::Packet::Document(document) => document.document_id.clone(),
        edxml::Packet::Status(status) => status
            .response_for
            .document_id
            .clone()
            .unwrap_or_else(|| status.response_for.code.clone()),
    }
}

fn too_large(bytes: u64) -> FaultView {
    let max = limits::PACKET_BYTES_MAX;
    packet::fault_view(&Fault::coded(
        "E-LIMIT",
        "",
        format!("Gói tin {bytes} byte vượt giới hạn {max} byte"),
        format!("the packet has {bytes} bytes, {max} are allowed"),
    ))
}
