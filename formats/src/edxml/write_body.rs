//! Manifest and attachments; the bytes stream from their readers through base64 [edxml-model 2,
//! rows 4 and 5].
//!
//! Fails when the bytes are not the ones described. Must not know: the header.

use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};

use super::NAMESPACE;
use super::base64_stream::{self, EncodeError};
use super::model::{AttachmentRef, DocumentPacket};
use super::write::{Form, WriteError};
use super::xml_out::XmlOut;
use crate::id::Digest;

pub(super) fn manifest<W: Write>(
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

pub(super) fn encoded<W: Write>(
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
