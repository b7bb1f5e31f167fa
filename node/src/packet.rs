//! Reading a packet at this desk: one pass that parses, hashes and looks for zipped attachments, in
//! constant memory. The same reading serves intake, opening and the extraction of one attachment.
//!
//! Fails with the faults of the packet, or with an error of the disk. Knows edXML and bodies; nothing
//! of agencies, keys or the store.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use formats::edxml::{
    self, AttachmentRef, AttachmentSink, Business, DocumentPacket, Ended, Fault, Limits, ReadError,
    StatusPacket, Validation, Warning, implicit_zip, implicit_zip::InflateError, safe_file_names,
    validate,
};
use formats::limits::PACKET_BYTES_MAX;
use pki::sign::{HashAlgorithm, PacketDigest, PacketHasher};

use crate::body::{Body, Spool, TemporaryDirectory};
use crate::view::{AttachmentView, FaultView, PacketFacts, Phrase};

/// A packet that was read to its end.
#[derive(Debug)]
pub(crate) struct ReadPacket {
    pub(crate) packet: edxml::Packet,
    pub(crate) digest: PacketDigest,
    pub(crate) attachments: Vec<AttachmentView>,
    /// Attachments that cannot be unzipped.
    pub(crate) faults: Vec<FaultView>,
}

/// Why a packet was not read.
#[derive(Debug)]
pub(crate) enum PacketError {
    /// The file is to blame.
    Faults(Vec<FaultView>),
    /// The disk is to blame.
    Disk(io::Error),
}

impl From<io::Error> for PacketError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Reads, hashes and describes a packet. Blocking; `hash` is the digest of the signature in question.
pub(crate) fn read(
    body: &Body,
    hash: HashAlgorithm,
    tmp: &Arc<TemporaryDirectory>,
) -> Result<ReadPacket, PacketError> {
    let mut tee = Tee {
        inner: body.reader()?,
        hasher: PacketHasher::new(hash),
    };
    let mut zipped = Zipped {
        tmp,
        limits: limits(),
        current: None,
        kept: BTreeMap::new(),
    };
    let read = edxml::read(buffered(&mut tee), &mut zipped, &limits());
    let packet = read.map_err(read_fault)?;
    // The parser may stop before trailing blanks; the digest covers the whole file.
    io::copy(&mut tee, &mut io::sink())?;
    let digest = tee.hasher.finish().map_err(|error| {
        let fault = Fault::coded(
            "E-XML",
            "",
            "Tệp không phải gói tin edXML",
            error.to_string(),
        );
        PacketError::Faults(vec![fault_view(&fault)])
    })?;
    let mut faults = Vec::new();
    let mut attachments = Vec::new();
    let names = safe_file_names(references(&packet).iter().map(|one| one.name.as_str()));
    for ((at, reference), name) in references(&packet).iter().enumerate().zip(names) {
        let view = describe(at, reference, name, &zipped.kept, tmp, &mut faults)?;
        attachments.push(view);
    }
    Ok(ReadPacket {
        packet,
        digest,
        attachments,
        faults,
    })
}

/// Reads a packet without its attachments' bytes. Blocking.
pub(crate) fn parse(body: &Body) -> Result<edxml::Packet, PacketError> {
    edxml::read(buffered(body.reader()?), &mut edxml::NullSink, &limits()).map_err(read_fault)
}

/// Extracts attachment `n` (from 1), unzipped if it is implicitly zipped. Blocking.
pub(crate) fn extract(
    body: &Body,
    n: u32,
    tmp: &Arc<TemporaryDirectory>,
) -> Result<Option<(AttachmentView, Body)>, PacketError> {
    let limits = limits();
    // The index in the file is known only from the references, which may stand after the bytes.
    let packet =
        edxml::read(buffered(body.reader()?), &mut edxml::NullSink, &limits).map_err(read_fault)?;
    let at = usize::try_from(n).unwrap_or(usize::MAX).checked_sub(1);
    let references = references(&packet);
    let Some((at, reference)) = at.and_then(|at| references.get(at).map(|found| (at, found)))
    else {
        return Ok(None);
    };
    let names = safe_file_names(references.iter().map(|one| one.name.as_str()));
    let name = names.into_iter().nth(at).unwrap_or_default();
    let mut one = One {
        index: reference.index,
        tmp,
        spool: None,
        done: None,
    };
    edxml::read(buffered(body.reader()?), &mut one, &limits).map_err(read_fault)?;
    let Some(raw) = one.done else { return Ok(None) };
    let kept = BTreeMap::from([(reference.index, raw.clone())]);
    let mut faults = Vec::new();
    let view = describe(at, reference, name, &kept, tmp, &mut faults)?;
    if !faults.is_empty() {
        return Err(PacketError::Faults(faults));
    }
    let inflated = if view.zipped {
        inflate(&raw, tmp)?.map_err(PacketError::Faults)?
    } else {
        None
    };
    Ok(Some((view, inflated.unwrap_or(raw))))
}

