//! Writing packets, byte-stable, attachments streamed [edxml-model 1, 2, 3].
//!
//! The literal prefix `edXML:` is always written inside the envelope, because known consumers search tags by that
//! string. Writing does not judge: call `validate` first. Fails ([`WriteError`]) when XML cannot carry the
//! content, when attachment bytes are not the ones described, or when input or output fail; what was
//! written until then is to be thrown away.
//! Must not know: clocks, random ids (`Trace::id` is the caller's).

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use super::NAMESPACE;
use super::base64_stream::{self, EncodeError};
use super::date;
use super::model::{
    AttachmentRef, Business, DocumentPacket, Hop, OtherInfo, RawSignature, Replaced, ResponseFor,
    Staff, StatusPacket,
};
use super::organ::{Org, OrganId};
use super::xml_out::XmlOut;
use crate::id::Digest;
use crate::time::Timestamp;

/// Which library's habits the output follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Order 1.1…1.14, `xlink` attributes in the manifest; reported as accepted by the national axis.
    #[default]
    DotNet,
    /// `DocumentId` after `To`, `ToPlaces` last, prefixed `ContentTransferEncoded`.
    Java,
}

/// Why a packet was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The bytes given are not the ones the packet describes.
    #[error("attachment {cid}: the bytes given differ from the size or digest described")]
    Attachment {
        /// Content id.
        cid: String,
    },
    /// Not one reader for each attachment.
    #[error("{attachments} attachments but {readers} readers")]
    Attachments {
        /// Attachments described.
        attachments: usize,
        /// Readers given.
        readers: usize,
    },
    /// A text holds a character XML 1.0 cannot carry.
    #[error("{place}: character U+{code_point:04X} cannot stand in xml")]
    Character {
        /// Place of the element.
        place: String,
        /// The character.
        code_point: u32,
    },
    /// An extension or the signature is not well-formed.
    #[error("{place}: extension is not well-formed: {what}")]
    Extension {
        /// Place of the extension.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// Reading an attachment.
    #[error("reading attachment {cid}: {source}")]
    Input {
        /// Content id.
        cid: String,
        /// What it said.
        source: io::Error,
    },
    /// Writing.
    #[error("writing the packet: {0}")]
    Output(#[source] io::Error),
    /// A time lies outside the years a packet can carry.
    #[error("{place}: time outside the years 1000 to 9999")]
    Time {
        /// Place of the element.
        place: String,
    },
    /// An extension's place does not exist in this packet.
    #[error("extension at {place} has no place in this packet")]
    Unplaced {
        /// Its place.
        place: String,
    },
}

/// Writes a document packet. `attachments` are read in the order of `packet.attachments`.
///
/// # Errors
/// See [`WriteError`].
pub fn write(
    packet: &DocumentPacket,
    form: Form,
    attachments: &mut [impl Read],
    out: impl Write,
) -> Result<(), WriteError> {
    if attachments.len() != packet.attachments.len() {
        return Err(WriteError::Attachments {
            attachments: packet.attachments.len(),
            readers: attachments.len(),
        });
    }
    let mut xml = XmlOut::new(out, &packet.extensions)?;
    begin(&mut xml)?;
    message_header(&mut xml, packet, form)?;
    trace_header_list(&mut xml, packet)?;
    match &packet.signature {
        RawSignature::Absent => {}
        RawSignature::Empty => {
            xml.open("DigitalSignature")?;
            xml.close()?;
        }
        RawSignature::Present(text) => xml.element("edXMLHeader/Signature", text)?,
    }
    xml.close()?;
    manifest(&mut xml, packet, form)?;
    xml.close()?;
    encoded(&mut xml, packet, form, attachments)?;
    xml.close()?;
    xml.finish()
}

/// Writes a status packet.
///
/// # Errors
/// See [`WriteError`].
pub fn write_status(packet: &StatusPacket, form: Form, out: impl Write) -> Result<(), WriteError> {
    let mut xml = XmlOut::new(out, &packet.extensions)?;
    begin(&mut xml)?;
    xml.open("MessageHeader")?;
    match form {
        Form::DotNet => {
            xml.open("ResponseFor")?;
            response_for(&mut xml, &packet.response_for)?;
            org(&mut xml, "From", None, &packet.from)?;
            status_fields(&mut xml, packet)?;
            staff_info(&mut xml, packet.staff.as_ref())?;
        }
        Form::Java => {
            org(&mut xml, "From", None, &packet.from)?;
            xml.open("ResponseFor")?;
            response_for(&mut xml, &packet.response_for)?;
            staff_info(&mut xml, packet.staff.as_ref())?;
            status_fields(&mut xml, packet)?;
        }
    }
    // Message header, header, envelope, root.
    for _ in 0..4 {
        xml.close()?;
    }
    xml.finish()
}

fn begin<W: Write>(xml: &mut XmlOut<'_, W>) -> Result<(), WriteError> {
    xml.declaration()?;
    xml.open_with("edXML", &[("xmlns", NAMESPACE)])?;
    xml.prefixed(true);
    xml.open_with("edXMLEnvelope", &[("xmlns:edXML", NAMESPACE)])?;
    xml.open("edXMLHeader")
}

fn message_header<W: Write>(
    xml: &mut XmlOut<'_, W>,
    packet: &DocumentPacket,
    form: Form,
) -> Result<(), WriteError> {
    xml.open("MessageHeader")?;
    org(xml, "From", None, &packet.from)?;
    for (position, receiver) in (1..).zip(&packet.to) {
        org(xml, "To", Some(position), receiver)?;
    }
    if form == Form::Java {
        xml.leaf("DocumentId", &packet.document_id)?;
    }
    xml.open("Code")?;
    xml.leaf("CodeNumber", &packet.code.number)?;
    xml.leaf("CodeNotation", &packet.code.notation)?;
    xml.close()?;
    xml.open("PromulgationInfo")?;
    xml.leaf_if("Place", packet.issued.place.as_deref())?;
    xml.leaf_if(
        "PromulgationDate",
        packet.issued.date.map(|d| d.to_string()).as_deref(),
    )?;
    xml.close()?;
    xml.open("DocumentType")?;
    xml.number_if("Type", packet.doc_type.class)?;
    xml.number_if("TypeDetail", packet.doc_type.detail)?;
    xml.leaf("TypeName", &packet.doc_type.name)?;
    xml.close()?;
    xml.leaf("Subject", &packet.subject)?;
    xml.leaf_if("Content", packet.summary.as_deref())?;
    xml.open("SignerInfo")?;
    xml.leaf_if("Competence", packet.signer.competence.as_deref())?;
    xml.leaf_if("Position", packet.signer.position.as_deref())?;
    xml.leaf("FullName", &packet.signer.full_name)?;
    xml.close()?;
    xml.leaf_if("DueDate", packet.due.map(|d| d.to_string()).as_deref())?;
    if form == Form::DotNet {
        list(xml, "ToPlaces", "Place", &packet.to_places)?;
    }
    other_info(xml, &packet.other)?;
    for (position, response) in (1..).zip(&packet.response_for) {
        xml.open_nth("ResponseFor", position)?;
        response_for(xml, response)?;
    }
    xml.number_if("SteeringType", Some(packet.steering.unwrap_or(0)))?;
    if form == Form::DotNet {
        xml.leaf("DocumentId", &packet.document_id)?;
    }
    if !packet.tasks.is_empty() {
        xml.open_nth("ResponseForTask", 1)?;
        for (position, task) in (1..).zip(&packet.tasks) {
            xml.leaf_nth("TaskCode", position, task)?;
        }
        xml.close()?;
    }
    xml.leaf_if("ApplicationType", packet.application_type.as_deref())?;
    if form == Form::Java {
        list(xml, "ToPlaces", "Place", &packet.to_places)?;
    }
    xml.close()
}

fn org<W: Write>(
    xml: &mut XmlOut<'_, W>,
    name: &str,
    position: Option<usize>,
    org: &Org,
) -> Result<(), WriteError> {
    match position {
        Some(position) => xml.open_nth(name, position)?,
        None => xml.open(name)?,
    }
    xml.leaf("OrganId", org.organ_id.as_str())?;
    xml.leaf_if("OrganizationInCharge", org.in_charge.as_deref())?;
    xml.leaf("OrganName", &org.name)?;
    xml.leaf_if("OrganAdd", org.address.as_deref())?;
    xml.leaf_if("Email", org.email.as_deref())?;
    xml.leaf_if("Telephone", org.telephone.as_deref())?;
    xml.leaf_if("Fax", org.fax.as_deref())?;
    xml.leaf_if("Website", org.website.as_deref())?;
    xml.close()
}

fn other_info<W: Write>(xml: &mut XmlOut<'_, W>, other: &OtherInfo) -> Result<(), WriteError> {
    if *other == OtherInfo::default() && !xml.has_extensions("OtherInfo") {
        return Ok(());
    }
    xml.open("OtherInfo")?;
    xml.number_if("Priority", other.priority)?;
    xml.leaf_if("SphereOfPromulgation", other.circulation.as_deref())?;
    xml.leaf_if("TyperNotation", other.drafter.as_deref())?;
    xml.number_if("PromulgationAmount", other.copies)?;
    xml.number_if("PageAmount", other.pages)?;
    list(xml, "Appendixes", "Appendix", &other.appendixes)?;
    xml.leaf_if("ReplyFors", other.reply_fors.as_deref())?;
    xml.leaf_if("ReferenceCodes", other.reference_codes.as_deref())?;
    xml.close()
}

fn list<W: Write>(
    xml: &mut XmlOut<'_, W>,
    name: &str,
    item: &str,
    texts: &[String],
) -> Result<(), WriteError> {
    if texts.is_empty() && !xml.has_extensions(name) {
        return Ok(());
    }
    xml.open(name)?;
    for (position, text) in (1..).zip(texts) {
        xml.leaf_nth(item, position, text)?;
    }
    xml.close()
}

/// Content and end of an open `ResponseFor`.
fn response_for<W: Write>(
    xml: &mut XmlOut<'_, W>,
    response: &ResponseFor,
) -> Result<(), WriteError> {
    xml.leaf("OrganId", response.organ_id.as_str())?;
    xml.leaf("Code", &response.code)?;
    xml.leaf_if(
        "PromulgationDate",
        response.date.map(|d| d.to_string()).as_deref(),
    )?;
    xml.leaf_if("DocumentId", response.document_id.as_deref())?;
    xml.close()
}

fn status_fields<W: Write>(
    xml: &mut XmlOut<'_, W>,
    packet: &StatusPacket,
) -> Result<(), WriteError> {
    xml.leaf("StatusCode", packet.code.as_str())?;
    xml.leaf_if("Description", packet.description.as_deref())?;
    timestamp(xml, packet.at)
}

fn timestamp<W: Write>(xml: &mut XmlOut<'_, W>, at: Option<Timestamp>) -> Result<(), WriteError> {
    let Some(at) = at else {
        return xml.leaf("Timestamp", "");
    };
    let text = date::format_timestamp(at).ok_or_else(|| WriteError::Time {
        place: "Timestamp".to_owned(),
    })?;
    xml.leaf("Timestamp", &text)
}

fn staff_info<W: Write>(xml: &mut XmlOut<'_, W>, staff: Option<&Staff>) -> Result<(), WriteError> {
    let Some(staff) = staff else {
        return Ok(());
    };
    xml.open("StaffInfo")?;
    xml.leaf_if("Department", staff.department.as_deref())?;
    xml.leaf_if("Staff", staff.name.as_deref())?;
    xml.leaf_if("Email", staff.email.as_deref())?;
    xml.leaf_if("Mobile", staff.mobile.as_deref())?;
    xml.close()
}

fn trace_header_list<W: Write>(
    xml: &mut XmlOut<'_, W>,
    packet: &DocumentPacket,
) -> Result<(), WriteError> {
    let mut attributes = vec![("version", "1.0")];
    if !packet.trace.id.is_empty() {
        attributes.insert(0, ("id", packet.trace.id.as_str()));
    }
    xml.open_with("TraceHeaderList", &attributes)?;
    for (position, Hop { organ_id, at }) in (1..).zip(&packet.trace.hops) {
        xml.open_nth("TraceHeader", position)?;
        xml.leaf("OrganId", organ_id.as_str())?;
        timestamp(xml, *at)?;
        xml.close()?;
    }
    xml.open("Bussiness")?;
    xml.number_if("BussinessDocType", Some(packet.business.code()))?;
    business(xml, &packet.business)?;
    xml.number_if("Paper", Some(packet.paper))?;
    staff_info(xml, packet.staff.as_ref())?;
    xml.close()?;
    xml.close()
}

fn business<W: Write>(xml: &mut XmlOut<'_, W>, business: &Business) -> Result<(), WriteError> {
    match business {
        Business::New => Ok(()),
        Business::Recall { target, reason } => {
            xml.leaf("BussinessDocReason", reason)?;
            xml.leaf("DocumentId", target)
        }
        Business::Update {
            target,
            reason,
            content_changed,
            receivers_added,
            receivers_removed,
        } => {
            xml.leaf("BussinessDocReason", reason)?;
            xml.leaf("DocumentId", target)?;
            changes(xml, *content_changed, receivers_added, receivers_removed)
        }
        Business::Replace { reason, replaced } => {
            xml.leaf("BussinessDocReason", reason)?;
            replacements(xml, replaced)
        }
        Business::Other { reason, target, .. } => {
            xml.leaf_if("BussinessDocReason", reason.as_deref())?;
            xml.leaf_if("DocumentId", target.as_deref())
        }
    }
}

fn changes<W: Write>(
    xml: &mut XmlOut<'_, W>,
    content: bool,
    added: &[OrganId],
    removed: &[OrganId],
) -> Result<(), WriteError> {
    let receivers = !added.is_empty() || !removed.is_empty();
    xml.open("BussinessDocumentInfo")?;
    xml.number_if("DocumentInfo", Some(u32::from(content)))?;
    xml.number_if("DocumentReceiver", Some(u32::from(receivers)))?;
    if receivers {
        xml.open("ReceiverList")?;
        let all = added
            .iter()
            .map(|id| (id, 1))
            .chain(removed.iter().map(|id| (id, 0)));
        for (position, (agency, kind)) in (1..).zip(all) {
            xml.open_nth("Receiver", position)?;
            xml.leaf("OrganId", agency.as_str())?;
            xml.number_if("ReceiverType", Some(kind))?;
            xml.close()?;
        }
        xml.close()?;
    }
    xml.close()
}

fn replacements<W: Write>(
    xml: &mut XmlOut<'_, W>,
    replaced: &[Replaced],
) -> Result<(), WriteError> {
    xml.open("ReplacementInfoList")?;
    for (position, document) in (1..).zip(replaced) {
        xml.open_nth("ReplacementInfo", position)?;
        xml.leaf("DocumentId", &document.document_id)?;
        xml.open("OrganIdList")?;
        for (position, holder) in (1..).zip(&document.holders) {
            xml.leaf_nth("OrganId", position, holder.as_str())?;
        }
        xml.close()?;
        xml.close()?;
    }
    xml.close()
}

fn manifest<W: Write>(
    xml: &mut XmlOut<'_, W>,
    packet: &DocumentPacket,
    form: Form,
) -> Result<(), WriteError> {
    xml.open("edXMLBody")?;
    let mut attributes = vec![("version", "1.0")];
    if form == Form::DotNet {
        attributes.push(("xmlns:xlink", "http://www.w3.org/1999/xlink"));
    }
    xml.open_with("edXMLManifest", &attributes)?;
    for (position, attachment) in (1..).zip(&packet.attachments) {
        let cid = format!("cid:{}", attachment.cid);
        let links: &[(&str, &str)] = match form {
            Form::DotNet => &[
                ("xlink:type", "simple"),
                ("xlink:role", "XLinkRole"),
                ("xlink:href", &cid),
            ],
            Form::Java => &[],
        };
        xml.open_nth_with("Reference", position, links)?;
        described(xml, attachment, &cid)?;
        xml.close()?;
    }
    xml.close()?;
    xml.close()
}

/// The fields that a reference and an attachment share.
fn described<W: Write>(
    xml: &mut XmlOut<'_, W>,
    attachment: &AttachmentRef,
    cid: &str,
) -> Result<(), WriteError> {
    xml.leaf("ContentId", cid)?;
    xml.leaf("ContentType", &attachment.mime)?;
    xml.leaf_if("Description", attachment.description.as_deref())?;
    xml.leaf("AttachmentName", &attachment.name)
}

fn encoded<W: Write>(
    xml: &mut XmlOut<'_, W>,
    packet: &DocumentPacket,
    form: Form,
    readers: &mut [impl Read],
) -> Result<(), WriteError> {
    xml.prefixed(false);
    if packet.attachments.is_empty() && !xml.has_extensions("AttachmentEncoded") {
        return Ok(());
    }
    xml.open("AttachmentEncoded")?;
    for (position, (attachment, reader)) in (1..).zip(packet.attachments.iter().zip(readers)) {
        xml.open_nth("Attachment", position)?;
        described(xml, attachment, &format!("cid:{}", attachment.cid))?;
        if form == Form::Java {
            xml.prefixed(true);
            xml.open_with("ContentTransferEncoded", &[("xmlns:edXML", NAMESPACE)])?;
            xml.prefixed(false);
        } else {
            xml.open("ContentTransferEncoded")?;
        }
        content(xml, attachment, reader)?;
        xml.close()?;
        xml.close()?;
    }
    xml.close()
}

fn content<W: Write>(
    xml: &mut XmlOut<'_, W>,
    attachment: &AttachmentRef,
    reader: &mut dyn Read,
) -> Result<(), WriteError> {
    let mut hasher = Sha256::new();
    let mut size = 0_u64;
    let mut seen = |bytes: &[u8]| {
        hasher.update(bytes);
        size = size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    };
    base64_stream::encode(reader, xml.output(), &mut seen).map_err(|error| match error {
        EncodeError::Input(source) => WriteError::Input {
            cid: attachment.cid.clone(),
            source,
        },
        EncodeError::Output(error) => WriteError::Output(error),
    })?;
    let sha256 = Digest::from_bytes(hasher.finalize().into());
    if size == attachment.size && sha256 == attachment.sha256 {
        Ok(())
    } else {
        Err(WriteError::Attachment {
            cid: attachment.cid.clone(),
        })
    }
}
