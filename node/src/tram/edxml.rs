//! `tram edxml`: look at packets, check them and write them, without any node.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use formats::edxml::{Business, DocumentPacket, Org, Packet, Staff, StatusPacket, codes};
use relay::clock::Clock;
use serde_json::json;

use super::args::Edxml;
use super::edxml_make;
use super::show::safe;
use super::{Desk, Exit, Failure};
use crate::lint::{self, Report};
use crate::packet;
use crate::view::Level;

pub(super) fn run(desk: &mut Desk<'_>, what: Edxml) -> Result<Exit, Failure> {
    match what {
        Edxml::Lint { file } => lint(desk, &file),
        Edxml::New(new) => edxml_make::document(desk, &new),
        Edxml::Show { file } => show(desk, &file),
        Edxml::Status(status) => edxml_make::status(desk, &status),
    }
}

pub(super) fn read(path: &Path) -> Result<lint::Read, Failure> {
    lint::read(path, Clock::system().now()).map_err(|source| Failure::File {
        path: path.display().to_string(),
        source,
    })
}

fn lint(desk: &mut Desk<'_>, path: &Path) -> Result<Exit, Failure> {
    let report = read(path)?.report;
    if desk.json {
        desk.print_json(&json!(report))?;
    } else {
        print(desk, &report)?;
    }
    Ok(if report.acceptable {
        Exit::Ok
    } else {
        Exit::No
    })
}

fn print(desk: &mut Desk<'_>, report: &Report) -> Result<(), Failure> {
    let lang = desk.lang;
    for one in &report.findings {
        let mark = match one.level {
            Level::Error => lang.pick("LỖI", "ERROR"),
            Level::Warning => lang.pick("lưu ý", "note"),
        };
        desk.line(format!(
            "{mark} {} {}",
            one.fault.code,
            safe(&lang.pick(&one.fault.text.vi, &one.fault.text.en))
        ))?;
        if !one.fault.path.is_empty() {
            let name = lang.pick("tại", "at");
            desk.line(format!("    {name}: {}", safe(&one.fault.path)))?;
        }
        if let Some(rule) = &one.rule {
            for (name, phrase) in [
                (lang.pick("quy tắc", "rule"), &rule.rule),
                (lang.pick("nguồn", "source"), &rule.source),
                (lang.pick("cách sửa", "fix"), &rule.fix),
            ] {
                desk.line(format!("    {name}: {}", lang.pick(&phrase.vi, &phrase.en)))?;
            }
        }
    }
    let of = |level: Level| {
        let those = report.findings.iter().filter(|one| one.level == level);
        those.count()
    };
    let (errors, warnings) = (of(Level::Error), of(Level::Warning));
    desk.line(if report.acceptable {
        lang.pick(
            &format!("ĐẠT: gửi được, {warnings} lưu ý"),
            &format!("GOOD: it may travel, {warnings} notes"),
        )
    } else {
        lang.pick(
            &format!("CHƯA ĐẠT: {errors} lỗi, {warnings} lưu ý"),
            &format!("NOT GOOD: {errors} errors, {warnings} notes"),
        )
    })
}

fn show(desk: &mut Desk<'_>, path: &Path) -> Result<Exit, Failure> {
    let read = read(path)?;
    let Some(found) = &read.packet else {
        print(desk, &read.report)?;
        return Ok(Exit::No);
    };
    if desk.json {
        desk.print_json(&json!({
            "kind": read.report.kind,
            "facts": packet::facts(&found.packet),
            "local_id": crate::intake::local_id(&found.packet),
            "from": organ(from(&found.packet)),
            "to": to(&found.packet).iter().map(organ).collect::<Vec<_>>(),
            "attachments": found.attachments,
            "acceptable": read.report.acceptable,
        }))?;
        return Ok(Exit::Ok);
    }
    let lines = match &found.packet {
        Packet::Document(document) => document_lines(desk, document),
        Packet::Status(status) => status_lines(desk, status),
    };
    for (name, text) in lines {
        if !text.trim().is_empty() {
            desk.line(format!("{name}: {}", safe(&text)))?;
        }
    }
    for (at, file) in (1..).zip(&found.attachments) {
        desk.line(format!(
            "  {at}. {} ({}, {} B)",
            safe(&file.file_name),
            safe(&file.mime),
            file.bytes
        ))?;
    }
    Ok(Exit::Ok)
}

fn from(packet: &Packet) -> &Org {
    match packet {
        Packet::Document(document) => &document.from,
        Packet::Status(status) => &status.from,
    }
}

fn to(packet: &Packet) -> &[Org] {
    match packet {
        Packet::Document(document) => &document.to,
        Packet::Status(_) => &[],
    }
}

