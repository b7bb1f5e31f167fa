//! `tram edxml new` and `tram edxml status`: packets from a description, written only when they are
//! acceptable. What a network would add (names of the directory, the sender's key) is the caller's to give.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use formats::edxml::{
    self, AttachmentRef, Business, Code, Date, DocumentPacket, DocumentType, Form, Hop, Issued,
    Org, OrganId, OtherInfo, Packet, Replaced, ResponseFor, Signer, Staff, StatusCode,
    StatusPacket, Trace, Validation, validate,
};
use formats::id::Digest;
use formats::time::Timestamp;
use relay::clock::Clock;
use sha2::{Digest as _, Sha256};

use super::args::{Dialect, NewPacket, NewStatus};
use super::edxml::{output, read};
use super::show::safe;
use super::{Desk, Exit, Failure};
use crate::client::mime;
use crate::screen::words::Lang;

/// Writes a document packet.
pub(super) fn document(desk: &mut Desk<'_>, new: &NewPacket) -> Result<Exit, Failure> {
    let now = Clock::system().now();
    let packet = describe(new, desk.lang, now)?;
    let found = validate::document(&packet, today(now, desk.lang)?);
    if !tell(desk, &found)? {
        return Ok(Exit::No);
    }
    let mut readers = new
        .files
        .iter()
        .map(|path| File::open(path).map_err(at(path)))
        .collect::<Result<Vec<File>, Failure>>()?;
    let mut out = output(desk, &new.output)?;
    let written = edxml::write(&packet, form(new.dialect), &mut readers, &mut out);
    finish(written, out, &new.output)
}

/// Writes a status packet that answers a received one.
pub(super) fn status(desk: &mut Desk<'_>, new: &NewStatus) -> Result<Exit, Failure> {
    let now = Clock::system().now();
    let lang = desk.lang;
    let answered = read(&new.of)?;
    let Some(Packet::Document(original)) = answered.packet.map(|found| found.packet) else {
        return Err(Failure::Usage(lang.pick(
            "--of phải là gói tin văn bản đọc được",
            "--of must be a document packet that can be read",
        )));
    };
    let (code, _padded) = StatusCode::parse(&new.code);
    if matches!(code, StatusCode::Other(_)) {
        let known: Vec<&str> = StatusCode::KNOWN.iter().map(StatusCode::as_str).collect();
        let known = known.join(", ");
        return Err(Failure::Usage(lang.pick(
            &format!("--code là một trong {known}"),
            &format!("--code is one of {known}"),
        )));
    }
    let from = organ(&new.from);
    let packet = StatusPacket {
        from,
        response_for: ResponseFor {
            organ_id: original.from.organ_id.clone(),
            code: original.code.joined(),
            date: original.issued.date,
            document_id: Some(original.document_id.clone()),
        },
        code,
        description: new.note.clone(),
        at: Some(now),
        staff: new.staff.as_ref().map(|name| Staff {
            name: Some(name.clone()),
            department: new.department.clone(),
            ..Staff::default()
        }),
        ..StatusPacket::default()
    };
    let receivers: Vec<OrganId> = original.to.iter().map(|org| org.organ_id.clone()).collect();
    let sender = &original.from.organ_id;
    if let Some(fault) = validate::status_party(&packet, sender, &receivers, |_, _| false) {
        return Err(Failure::Usage(lang.pick(&fault.vi, &fault.en)));
    }
    let found = validate::status(&packet, today(now, lang)?);
    if !tell(desk, &found)? {
        return Ok(Exit::No);
    }
    let mut out = output(desk, &new.output)?;
    let written = edxml::write_status(&packet, form(new.dialect), &mut out);
    finish(written, out, &new.output)
}

fn describe(new: &NewPacket, lang: Lang, now: Timestamp) -> Result<DocumentPacket, Failure> {
    let from = organ(&new.from);
    let (number, notation) = new.number.split_once('/').unwrap_or((&new.number, ""));
    let code = Code {
        number: number.trim().to_owned(),
        notation: notation.trim().to_owned(),
    };
    let issued = match &new.date {
        Some(text) => day(text, lang)?,
        None => today(now, lang)?,
    };
    let document_id = new.document_id.clone().unwrap_or_else(|| {
        let day = issued.iso().replace('-', "/");
        format!("{},{day},{}", from.organ_id, code.joined())
    });
    let hop = Hop {
        organ_id: from.organ_id.clone(),
        at: Some(now),
    };
    let attachments = (0..)
        .zip(&new.files)
        .map(|(index, path)| attachment(index, path))
        .collect::<Result<_, _>>()?;
    Ok(DocumentPacket {
        from,
        to: new.to.iter().map(|text| organ(text)).collect(),
        code,
        issued: Issued {
            place: new.place.clone(),
            date: Some(issued),
        },
        doc_type: DocumentType {
            class: Some(2),
            detail: None,
            name: new.kind.clone(),
        },
        subject: new.subject.trim().to_owned(),
        signer: Signer {
            full_name: new.signer.trim().to_owned(),
            position: new.position.clone(),
            competence: None,
        },
        due: new.due.as_deref().map(|text| day(text, lang)).transpose()?,
        other: OtherInfo {
            priority: new.priority.map(u32::from),
            ..OtherInfo::default()
        },
        steering: Some(0),
        document_id,
        trace: Trace {
            id: format!("{:016x}", rand::random::<u64>()),
            hops: vec![hop],
        },
        business: business(new),
        paper: u32::from(new.paper),
        attachments,
        ..DocumentPacket::default()
    })
}

