//! Packets that this desk writes about documents it has: the status that answers a received one, the
//! recall or the update of a sent one. They are made from what is stored, so that the other side finds
//! its document by DocumentId, number and day exactly as they were written; then they are submitted like
//! any other packet and held to the same rules.

use std::sync::Arc;

use formats::edxml::{
    self, Business, Date, DocumentPacket, Form, Hop, Org, OrganId, Packet, RawSignature,
    ResponseFor, Staff, StatusCode, StatusPacket, Trace,
};
use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;

use crate::body::Body;
use crate::compose::org;
use crate::desk::core::Core;
use crate::desk::{RecallDraft, StatusDraft, UpdateDraft};
use crate::fault::SubmitError;
use crate::packet::{self, PacketError, fault_view};
use crate::store::inbox::Owing;
use crate::store::{inbox, ledger};
use crate::view::{FaultView, Phrase};

/// A status about a received document.
pub(crate) fn status_packet(
    about: &Owing,
    code: StatusCode,
    at: Timestamp,
    core: &Core,
) -> StatusPacket {
    let directory = core.station().directory().snapshot();
    let written = &about.facts.sender_code;
    let issuer = if written.is_empty() {
        about.sender.as_str()
    } else {
        written
    };
    let day = about.facts.promulgated.as_deref().and_then(Date::parse);
    StatusPacket {
        from: org(about.agency.as_str(), &directory, at),
        response_for: ResponseFor {
            organ_id: OrganId::new(issuer),
            code: about.facts.code.clone(),
            date: day.map(|parsed| parsed.value),
            document_id: Some(about.local_id.clone()).filter(|id| !id.is_empty()),
        },
        code,
        at: Some(at),
        ..StatusPacket::default()
    }
}

/// The bytes of a status packet.
pub(crate) fn write_status(core: &Core, packet: &StatusPacket) -> Result<Body, SubmitError> {
    let mut out = core.tmp.spool(formats::limits::PACKET_BYTES_MAX);
    edxml::write_status(packet, Form::DotNet, &mut out)
        .map_err(|error| SubmitError::Internal(error.to_string()))?;
    Ok(out.finish())
}

/// The status packet of a draft about a received document.
pub(crate) async fn status(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
    draft: &StatusDraft,
) -> Result<Body, SubmitError> {
    let (code, _padded) = StatusCode::parse(&draft.code);
    if !ANSWERS.contains(&code) {
        let codes: Vec<&str> = ANSWERS.iter().map(StatusCode::as_str).collect();
        let codes = codes.join(", ");
        return Err(one_fault(
            "E-STATUS",
            "code",
            &format!(
                "Mã trạng thái \"{}\" không dùng ở đây; dùng một trong {codes}",
                draft.code
            ),
            &format!(
                "status code \"{}\" has no place here; use one of {codes}",
                draft.code
            ),
        ));
    }
    let about = inbox::answered(&core.reader(), agency, id).await?;
    let mut packet = status_packet(&about, code, core.now(), core);
    let number = filled(&draft.register_number).map(|number| format!("Số đến: {number}"));
    let parts: Vec<String> = [number, filled(&draft.reason)]
        .into_iter()
        .flatten()
        .collect();
    packet.description = Some(parts.join(". ")).filter(|text| !text.is_empty());
    packet.staff = staff(&draft.staff, &draft.department);
    write_status(core, &packet)
}