fn describe(
    at: usize,
    reference: &AttachmentRef,
    file_name: String,
    kept: &BTreeMap<usize, Body>,
    tmp: &Arc<TemporaryDirectory>,
    faults: &mut Vec<FaultView>,
) -> Result<AttachmentView, PacketError> {
    let mut view = AttachmentView {
        n: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1),
        name: reference.name.clone(),
        file_name,
        mime: reference.mime.clone(),
        description: reference.description.clone(),
        bytes: reference.size,
        sha256: reference.sha256.to_string(),
        zipped: false,
        signatures: None,
    };
    if let (true, Some(raw)) = (reference.implicit_zip, kept.get(&reference.index)) {
        match inflate(raw, tmp)? {
            Ok(None) => {}
            Ok(Some(file)) => {
                view.zipped = true;
                view.bytes = file.bytes();
                view.sha256 = file.digest().to_string();
                view.mime = mime_of(&view.file_name).to_owned();
            }
            Err(more) => faults.extend(more),
        }
    }
    Ok(view)
}

fn references(packet: &edxml::Packet) -> &[AttachmentRef] {
    match packet {
        edxml::Packet::Document(document) => &document.attachments,
        edxml::Packet::Status(_) => &[],
    }
}

/// The media type of the file inside an implicit zip: the packet names only the zip's.
fn mime_of(file_name: &str) -> &'static str {
    let extension = file_name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "jpeg" | "jpg" => "image/jpeg",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "txt" => "text/plain",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

/// Inflates an implicit zip; faults are the packet's, `NotSingle` archives are ordinary attachments.
fn inflate(
    raw: &Body,
    tmp: &Arc<TemporaryDirectory>,
) -> Result<Result<Option<Body>, Vec<FaultView>>, PacketError> {
    let limits = limits();
    let mut out = tmp.spool(limits.attachment_bytes);
    Ok(
        match implicit_zip::inflate(raw.reader()?, &mut out, &limits) {
            Ok(_) => Ok(Some(out.finish())),
            Err(InflateError::NotSingle(_)) => Ok(None),
            Err(InflateError::Output(error)) => return Err(error.into()),
            Err(error @ (InflateError::Bomb { .. } | InflateError::Damaged(_))) => {
                let fault = Fault::coded(
                    "E-ATTACH",
                    "AttachmentEncoded/Attachment",
                    "Tệp đính kèm nén không giải nén được hoặc quá lớn",
                    error.to_string(),
                );
                Err(vec![fault_view(&fault)])
            }
        },
    )
}

/// Every fault and warning of a packet, on this day in Viet Nam.
pub(crate) fn judge(packet: &edxml::Packet, now: formats::time::Timestamp) -> Validation {
    // `None` only for years that no clock of ours shows.
    let Some(today) = edxml::Date::in_vietnam(now) else {
        return Validation::default();
    };
    match packet {
        edxml::Packet::Document(document) => validate::document(document, today),
        edxml::Packet::Status(status) => validate::status(status, today),
    }
}

/// What the packet says about itself, for lists and pages.
pub(crate) fn facts(packet: &edxml::Packet) -> PacketFacts {
    match packet {
        edxml::Packet::Document(document) => document_facts(document),
        edxml::Packet::Status(status) => status_facts(status),
    }
}

fn document_facts(packet: &DocumentPacket) -> PacketFacts {
    let business_reason = match &packet.business {
        Business::New => None,
        Business::Recall { reason, .. }
        | Business::Update { reason, .. }
        | Business::Replace { reason, .. } => Some(reason.clone()),
        Business::Other { reason, .. } => reason.clone(),
    };
    PacketFacts {
        code: packet.code.joined(),
        subject: packet.subject.clone(),
        summary: packet.summary.clone(),
        type_name: packet.doc_type.name.clone(),
        priority: u8::try_from(packet.other.priority.unwrap_or(0).min(4)).unwrap_or(0),
        promulgated: packet.issued.date.map(edxml::Date::iso),
        place: packet.issued.place.clone(),
        due: packet.due.map(edxml::Date::iso),
        signer_name: Some(packet.signer.full_name.clone()).filter(|name| !name.is_empty()),
        signer_position: packet.signer.position.clone(),
        sender_name: packet.from.name.clone(),
        sender_code: packet.from.organ_id.as_str().to_owned(),
        business_targets: match &packet.business {
            Business::New => Vec::new(),
            Business::Recall { target, .. } | Business::Update { target, .. } => {
                vec![target.clone()]
            }
            Business::Replace { replaced, .. } => {
                replaced.iter().map(|old| old.document_id.clone()).collect()
            }
            Business::Other { target, .. } => target.iter().cloned().collect(),
        },
        business: u8::try_from(packet.business.code()).unwrap_or(u8::MAX),
        business_reason,
        paper_follows: packet.paper > 0,
        to_places: packet.to_places.clone(),
        status_code: None,
        response_for: packet.response_for.iter().map(answered).collect(),
    }
}