fn organ(org: &Org) -> serde_json::Value {
    json!({ "code": org.organ_id.as_str(), "name": org.name })
}

fn named(org: &Org) -> String {
    if org.name.is_empty() {
        org.organ_id.to_string()
    } else {
        format!("{} ({})", org.name, org.organ_id)
    }
}

type Line = (String, String);

fn document_lines(desk: &Desk<'_>, document: &DocumentPacket) -> Vec<Line> {
    let lang = desk.lang;
    let priority = document.other.priority.unwrap_or(0);
    let urgency = formats::header::Priority::from_number(u64::from(priority)).map_or_else(
        || priority.to_string(),
        |known| lang.pick(codes::priority_vi(known), codes::priority_en(known)),
    );
    let date = |date: Option<formats::edxml::Date>| {
        date.map_or_else(String::new, formats::edxml::Date::vietnam)
    };
    let to: Vec<String> = document.to.iter().map(named).collect();
    vec![
        (lang.pick("Nghiệp vụ", "Act"), act(desk, &document.business)),
        (lang.pick("Số, ký hiệu", "Number"), document.code.joined()),
        (
            lang.pick("Ngày ban hành", "Issued"),
            date(document.issued.date),
        ),
        (
            lang.pick("Loại văn bản", "Type"),
            document.doc_type.name.clone(),
        ),
        (lang.pick("Trích yếu", "Subject"), document.subject.clone()),
        (lang.pick("Độ khẩn", "Urgency"), urgency),
        (lang.pick("Hạn xử lý", "Due"), date(document.due)),
        (lang.pick("Bên gửi", "From"), named(&document.from)),
        (lang.pick("Bên nhận", "To"), to.join("; ")),
        (
            lang.pick("Người ký", "Signed by"),
            document.signer.full_name.clone(),
        ),
        (
            lang.pick("Mã định danh", "DocumentId"),
            document.document_id.clone(),
        ),
        (
            lang.pick("Tệp đính kèm", "Files"),
            document.attachments.len().to_string(),
        ),
    ]
}

/// The business act in words.
fn act(desk: &Desk<'_>, business: &Business) -> String {
    let lang = desk.lang;
    match business {
        Business::New => lang.pick("văn bản mới", "new document"),
        Business::Recall { target, reason } => lang.pick(
            &format!("thu hồi {target}; lý do: {reason}"),
            &format!("recalls {target}; reason: {reason}"),
        ),
        Business::Update { target, reason, .. } => lang.pick(
            &format!("cập nhật {target}; lý do: {reason}"),
            &format!("updates {target}; reason: {reason}"),
        ),
        Business::Replace { reason, replaced } => {
            let old: Vec<&str> = replaced
                .iter()
                .map(|one| one.document_id.as_str())
                .collect();
            let old = old.join("; ");
            lang.pick(
                &format!("thay thế {old}; lý do: {reason}"),
                &format!("replaces {old}; reason: {reason}"),
            )
        }
        Business::Other { code, .. } => {
            lang.pick(&format!("không rõ ({code})"), &format!("unknown ({code})"))
        }
    }
}

fn status_lines(desk: &Desk<'_>, status: &StatusPacket) -> Vec<Line> {
    let lang = desk.lang;
    let answered = &status.response_for;
    let id = answered.document_id.clone().unwrap_or_default();
    vec![
        (
            lang.pick("Trạng thái", "Status"),
            format!(
                "{} {}",
                status.code.as_str(),
                lang.pick(status.code.vi(), status.code.en())
            ),
        ),
        (
            lang.pick("Văn bản", "Document"),
            format!("{} {} {id}", answered.organ_id, answered.code),
        ),
        (lang.pick("Bên gửi", "From"), named(&status.from)),
        (
            lang.pick("Nội dung", "Note"),
            status.description.clone().unwrap_or_default(),
        ),
        (
            lang.pick("Thời điểm", "Time"),
            status
                .at
                .map_or_else(String::new, formats::time::Timestamp::vietnam),
        ),
        (
            lang.pick("Người xử lý", "Staff"),
            status.staff.as_ref().map(person).unwrap_or_default(),
        ),
    ]
}

fn person(staff: &Staff) -> String {
    let parts = [&staff.name, &staff.department, &staff.email, &staff.mobile];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(", ")
}

/// Opens the file that is written, or standard output for `-`.
pub(super) fn output<'d>(
    desk: &'d mut Desk<'_>,
    path: &Path,
) -> Result<Box<dyn Write + 'd>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(&mut *desk.out));
    }
    let file = File::create_new(path).map_err(|source| Failure::File {
        path: path.display().to_string(),
        source,
    })?;
    Ok(Box::new(BufWriter::new(file)))
}