/// The recall packet of a sent document. Without attachments: it is the reason that travels.
pub(crate) async fn recall(
    core: &Arc<Core>,
    agency: &AgencyCode,
    id: EnvelopeId,
    draft: &RecallDraft,
) -> Result<Body, SubmitError> {
    let (mut packet, _body) = sent_packet(core, agency, id).await?;
    let recipients = ledger::recipients(&core.reader(), id).await?;
    let wanted = named(core, &draft.to)?;
    packet.to = recipients
        .iter()
        .filter(|one| wanted.is_empty() || wanted.contains(&one.code))
        .map(|one| written(core, &packet.to, &one.code))
        .collect();
    if let Some(stranger) = wanted
        .iter()
        .find(|code| recipients.iter().all(|one| one.code != **code))
    {
        return Err(one_fault(
            "E-RECEIVER",
            "to",
            &format!("{stranger} không phải bên nhận của văn bản này"),
            &format!("{stranger} is no recipient of this document"),
        ));
    }
    packet.business = Business::Recall {
        target: packet.document_id.clone(),
        reason: draft.reason.trim().to_owned(),
    };
    packet.attachments = Vec::new();
    packet.staff = staff(&draft.staff, &None).or(packet.staff);
    write(core, packet, Vec::new()).await
}

/// The update packet that changes the recipients of a sent document: the document as it was sent, to
/// those who have it, those who get it and those who should not have it any more.
pub(crate) async fn update(
    core: &Arc<Core>,
    agency: &AgencyCode,
    id: EnvelopeId,
    draft: &UpdateDraft,
) -> Result<Body, SubmitError> {
    let (mut packet, body) = sent_packet(core, agency, id).await?;
    let (add, remove) = (named(core, &draft.add)?, named(core, &draft.remove)?);
    if add.is_empty() && remove.is_empty() {
        return Err(one_fault(
            "E-BUSINESS",
            "add",
            "Chưa ghi bên nhận nào cần thêm hoặc rút; đổi nội dung thì gửi gói tin cập nhật",
            "nobody is added or removed; to change the content send an update packet",
        ));
    }
    for code in &add {
        packet.to.push(written(core, &packet.to, code));
    }
    let mut seen = std::collections::BTreeSet::new();
    packet
        .to
        .retain(|org| seen.insert(org.organ_id.normalised()));
    let codes = |all: &[AgencyCode]| all.iter().map(|code| OrganId::new(code.as_str())).collect();
    packet.business = Business::Update {
        target: packet.document_id.clone(),
        reason: draft.reason.trim().to_owned(),
        content_changed: false,
        receivers_added: codes(&add),
        receivers_removed: codes(&remove),
    };
    packet.staff = staff(&draft.staff, &None).or(packet.staff);
    let files = attachments(core, &mut packet, body).await?;
    write(core, packet, files).await
}

