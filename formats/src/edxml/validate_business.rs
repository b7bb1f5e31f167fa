//! The part of validation about what a packet does and carries: trace, business action,
//! attachments.
//!
//! Must not know: whether a target document exists.

use super::attachment_name::{oddities, safe_file_name, safe_file_names};
use super::check::Check;
use super::date::Date;
use super::finding::Fault;
use super::model::{Business, DocumentPacket};
use super::text::length;

pub(super) fn trace(check: &mut Check, packet: &DocumentPacket, today: Date) {
    let id = length(&packet.trace.id);
    if !(8..=36).contains(&id) {
        check.odd(
            "W-LEN",
            "TraceHeaderList",
            "mã vết không dài 8…36 ký tự",
            "id is not 8…36 long",
        );
    }
    if packet.trace.hops.is_empty() {
        check.absent("TraceHeaderList/TraceHeader");
    }
    for (position, hop) in (1..).zip(&packet.trace.hops) {
        let path = format!("TraceHeaderList/TraceHeader[{position}]");
        if hop.organ_id.is_empty() {
            check.absent(&format!("{path}/OrganId"));
        }
        let path = format!("{path}/Timestamp");
        match hop.at {
            Some(at) => check.not_later(&path, Date::in_vietnam(at), today),
            None => check.absent(&path),
        }
    }
}

// [spec:edxml-16]
pub(super) fn business(check: &mut Check, packet: &DocumentPacket) {
    if packet.paper > 1 {
        check.odd("W-TYPE", &at("Paper"), "khác 0 và 1", "neither 0 nor 1");
    }
    match &packet.business {
        Business::New => {}
        Business::Recall { target, reason } => {
            reasoned(check, reason);
            targeted(check, &at("DocumentId"), target);
        }
        Business::Update {
            target,
            reason,
            content_changed,
            receivers_added,
            receivers_removed,
        } => {
            reasoned(check, reason);
            targeted(check, &at("DocumentId"), target);
            let receivers = receivers_added.iter().chain(receivers_removed);
            for (position, receiver) in (1..).zip(receivers.clone()) {
                let list = at("BussinessDocumentInfo/ReceiverList");
                check.organ_id(&format!("{list}/Receiver[{position}]/OrganId"), receiver);
            }
            if !content_changed && receivers.count() == 0 {
                let path = at("BussinessDocumentInfo");
                check.odd(
                    "W-TYPE",
                    &path,
                    "không có gì thay đổi",
                    "nothing is changed",
                );
            }
        }
        Business::Replace { reason, replaced } => {
            reasoned(check, reason);
            replacements(check, replaced);
        }
        Business::Other { code, .. } => check.out.faults.push(Fault::coded(
            "E-BUSINESS",
            &at("BussinessDocType"),
            format!("Loại nghiệp vụ {code} không hợp lệ, chỉ nhận 0, 1, 2, 3"),
            format!("business type {code} is not one of 0, 1, 2, 3"),
        )),
    }
}

fn replacements(check: &mut Check, replaced: &[super::model::Replaced]) {
    let list = at("ReplacementInfoList");
    if replaced.is_empty() {
        targeted(check, &list, "");
    }
    for (position, document) in (1..).zip(replaced) {
        let path = format!("{list}/ReplacementInfo[{position}]");
        targeted(check, &format!("{path}/DocumentId"), &document.document_id);
        if document.holders.is_empty() {
            check.required(&format!("{path}/OrganIdList"), "");
        }
        for (position, holder) in (1..).zip(&document.holders) {
            check.organ_id(&format!("{path}/OrganIdList/OrganId[{position}]"), holder);
        }
    }
}

/// A recall, update or replacement gives its reason; the practice calls this fault N.Reason.
fn reasoned(check: &mut Check, reason: &str) {
    let path = at("BussinessDocReason");
    if reason.is_empty() {
        let mut fault = Fault::missing(&path);
        "N.Reason".clone_into(&mut fault.code);
        check.out.faults.push(fault);
    }
    check.length(&path, reason, 500);
}

/// E-BUSINESS when an action has no document to act on.
fn targeted(check: &mut Check, path: &str, target: &str) {
    if target.is_empty() {
        check.out.faults.push(Fault::coded(
            "E-BUSINESS",
            path,
            "Thiếu mã định danh văn bản cần thu hồi, cập nhật hoặc thay thế",
            "the document to recall, update or replace is not named",
        ));
    }
    check.length(path, target, super::document_id::CHARS_MAX);
}

pub(super) fn attachments(check: &mut Check, packet: &DocumentPacket) {
    let recall = matches!(packet.business, Business::Recall { .. });
    // When an attachment is lost the fault says so; what is left is not the packet that was meant.
    let whole = !check.out.faults.iter().any(|f| f.code == "E-ATTACH");
    if packet.attachments.is_empty() && !recall && whole {
        check.odd(
            "W-ATTACH",
            "AttachmentEncoded",
            "không có tệp nào",
            "no file is attached",
        );
    }
    let names = packet.attachments.iter().map(|a| a.name.as_str());
    let safe_names = safe_file_names(names);
    for ((position, attachment), safe) in (1..).zip(&packet.attachments).zip(safe_names) {
        let path = format!("AttachmentEncoded/Attachment[{position}]");
        let name = format!("{path}/AttachmentName");
        check.required(&name, &attachment.name);
        check.length(&name, &attachment.name, 200);
        check.required(&format!("{path}/ContentId"), &attachment.cid);
        check.length_of(
            &format!("{path}/Description"),
            attachment.description.as_deref(),
            500,
        );
        if safe != safe_file_name(&attachment.name) {
            let (vi, en) = ("trùng tên với một tệp khác", "is the name of another file");
            check.odd("W-ATTACH", &name, vi, en);
        }
        for oddity in oddities(&attachment.name) {
            check.odd("W-ATTACH", &name, oddity.vi(), oddity.en());
        }
        // Decree 30/2020: the main document is a signed PDF; reported, never blocked.
        let pdf = attachment.mime.eq_ignore_ascii_case("application/pdf")
            || attachment.name.to_lowercase().ends_with(".pdf");
        if position == 1 && !pdf && whole {
            check.odd(
                "W-ATTACH",
                &name,
                "văn bản chính không phải PDF",
                "the main file is no pdf",
            );
        }
    }
}

fn at(name: &str) -> String {
    format!("TraceHeaderList/Bussiness/{name}")
}