fn status_facts(packet: &StatusPacket) -> PacketFacts {
    PacketFacts {
        code: packet.response_for.code.clone(),
        subject: packet
            .description
            .clone()
            .unwrap_or_else(|| packet.code.vi().to_owned()),
        type_name: packet.code.vi().to_owned(),
        sender_name: packet.from.name.clone(),
        sender_code: packet.from.organ_id.as_str().to_owned(),
        status_code: Some(packet.code.as_str().to_owned()),
        response_for: vec![answered(&packet.response_for)],
        ..PacketFacts::default()
    }
}

fn answered(response: &edxml::ResponseFor) -> String {
    response
        .document_id
        .clone()
        .unwrap_or_else(|| response.code.clone())
}

/// The natural key without sender and recipient (architecture 4).
pub(crate) fn natural_key(packet: &edxml::Packet) -> String {
    match packet {
        edxml::Packet::Document(document) => {
            format!("d|{}|{}", document.business.code(), document.document_id)
        }
        edxml::Packet::Status(status) => {
            let at = status.at.map_or(0, formats::time::Timestamp::unix_ms);
            format!(
                "s|{}|{at}|{}",
                status.code.as_str(),
                answered(&status.response_for)
            )
        }
    }
}

/// Warnings and faults in the shape of the views.
pub(crate) fn fault_view(fault: &Fault) -> FaultView {
    FaultView {
        code: fault.code.clone(),
        path: fault.path.clone(),
        text: Phrase::new(&*fault.vi, &*fault.en),
    }
}

/// A warning in the shape of the views.
pub(crate) fn warning_view(warning: &Warning) -> FaultView {
    FaultView {
        code: warning.code.to_owned(),
        path: warning.path.clone(),
        text: Phrase::new(&*warning.vi, &*warning.en),
    }
}

fn read_fault(error: ReadError) -> PacketError {
    match error.code() {
        Some(code) => PacketError::Faults(vec![FaultView {
            code: code.to_owned(),
            path: String::new(),
            text: Phrase::new(error.vi(), error.to_string()),
        }]),
        None => PacketError::Disk(io::Error::other(error)),
    }
}

fn buffered<R: Read>(inner: R) -> BufReader<R> {
    BufReader::with_capacity(READ_BYTES, inner)
}

/// Hashes what passes.
struct Tee<R> {
    inner: R,
    hasher: PacketHasher,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.hasher.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Keeps the bytes of attachments that begin like a zip; lets all others pass.
struct Zipped<'a> {
    tmp: &'a Arc<TemporaryDirectory>,
    limits: Limits,
    current: Option<Spool>,
    kept: BTreeMap<usize, Body>,
}

impl AttachmentSink for Zipped<'_> {
    fn begin(&mut self, _index: usize) -> io::Result<()> {
        self.current = Some(self.tmp.spool(self.limits.attachment_bytes));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(spool) = &mut self.current else {
            return Ok(());
        };
        let known = spool.bytes();
        // Pieces shorter than the mark are rare; then the reader's own flag decides at the end.
        let looks_zipped =
            known > 0 || bytes.len() < ZIP_START.len() || bytes.starts_with(ZIP_START);
        if looks_zipped {
            return spool.push(bytes);
        }
        self.current = None;
        Ok(())
    }

    fn end(&mut self, ended: Ended) -> io::Result<()> {
        if let Some(spool) = self.current.take() {
            self.kept.insert(ended.index, spool.finish());
        }
        Ok(())
    }

    fn discard(&mut self, _index: usize) -> io::Result<()> {
        self.current = None;
        Ok(())
    }
}

/// Keeps the bytes of one attachment.
struct One<'a> {
    index: usize,
    tmp: &'a Arc<TemporaryDirectory>,
    spool: Option<Spool>,
    done: Option<Body>,
}

impl AttachmentSink for One<'_> {
    fn begin(&mut self, index: usize) -> io::Result<()> {
        let wanted = index == self.index;
        self.spool = wanted.then(|| self.tmp.spool(limits().attachment_bytes));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.spool
            .as_mut()
            .map_or(Ok(()), |spool| spool.push(bytes))
    }

    fn end(&mut self, _ended: Ended) -> io::Result<()> {
        if let Some(spool) = self.spool.take() {
            self.done = Some(spool.finish());
        }
        Ok(())
    }

    fn discard(&mut self, _index: usize) -> io::Result<()> {
        self.spool = None;
        Ok(())
    }
}

/// Attachments may fill the largest packet; the disk and the packet's own limit bound them.
fn limits() -> Limits {
    Limits {
        attachment_bytes: PACKET_BYTES_MAX,
        attachments_bytes: PACKET_BYTES_MAX,
        ..Limits::default()
    }
}

const ZIP_START: &[u8] = b"PK\x03\x04";
const READ_BYTES: usize = 64 * 1024;