/// The stored packet of a sent document as the model of a new one.
async fn sent_packet(
    core: &Arc<Core>,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<(DocumentPacket, Body), SubmitError> {
    let document = ledger::document(&core.reader(), agency, id).await?;
    let body = core.packets.read(&core.reader(), document.packet).await?;
    let copy = body.clone();
    let packet = blocking(move || packet::parse(&copy)).await?;
    let Packet::Document(mut packet) = packet else {
        return Err(one_fault(
            "E-BUSINESS",
            "id",
            "Đây là gói tin trạng thái; chỉ thu hồi hoặc cập nhật văn bản",
            "this is a status; only documents are recalled or updated",
        ));
    };
    if !matches!(packet.business, Business::New | Business::Replace { .. }) {
        return Err(one_fault(
            "E-BUSINESS",
            "id",
            "Đây là lệnh thu hồi hoặc cập nhật; hãy mở văn bản gốc",
            "this is a recall or an update itself; take the document it is about",
        ));
    }
    let now = core.now();
    packet.trace = Trace {
        id: format!("{:016x}", rand::random::<u64>()),
        hops: vec![Hop {
            organ_id: packet.from.organ_id.clone(),
            at: Some(now),
        }],
    };
    // A signature of the old packet is none of the new one.
    packet.signature = RawSignature::Absent;
    Ok((*packet, body))
}

/// The attachments' bytes, unzipped, in the order of the packet.
async fn attachments(
    core: &Arc<Core>,
    packet: &mut DocumentPacket,
    body: Body,
) -> Result<Vec<Body>, SubmitError> {
    let count = u32::try_from(packet.attachments.len()).unwrap_or(u32::MAX);
    let tmp = Arc::clone(&core.tmp);
    let found = blocking(move || {
        (1..=count)
            .map(|n| packet::extract(&body, n, &tmp))
            .collect::<Result<Vec<_>, _>>()
    })
    .await?;
    let mut files = Vec::with_capacity(found.len());
    for (index, (attachment, found)) in packet.attachments.iter_mut().zip(found).enumerate() {
        let Some((view, file)) = found else {
            return Err(SubmitError::Internal(
                "attachment of a kept packet".to_owned(),
            ));
        };
        attachment.index = index;
        attachment.mime = view.mime;
        attachment.size = file.bytes();
        attachment.sha256 = file.digest();
        attachment.implicit_zip = false;
        files.push(file);
    }
    Ok(files)
}

async fn write(
    core: &Arc<Core>,
    packet: DocumentPacket,
    files: Vec<Body>,
) -> Result<Body, SubmitError> {
    let tmp = Arc::clone(&core.tmp);
    blocking(move || {
        let mut readers = files
            .iter()
            .map(Body::reader)
            .collect::<Result<Vec<_>, _>>()?;
        let mut out = tmp.spool(formats::limits::PACKET_BYTES_MAX);
        edxml::write(&packet, Form::DotNet, &mut readers, &mut out)
            .map_err(std::io::Error::other)?;
        Ok(out.finish())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PacketError> + Send + 'static,
) -> Result<T, SubmitError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| SubmitError::Internal(error.to_string()))?
        .map_err(|error| match error {
            PacketError::Faults(faults) => SubmitError::Faults(faults),
            PacketError::Disk(error) => error.into(),
        })
}

/// Codes or aliases as the directory knows them.
fn named(core: &Core, written: &[String]) -> Result<Vec<AgencyCode>, SubmitError> {
    let directory = core.station().directory().snapshot();
    let mut codes = Vec::new();
    let mut faults = Vec::new();
    for text in written.iter().filter(|text| !text.trim().is_empty()) {
        match directory.resolve(text.trim(), core.now()) {
            Some(entry) => codes.push(entry.agency.code.clone()),
            None => faults.push(fault(
                "E-RECEIVER",
                "to",
                &format!("{text}: không có trong danh bạ"),
                &format!("{text} is not in the directory"),
            )),
        }
    }
    if faults.is_empty() {
        Ok(codes)
    } else {
        Err(SubmitError::Faults(faults))
    }
}

/// A recipient as the packet wrote it, else by the directory.
fn written(core: &Core, to: &[Org], code: &AgencyCode) -> Org {
    let directory = core.station().directory().snapshot();
    let now = core.now();
    let same = |org: &&Org| {
        directory
            .resolve(org.organ_id.as_str(), now)
            .is_some_and(|entry| entry.agency.code == *code)
    };
    to.iter()
        .find(same)
        .cloned()
        .unwrap_or_else(|| org(code.as_str(), &directory, now))
}

fn staff(name: &Option<String>, department: &Option<String>) -> Option<Staff> {
    let (name, department) = (filled(name), filled(department));
    (name.is_some() || department.is_some()).then(|| Staff {
        department,
        name,
        ..Staff::default()
    })
}

fn filled(text: &Option<String>) -> Option<String> {
    text.as_ref()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn fault(code: &str, path: &str, vi: &str, en: &str) -> FaultView {
    fault_view(&edxml::Fault::coded(code, path, vi, en))
}

fn one_fault(code: &str, path: &str, vi: &str, en: &str) -> SubmitError {
    SubmitError::Faults(vec![FaultView {
        code: code.to_owned(),
        path: path.to_owned(),
        text: Phrase::new(vi, en),
    }])
}

/// What a recipient says; 01 is the node's, 13 the sender's.
const ANSWERS: [StatusCode; 7] = [
    StatusCode::Refused,
    StatusCode::Accepted,
    StatusCode::Assigned,
    StatusCode::InProgress,
    StatusCode::Completed,
    StatusCode::Agreed,
    StatusCode::Declined,
];
