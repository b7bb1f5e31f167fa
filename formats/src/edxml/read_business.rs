//! `Bussiness`: what a packet does to a document [edxml-model 2.2].
//!
//! Parts that do not belong to the action stay visible as extensions. A missing reason or target is
//! left empty here and refused by `validate`. Must not know: whether the target exists.

use super::fields::{Fields, Notes};
use super::finding::Fault;
use super::model::{Business, DocumentPacket, Extension, Replaced};
use super::organ::OrganId;
use super::read_document::{organ_id, staff};
use super::xml_out::escaped;

pub(super) fn read(packet: &mut DocumentPacket, mut fields: Fields<'_>, notes: &mut Notes) {
    let code = fields.number(&["BussinessDocType"], notes).unwrap_or(0);
    let reason = fields.text(&["BussinessDocReason"], notes);
    // A replacement names its targets in its list; a single DocumentId there is left as an
    // extension.
    let target = if code == 3 {
        None
    } else {
        fields.text(&["DocumentId"], notes)
    };
    packet.paper = fields.number(&["Paper"], notes).unwrap_or(0);
    packet.staff = fields.child(&["StaffInfo"], notes).map(|f| staff(f, notes));
    packet.business = match code {
        0 => {
            keep_text(&fields, "BussinessDocReason", reason, notes);
            keep_text(&fields, "DocumentId", target, notes);
            Business::New
        }
        1 => Business::Recall {
            target: target.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
        },
        2 => {
            let changes = changes(&mut fields, notes);
            Business::Update {
                target: target.unwrap_or_default(),
                reason: reason.unwrap_or_default(),
                content_changed: changes.content,
                receivers_added: changes.added,
                receivers_removed: changes.removed,
            }
        }
        3 => Business::Replace {
            reason: reason.unwrap_or_default(),
            replaced: replaced(&mut fields, notes),
        },
        code => Business::Other {
            code,
            reason,
            target,
        },
    };
    fields.close(notes);
}

/// A field that a new document has no place for: kept as an element, so that writing gives it back.
fn keep_text(fields: &Fields<'_>, name: &str, text: Option<String>, notes: &mut Notes) {
    if let Some(text) = text {
        notes.extensions.push(Extension {
            place: fields.path().to_owned(),
            xml: format!("<edXML:{name}>{}</edXML:{name}>", escaped(&text)),
        });
    }
}

#[derive(Default)]
struct Changes {
    content: bool,
    added: Vec<OrganId>,
    removed: Vec<OrganId>,
}

// [spec:edxml-17]
fn changes(fields: &mut Fields<'_>, notes: &mut Notes) -> Changes {
    let mut changes = Changes::default();
    let Some(mut info) = fields.child(&["BussinessDocumentInfo"], notes) else {
        return changes;
    };
    changes.content = flag(&mut info, "DocumentInfo", notes).unwrap_or(false);
    let receivers = flag(&mut info, "DocumentReceiver", notes).unwrap_or(false);
    if let Some(mut list) = info.child(&["ReceiverList"], notes) {
        for mut receiver in list.children("Receiver") {
            let agency = organ_id(&mut receiver, notes);
            match flag(&mut receiver, "ReceiverType", notes) {
                Some(true) => changes.added.push(agency),
                Some(false) => changes.removed.push(agency),
                // Added or removed: a guess would change who has the document.
                None => {
                    let path = receiver.at("ReceiverType");
                    let said = notes.faults.iter().any(|fault| fault.path == path);
                    if !said {
                        notes.faults.push(Fault::missing(&path));
                    }
                    changes.removed.push(agency);
                }
            }
            receiver.close(notes);
        }
        list.close(notes);
    }
    let listed = !changes.added.is_empty() || !changes.removed.is_empty();
    if receivers != listed {
        let path = info.at("DocumentReceiver");
        let (found, expected) = if receivers { ("1", "0") } else { ("0", "1") };
        notes.faults.push(Fault::mismatch(&path, found, expected));
    }
    info.close(notes);
    changes
}

/// 0 or 1; anything else is a range fault.
fn flag(fields: &mut Fields<'_>, name: &str, notes: &mut Notes) -> Option<bool> {
    match fields.number(&[name], notes)? {
        0 => Some(false),
        1 => Some(true),
        other => {
            notes
                .faults
                .push(Fault::range(&fields.at(name), &other.to_string(), "0, 1"));
            None
        }
    }
}

fn replaced(fields: &mut Fields<'_>, notes: &mut Notes) -> Vec<Replaced> {
    let Some(mut list) = fields.child(&["ReplacementInfoList"], notes) else {
        return Vec::new();
    };
    let mut documents = Vec::new();
    for mut info in list.children("ReplacementInfo") {
        let document_id = info.text(&["DocumentId"], notes).unwrap_or_default();
        let mut holders = Vec::new();
        if let Some(mut agencies) = info.child(&["OrganIdList"], notes) {
            let codes = agencies.texts("OrganId", notes);
            holders.extend(codes.iter().map(|code| OrganId::new(code)));
            agencies.close(notes);
        }
        info.close(notes);
        documents.push(Replaced {
            document_id,
            holders,
        });
    }
    list.close(notes);
    documents
}
