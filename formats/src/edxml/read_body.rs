//! Manifest and attachments, matched by content id [edxml-model 2, rows 4 and 5].
//!
//! The manifest gives the display order; the attachment says what it is. Anything that does not
//! match one to one is E-ATTACH, except that a recall may leave its attachments out. Must not know:
//! bytes (already in the sink).

use std::collections::HashSet;

use super::fields::{Fields, Notes, Parts};
use super::finding::{Fault, Warning, shortened};
use super::model::{AttachmentRef, Business};
use super::node::Encoded;
use super::sniff::{self, Content};
use super::text::same;
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
    head: Vec<u8>,
}

// [spec:edxml-19]
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
        } else if let Some(listed) = reference.name.filter(|name| !same(name, &attachment.name)) {
            let (listed, name) = (shortened(&listed), shortened(&attachment.name));
            notes.warnings.push(Warning::new(
                "W-ATTACH",
                &format!("{}/AttachmentName", entry.path),
                format!("Tên tệp \"{name}\" khác với tên trong danh mục \"{listed}\""),
                format!("the name \"{name}\" differs from \"{listed}\" in the manifest"),
            ));
        }
        if attachment.mime.is_empty() {
            attachment.mime = reference.mime.unwrap_or_default();
        }
        if attachment.description.is_none() {
            attachment.description = reference.description;
        }
        settle(entry, &mut ordered, notes);
    }
    for entry in carried {
        let name = shortened(&entry.attachment.name);
        notes.faults.push(attach(
            &entry.path,
            format!("Tệp đính kèm \"{name}\" không có trong danh mục"),
            format!("attachment \"{name}\" is carried but not listed"),
        ));
        settle(entry, &mut ordered, notes);
    }
    ordered
}

/// Takes a sound attachment over; everything that its bytes say against its type is a warning.
// [spec:edxml-23]
fn settle(mut entry: Carried, ordered: &mut Vec<AttachmentRef>, notes: &mut Notes) {
    if !entry.sound {
        return;
    }
    let attachment = &mut entry.attachment;
    let zip_name = attachment.name.to_lowercase().ends_with(".zip");
    attachment.implicit_zip &= !zip_name && is_zip(&attachment.mime);
    let path = format!("{}/ContentType", entry.path);
    let mime = shortened(&attachment.mime);
    if let Some(registered) = sniff::registered(&attachment.mime) {
        notes.warnings.push(Warning::new(
            "W-MIME",
            &path,
            format!("Kiểu tệp \"{mime}\" không có trong danh mục IANA, kiểu đúng là {registered}"),
            format!("\"{mime}\" is no registered type, the registered one is {registered}"),
        ));
    }
    let content = sniff::content_of(&entry.head);
    let fits = |promised: Option<&[Content]>| {
        promised.is_none_or(|promised| content.is_some_and(|content| promised.contains(&content)))
    };
    // The name of an implicit zip speaks of the file inside.
    let named = attachment.implicit_zip || fits(sniff::promised_by_name(&attachment.name));
    let typed = fits(sniff::promised(&attachment.mime, &attachment.name));
    if content == Some(Content::Executable) || !named || !typed {
        let found = content.map_or("?", Content::name);
        let name = shortened(&attachment.name);
        notes.warnings.push(Warning::new(
            "W-MIME",
            &path,
            format!(
                "Nội dung tệp \"{name}\" ({found}) không đúng kiểu \"{mime}\" hoặc phần mở rộng"
            ),
            format!("\"{name}\" holds {found}, not what its type \"{mime}\" or its name says"),
        ));
    }
    ordered.push(entry.attachment);
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
        // Stays among the extensions, so that it is written back.
        let mime_type = fields.seen("MimeType").filter(|m| is_mime(m));
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
                (0, 0, Digest::of(&[]), Vec::new(), false)
            }
            None => {
                let shown = shortened(&name);
                notes.faults.push(attach(
                    &format!("{path}/ContentTransferEncoded"),
                    format!("Tệp đính kèm \"{shown}\" không có nội dung"),
                    format!("attachment \"{shown}\" has no content"),
                ));
                (0, 0, Digest::of(&[]), Vec::new(), false)
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
            implicit_zip: head.starts_with(b"PK\x03\x04"),
        };
        attachments.push(Carried {
            attachment,
            path,
            sound,
            head,
        });
    }
    list.close(notes);
    attachments
}

/// `cid:f1`, `CID: f1` and `f1` name the same attachment.
fn bare_cid(text: &str) -> String {
    let text = text.trim();
    let scheme = text
        .split_at_checked(4)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("cid:"));
    scheme.map_or(text, |(_, rest)| rest.trim()).to_owned()
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
