//! Manifest and attachments, matched by content id [edxml-model 2, rows 4 and 5].
//!
//! The manifest gives the display order; the attachment says what it is. Anything that does not
//! match one to one is E-ATTACH, except that a recall may leave its attachments out. Must not know:
//! bytes (already in the sink).

use std::collections::HashSet;

use super::fields::{Fields, Notes, Parts};
use super::finding::{Fault, shortened};
use super::model::{AttachmentRef, Business};
use super::node::Encoded;
use crate::id::Digest;

struct Listed {
    cid: String,
    name: Option<String>,
    mime: Option<String>,
    description: Option<String>,
    path: String,
}

/// An attachment as it stood, before it is matched with the manifest.
struct Carried {
    attachment: AttachmentRef,
    path: String,
    sound: bool,
}

pub(super) fn read(
    parts: &Parts<'_>,
    business: &Business,
    notes: &mut Notes,
) -> Vec<AttachmentRef> {
    let listed = listed(parts, notes);
    let mut carried = carried(parts, notes);
    report_repeated(
        listed.iter().map(|l| (l.cid.as_str(), l.path.as_str())),
        notes,
    );
    report_repeated(
        carried
            .iter()
            .map(|c| (c.attachment.cid.as_str(), c.path.as_str())),
        notes,
    );

    let mut ordered = Vec::with_capacity(carried.len());
    for reference in listed {
        let found = carried
            .iter()
            .position(|c| c.attachment.cid == reference.cid);
        let Some(found) = found else {
            let recall = matches!(business, Business::Recall { .. });
            if !(recall && parts.encoded.is_none()) {
                let name = shortened(reference.name.as_deref().unwrap_or(&reference.cid));
                notes.faults.push(attach(
                    &reference.path,
                    format!("Thiếu tệp đính kèm \"{name}\" đã khai trong danh mục"),
                    format!("attachment \"{name}\" is listed but not carried"),
                ));
            }
            continue;
        };
        let mut entry = carried.remove(found);
        let attachment = &mut entry.attachment;
        if attachment.name.is_empty() {
            attachment.name = reference.name.unwrap_or_default();
        }
        if attachment.mime.is_empty() {
            attachment.mime = reference.mime.unwrap_or_default();
        }
        if attachment.description.is_none() {
            attachment.description = reference.description;
        }
        if entry.sound {
            ordered.push(entry.attachment);
        }
    }
    for entry in carried {
        let name = shortened(&entry.attachment.name);
        notes.faults.push(attach(
            &entry.path,
            format!("Tệp đính kèm \"{name}\" không có trong danh mục"),
            format!("attachment \"{name}\" is carried but not listed"),
        ));
        if entry.sound {
            ordered.push(entry.attachment);
        }
    }
    for attachment in &mut ordered {
        let zip_name = attachment.name.to_lowercase().ends_with(".zip");
        attachment.implicit_zip &= !zip_name && is_zip(&attachment.mime);
    }
    ordered
}

fn is_zip(mime: &str) -> bool {
    mime.eq_ignore_ascii_case("application/zip")
}

fn attach(path: &str, vi: String, en: String) -> Fault {
    Fault::coded("E-ATTACH", path, vi, en)
}

fn report_repeated<'s>(cids: impl Iterator<Item = (&'s str, &'s str)>, notes: &mut Notes) {
    let mut seen = HashSet::new();
    for (cid, path) in cids {
        if !cid.is_empty() && !seen.insert(cid) {
            let cid = shortened(cid);
            notes.faults.push(attach(
                &format!("{path}/ContentId"),
                format!("Mã tệp đính kèm \"{cid}\" bị trùng"),
                format!("content id \"{cid}\" is used twice"),
            ));
        }
    }
}

fn listed(parts: &Parts<'_>, notes: &mut Notes) -> Vec<Listed> {
    let Some(manifest) = parts.manifest else {
        return Vec::new();
    };
    let mut manifest = Fields::new(manifest, "edXMLManifest");
    manifest.ignore_attribute("version");
    let mut references = Vec::new();
    for mut reference in manifest.children("Reference") {
        reference.ignore_attribute("role");
        reference.ignore_attribute("type");
        let href = reference.attribute("href");
        let cid = reference
            .text(&["ContentId"], notes)
            .or(href)
            .unwrap_or_default();
        references.push(Listed {
            cid: bare_cid(&cid),
            name: reference.text(&["AttachmentName"], notes),
            mime: reference.text(&["ContentType"], notes),
            description: reference.text(&["Description"], notes),
            path: reference.path().to_owned(),
        });
        reference.close(notes);
    }
    manifest.close(notes);
    references
}

fn carried(parts: &Parts<'_>, notes: &mut Notes) -> Vec<Carried> {
    let Some(encoded) = parts.encoded else {
        return Vec::new();
    };
    let mut list = Fields::new(encoded, "AttachmentEncoded");
    let mut attachments = Vec::new();
    for mut fields in list.children("Attachment") {
        let path = fields.path().to_owned();
        let cid = bare_cid(&fields.text(&["ContentId"], notes).unwrap_or_default());
        let name = fields.text(&["AttachmentName"], notes).unwrap_or_default();
        let mime_type = fields.text(&["MimeType"], notes).filter(|m| is_mime(m));
        let content_type = fields.text(&["ContentType"], notes);
        let description = fields.text(&["Description"], notes);
        let outcome = fields.encoded("ContentTransferEncoded", notes);
        fields.close(notes);
        let (index, size, sha256, head, sound) = match outcome {
            Some(Encoded::Decoded {
                index,
                size,
                sha256,
                head,
            }) => (index, size, sha256, head, true),
            Some(Encoded::Undecodable { why }) => {
                let shown = shortened(&name);
                notes.faults.push(attach(
                    &format!("{path}/ContentTransferEncoded"),
                    format!("Không giải mã được tệp đính kèm \"{shown}\""),
                    format!("attachment \"{shown}\" does not decode: {why}"),
                ));
                (0, 0, Digest::of(&[]), [0; 4], false)
            }
            None => {
                notes
                    .faults
                    .push(Fault::missing(&format!("{path}/ContentTransferEncoded")));
                (0, 0, Digest::of(&[]), [0; 4], false)
            }
        };
        let claims_zip = content_type.as_deref().is_some_and(is_zip);
        let attachment = AttachmentRef {
            index,
            cid,
            name,
            // A file that travels zipped is announced as zip in ContentType whatever MimeType says.
            mime: if claims_zip {
                content_type
            } else {
                mime_type.or(content_type)
            }
            .unwrap_or_default(),
            description,
            size,
            sha256,
            implicit_zip: head == *b"PK\x03\x04",
        };
        attachments.push(Carried {
            attachment,
            path,
            sound,
        });
    }
    list.close(notes);
    attachments
}

/// `cid:f1` and `f1` name the same attachment.
fn bare_cid(text: &str) -> String {
    text.strip_prefix("cid:")
        .or_else(|| text.strip_prefix("CID:"))
        .unwrap_or(text)
        .to_owned()
}

fn is_mime(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, rest)| {
        plain(kind) && plain(rest.split(';').next().unwrap_or_default().trim())
    })
}
