//! Writing packets, byte-stable, attachments streamed [edxml-model 1, 2, 3].
//!
//! The literal prefix `edXML:` is always written inside the envelope, because known consumers
//! search tags by that string. Writing does not judge: call `validate` first. Fails
//! ([`WriteError`]) when XML cannot carry the content, when attachment bytes are not the ones
//! described, or when input or output fail; what was written until then is to be thrown away. Must
//! not know: clocks, random ids (`Trace::id` is the caller's).

use std::io::{self, Read, Write};

use super::NAMESPACE;
use super::date;
use super::model::{DocumentPacket, OtherInfo, RawSignature, ResponseFor, Staff, StatusPacket};
use super::organ::Org;
use super::write_body::{encoded, manifest};
use super::write_business::trace_header_list;
use super::xml_out::XmlOut;
use crate::time::Timestamp;

/// Which library's habits the output follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Order 1.1…1.14, `xlink` attributes in the manifest; reported as accepted by the national
    /// axis.
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
// [spec:edxml-6]
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

pub(super) fn timestamp<W: Write>(
    xml: &mut XmlOut<'_, W>,
    at: Option<Timestamp>,
) -> Result<(), WriteError> {
    let Some(at) = at else {
        return xml.leaf("Timestamp", "");
    };
    let text = date::format_timestamp(at).ok_or_else(|| WriteError::Time {
        place: "Timestamp".to_owned(),
    })?;
    xml.leaf("Timestamp", &text)
}

pub(super) fn staff_info<W: Write>(
    xml: &mut XmlOut<'_, W>,
    staff: Option<&Staff>,
) -> Result<(), WriteError> {
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
