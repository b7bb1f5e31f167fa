//! Form → packet: writes the edXML of a draft, for people and systems that have fields and files and no
//! packet of their own. Says only what makes writing impossible; everything else is intake's to judge, so
//! that a form and a packet are held to the same rules.

use std::sync::Arc;

use formats::edxml::{
    self, AttachmentRef, Code, Date, DocumentPacket, DocumentType, Fault, Form, Hop, Issued, Org,
    OrganId, OtherInfo, Signer, Trace,
};
use formats::id::AgencyCode;
use formats::time::Timestamp;
use relay::directory::Snapshot;

use crate::body::{Body, BodyReader, TemporaryDirectory};
use crate::desk::{Draft, DraftFile};
use crate::fault::SubmitError;
use crate::packet::fault_view;
use crate::view::FaultView;

/// Writes the packet. Blocking when a file is large.
pub(crate) fn write(
    agency: &AgencyCode,
    draft: &Draft,
    files: &[DraftFile],
    directory: &Snapshot,
    tmp: &Arc<TemporaryDirectory>,
    now: Timestamp,
) -> Result<Body, SubmitError> {
    let packet = packet(agency, draft, files, directory, now).map_err(SubmitError::Faults)?;
    let mut readers = files
        .iter()
        .map(|file| file.body.reader())
        .collect::<Result<Vec<BodyReader>, _>>()?;
    let mut out = tmp.spool(formats::limits::PACKET_BYTES_MAX);
    edxml::write(&packet, Form::DotNet, &mut readers, &mut out)
        .map_err(|error| SubmitError::Internal(error.to_string()))?;
    Ok(out.finish())
}

fn packet(
    agency: &AgencyCode,
    draft: &Draft,
    files: &[DraftFile],
    directory: &Snapshot,
    now: Timestamp,
) -> Result<DocumentPacket, Vec<FaultView>> {
    let mut faults = Vec::new();
    let issued = date(
        &draft.promulgated,
        "MessageHeader/PromulgationInfo/PromulgationDate",
        &mut faults,
    );
    let due = draft
        .due
        .as_deref()
        .filter(|text| !text.is_empty())
        .and_then(|text| date(text, "MessageHeader/DueDate", &mut faults));
    if draft.to.iter().all(|code| code.trim().is_empty()) {
        faults.push(fault_view(&Fault::missing("MessageHeader/To")));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let code = Code {
        number: draft.number.trim().to_owned(),
        notation: draft.notation.trim().to_owned(),
    };
    let document_id = draft
        .local_id
        .clone()
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| {
            let day = issued.map(Date::iso).unwrap_or_default().replace('-', "/");
            format!("{agency},{day},{}", code.joined())
        });
    let to = draft.to.iter().filter(|code| !code.trim().is_empty());
    let hop = Hop {
        organ_id: OrganId::new(agency.as_str()),
        at: Some(now),
    };
    Ok(DocumentPacket {
        from: org(agency.as_str(), directory, now),
        to: to.map(|code| org(code.trim(), directory, now)).collect(),
        code,
        issued: Issued {
            place: filled(&draft.place),
            date: issued,
        },
        doc_type: DocumentType {
            class: Some(draft.type_class.unwrap_or(2)),
            detail: draft.type_detail,
            name: draft.type_name.clone(),
        },
        subject: draft.subject.trim().to_owned(),
        summary: filled(&draft.summary),
        signer: Signer {
            competence: filled(&draft.signer_competence),
            position: filled(&draft.signer_position),
            full_name: draft.signer_name.trim().to_owned(),
        },
        due,
        to_places: draft.to_places.clone(),
        other: OtherInfo {
            priority: draft.priority.map(u32::from),
            ..OtherInfo::default()
        },
        steering: Some(0),
        document_id,
        trace: Trace {
            id: format!("{:016x}", rand::random::<u64>()),
            hops: vec![hop],
        },
        paper: u32::from(draft.paper_follows),
        attachments: files.iter().enumerate().map(attachment).collect(),
        ..DocumentPacket::default()
    })
}

/// Code as written, name of the directory.
pub(crate) fn org(written: &str, directory: &Snapshot, now: Timestamp) -> Org {
    let known = directory.resolve(written, now);
    Org {
        organ_id: OrganId::new(written),
        name: known.map_or_else(|| written.to_owned(), |entry| entry.agency.name.clone()),
        ..Org::default()
    }
}

fn attachment((index, file): (usize, &DraftFile)) -> AttachmentRef {
    AttachmentRef {
        index,
        cid: format!("f{}", index + 1),
        name: file.name.clone(),
        mime: file.mime.clone(),
        description: file.description.clone(),
        size: file.body.bytes(),
        sha256: file.body.digest(),
        implicit_zip: false,
    }
}

fn date(text: &str, path: &str, faults: &mut Vec<FaultView>) -> Option<Date> {
    if text.trim().is_empty() {
        faults.push(fault_view(&Fault::missing(path)));
        return None;
    }
    let parsed = Date::parse(text.trim()).map(|parsed| parsed.value);
    if parsed.is_none() {
        faults.push(fault_view(&Fault::wrong_type(path, text, "yyyy-mm-dd")));
    }
    parsed
}

fn filled(text: &Option<String>) -> Option<String> {
    text.as_ref()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}