fn business(new: &NewPacket) -> Business {
    let reason = new.reason.clone().unwrap_or_default();
    let codes = |texts: &[String]| {
        texts
            .iter()
            .map(|text| OrganId::new(text))
            .collect::<Vec<_>>()
    };
    if let Some(target) = &new.recall {
        return Business::Recall {
            target: target.clone(),
            reason,
        };
    }
    if let Some(target) = &new.update {
        return Business::Update {
            target: target.clone(),
            reason,
            content_changed: new.add.is_empty() && new.remove.is_empty() || new.content_changed,
            receivers_added: codes(&new.add),
            receivers_removed: codes(&new.remove),
        };
    }
    if new.replace.is_empty() {
        return Business::New;
    }
    let holders: Vec<OrganId> = if new.holder.is_empty() {
        new.to.iter().map(|text| organ(text).organ_id).collect()
    } else {
        codes(&new.holder)
    };
    let replaced = new.replace.iter().map(|document_id| Replaced {
        document_id: document_id.clone(),
        holders: holders.clone(),
    });
    Business::Replace {
        reason,
        replaced: replaced.collect(),
    }
}

/// `CODE` or `CODE=NAME`.
fn organ(text: &str) -> Org {
    let (code, name) = text.split_once('=').unwrap_or((text, ""));
    let name = if name.trim().is_empty() { code } else { name };
    Org {
        organ_id: OrganId::new(code.trim()),
        name: name.trim().to_owned(),
        ..Org::default()
    }
}

/// Size and digest of a file that is attached.
fn attachment(index: usize, path: &Path) -> Result<AttachmentRef, Failure> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut size = 0_u64;
    loop {
        let count = file.read(&mut buffer).map_err(at(path))?;
        if count == 0 {
            break;
        }
        hash.update(buffer.get(..count).unwrap_or(&buffer));
        size += u64::try_from(count).unwrap_or(0);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(AttachmentRef {
        index,
        cid: format!("f{}", index + 1),
        mime: mime(&name).to_owned(),
        name: name.into_owned(),
        description: None,
        size,
        sha256: Digest::from_bytes(hash.finalize().into()),
        implicit_zip: false,
    })
}

fn today(now: Timestamp, lang: Lang) -> Result<Date, Failure> {
    Date::in_vietnam(now).ok_or_else(|| {
        Failure::Usage(lang.pick(
            "đồng hồ máy không có ngày hợp lệ",
            "the clock shows no valid day",
        ))
    })
}

/// `dd/mm/yyyy`, `yyyy-mm-dd` or `yyyy/mm/dd`.
fn day(text: &str, lang: Lang) -> Result<Date, Failure> {
    Date::parse(text.trim())
        .map(|parsed| parsed.value)
        .ok_or_else(|| {
            Failure::Usage(lang.pick(
                &format!("“{text}” không phải ngày dd/mm/yyyy"),
                &format!("“{text}” is no day dd/mm/yyyy"),
            ))
        })
}

/// Prints what was found; whether the packet may be written.
fn tell(desk: &mut Desk<'_>, found: &Validation) -> Result<bool, Failure> {
    let lang = desk.lang;
    for fault in &found.faults {
        let text = lang.pick(&fault.vi, &fault.en);
        let mark = lang.pick("LỖI", "ERROR");
        desk.remark(format!("{mark} {} {}", fault.code, safe(&text)))?;
    }
    for warning in &found.warnings {
        let text = lang.pick(&warning.vi, &warning.en);
        let mark = lang.pick("lưu ý", "note");
        desk.remark(format!("{mark} {} {}", warning.code, safe(&text)))?;
    }
    if !found.is_acceptable() {
        desk.remark(lang.pick(
            "Không ghi tệp: sửa các lỗi trên rồi chạy lại",
            "nothing is written: mend the errors above and run it again",
        ))?;
    }
    Ok(found.is_acceptable())
}

const fn form(dialect: Dialect) -> Form {
    match dialect {
        Dialect::Dotnet => Form::DotNet,
        Dialect::Java => Form::Java,
    }
}

fn finish(
    written: Result<(), edxml::WriteError>,
    mut out: Box<dyn std::io::Write + '_>,
    path: &Path,
) -> Result<Exit, Failure> {
    let written = written
        .map_err(std::io::Error::other)
        .and_then(|()| out.flush());
    drop(out);
    match written {
        Ok(()) => Ok(Exit::Ok),
        Err(source) => {
            // Half a packet is worse than none.
            if path.as_os_str() != "-" {
                drop(std::fs::remove_file(path));
            }
            Err(at(path)(source))
        }
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    |source| Failure::File {
        path: path.display().to_string(),
        source,
    }
}
