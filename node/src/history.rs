//! The history of a document per recipient, and why it is where it is. Built from stored rows only; the
//! answers name the cause and what a person should do, in both languages.

use formats::id::{AgencyCode, EnvelopeId};
use formats::reason::Reason;
use formats::time::Timestamp;

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::store::ledger::{self, StoredStep};
use crate::view::{
    ActView, Cause, Explanation, NextStep, Phrase, RecipientState, RecipientView, Step,
    TimelineView, Verdict,
};
use crate::{deadlines, recall};

/// The history per recipient.
pub(crate) async fn timeline(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Vec<TimelineView>, DeskError> {
    let pool = core.reader();
    let document = ledger::document(&pool, agency, id).await?;
    let mut recipients = ledger::recipients(&pool, id).await?;
    deadlines::of_recipients(core, &document.view, &mut recipients);
    let mut stored = ledger::steps(&pool, id).await?;
    let station = core.station().name().to_string();
    Ok(recipients
        .into_iter()
        .map(|recipient| {
            let key = (recipient.envelope.to_string(), recipient.code.to_string());
            let steps = stored.remove(&key).unwrap_or_default();
            line(recipient, &steps, &station, document.view.expires)
        })
        .collect())
}

fn line(
    recipient: RecipientView,
    stored: &[StoredStep],
    station: &str,
    expires: Timestamp,
) -> TimelineView {
    let mut steps = vec![Step {
        event: RecipientState::Accepted.code().to_owned(),
        text: RecipientState::Accepted.text(),
        at: recipient.accepted_at,
        who: station.to_owned(),
        receipt_id: None,
        verdict: Verdict::Valid,
        latency_ms: None,
        reason: None,
        clock_unsure: false,
    }];
    for one in stored {
        let latency = steps.last().map(|before| one.at.minus(before.at));
        steps.push(Step {
            event: one.event.clone(),
            text: text_of(one),
            at: one.at,
            who: one.who.clone(),
            receipt_id: one
                .leaf
                .map(|leaf| leaf.to_string().chars().take(16).collect()),
            verdict: if one.leaf.is_some() {
                Verdict::Valid
            } else {
                Verdict::Unproven
            },
            latency_ms: latency,
            reason: one.reason.map(Into::into),
            clock_unsure: one.clock_unsure,
        });
    }
    // The receipt of delivery says what 01 says, and proves it.
    let told = |act: &&ActView| act.outcome != "duplicate" || act.code.as_deref() != Some("01");
    for act in recipient.business.acts.iter().filter(told) {
        let before = steps.iter().rposition(|step| step.at <= act.recorded);
        let at = before.map_or(steps.len(), |place| place + 1);
        steps.insert(at, said(act));
    }
    if let Some(waiting) = &recipient.waiting {
        steps.push(Step {
            event: "waiting_retry".to_owned(),
            text: Phrase::new(
                format!(
                    "Chờ thử lại (đã thử {} lần), lần tới lúc {}",
                    waiting.attempt,
                    waiting.next_at.vietnam()
                ),
                format!("Waits after {} tries", waiting.attempt),
            ),
            at: recipient.updated,
            who: station.to_owned(),
            receipt_id: None,
            verdict: Verdict::Unproven,
            latency_ms: None,
            reason: Some(waiting.reason.clone()),
            clock_unsure: false,
        });
    }
    let next = next_step(recipient.state, expires);
    TimelineView {
        recipient,
        steps,
        next,
    }
}

/// What an agency said about the document: its packet was verified when it came.
fn said(act: &ActView) -> Step {
    Step {
        event: match &act.code {
            Some(code) if act.kind == "status" => format!("status_{code}"),
            _ => act.kind.to_owned(),
        },
        text: match &act.reason {
            Some(reason) => Phrase::new(
                format!("{}: {reason}", act.text.vi),
                format!("{}: {reason}", act.text.en),
            ),
            None => act.text.clone(),
        },
        at: act.at,
        who: act.who.to_string(),
        receipt_id: None,
        verdict: Verdict::Valid,
        latency_ms: None,
        reason: None,
        clock_unsure: false,
    }
}

fn text_of(one: &StoredStep) -> Phrase {
    let event = one.event.as_str();
    if event == recall::ASKED {
        return Phrase::new(
            format!("Đã yêu cầu trạm {} không giao văn bản", one.who),
            format!("Station {} was asked not to deliver it", one.who),
        );
    }
    let stopped = matches!(one.reason, Some(Reason::Recalled | Reason::Withdrawn));
    if stopped || event == recall::STOPPED {
        return Phrase::new(
            format!("Đã dừng tại trạm {} theo yêu cầu thu hồi", one.who),
            format!("Stopped at station {}: its sender took it back", one.who),
        );
    }
    RecipientState::parse(event).map_or_else(
        || Phrase::new(format!("Sự kiện {event}"), format!("Event {event}")),
        RecipientState::text,
    )
}

fn next_step(state: RecipientState, expires: Timestamp) -> Option<NextStep> {
    let (next, due) = match state {
        RecipientState::Accepted => (RecipientState::Relayed, Some(expires)),
        RecipientState::Relayed => (RecipientState::Delivered, Some(expires)),
        RecipientState::Delivered => (RecipientState::HandedOver, None),
        RecipientState::HandedOver
        | RecipientState::Refused
        | RecipientState::Expired
        | RecipientState::Withdrawn => return None,
    };
    Some(NextStep {
        event: next.code().to_owned(),
        text: next.text(),
        due,
    })
}

/// Why it is where it is and what to do.
pub(crate) async fn explain(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Explanation, DeskError> {
    let lines = timeline(core, agency, id).await?;
    let document = ledger::document(&core.reader(), agency, id).await?;
    let now = core.now();
    let mut recipients: Vec<Cause> = lines.iter().map(|line| cause(line, now)).collect();
    recipients.sort_by_key(|cause| !cause.act);
    let act = recipients.iter().any(|cause| cause.act);
    let counts = document.view.row.counts;
    Ok(Explanation {
        id,
        state: document.view.row.state,
        summary: summary(counts.arrived(), counts.total(), &recipients),
        act,
        recipients,
    })
}

fn summary(arrived: u64, total: u64, causes: &[Cause]) -> Phrase {
    let need = causes.iter().filter(|cause| cause.act).count();
    if need > 0 {
        return Phrase::new(
            format!("Đã đến {arrived}/{total} nơi nhận; {need} nơi cần người xử lý."),
            format!("{arrived} of {total} recipients have it; {need} need a person."),
        );
    }
    if arrived == total {
        return Phrase::new(
            format!("Đã đến đủ {total}/{total} nơi nhận."),
            format!("All {total} recipients have it."),
        );
    }
    Phrase::new(
        format!("Đã đến {arrived}/{total} nơi nhận; trạm đang tự chuyển tiếp, chưa cần làm gì."),
        format!("{arrived} of {total} recipients have it; the station goes on by itself."),
    )
}

fn cause(line: &TimelineView, now: Timestamp) -> Cause {
    let recipient = &line.recipient;
    let waiting = recipient
        .waiting
        .as_ref()
        .filter(|_| !recipient.state.is_final());
    let (cause, todo, act) = match recipient.state {
        RecipientState::Accepted | RecipientState::Relayed => match waiting {
            Some(waiting) => waits(&waiting.reason.text, waiting.next_at, &waiting.reason.code),
            None => on_the_way(line, now),
        },
        RecipientState::Delivered => (
            Phrase::new(
                "Đã đến trạm cơ quan nhận; hệ thống QLVB bên nhận chưa lấy về.",
                "It is at the recipient's station; their system has not fetched it yet.",
            ),
            Phrase::new(
                "Nếu gấp, gọi văn thư bên nhận mở Văn bản đến.",
                "If urgent, ask the recipient's clerk to look into the inbox.",
            ),
            false,
        ),
        RecipientState::HandedOver => (
            Phrase::new("Bên nhận đã nhận.", "The recipient has it."),
            Phrase::new("Không cần làm gì.", "Nothing to do."),
            false,
        ),
        RecipientState::Refused => refused(recipient),
        RecipientState::Expired => (
            Phrase::new(
                "Hết hạn mà không có xác nhận đã đến.",
                "Its time ended without a proof of delivery.",
            ),
            Phrase::new(
                "Hỏi bên nhận, rồi gửi lại hoặc gửi bằng đường khác.",
                "Ask the recipient, then send it again or by another way.",
            ),
            true,
        ),
        RecipientState::Withdrawn => (
            Phrase::new("Đã thu hồi trước khi đến.", "Withdrawn before it arrived."),
            Phrase::new("Không cần làm gì.", "Nothing to do."),
            false,
        ),
    };
    let reason = recipient
        .reason
        .clone()
        .or_else(|| waiting.map(|waiting| waiting.reason.clone()));
    Cause {
        code: recipient.code.clone(),
        name: recipient.name.clone(),
        state: recipient.state,
        reason,
        cause,
        todo,
        act,
    }
}

fn on_the_way(line: &TimelineView, now: Timestamp) -> (Phrase, Phrase, bool) {
    let last = line.steps.last();
    let who = last.map(|step| step.who.clone()).unwrap_or_default();
    let since_ms = last.map_or(0, |step| now.minus(step.at)).max(0);
    let minutes = since_ms / 60_000;
    (
        Phrase::new(
            format!("Đang ở trạm {who} ({minutes} phút), chưa có xác nhận đã đến."),
            format!("At station {who} for {minutes} min; no proof of delivery yet."),
        ),
        Phrase::new(
            "Chưa cần làm gì; trạm tự chuyển tiếp.",
            "Nothing yet; the station goes on by itself.",
        ),
        since_ms > ALARM_MS,
    )
}

fn waits(why: &Phrase, next_at: Timestamp, code: &str) -> (Phrase, Phrase, bool) {
    let cause = Phrase::new(
        format!("{}; trạm tự thử lại lúc {}.", why.vi, next_at.vietnam()),
        format!("{}; next try at {}.", why.en, next_at.rfc3339()),
    );
    let (todo, act) = match code.parse::<Reason>() {
        Ok(Reason::NoRoute | Reason::LinkLost) => (
            Phrase::new(
                "Kiểm tra mạng tới trạm chuyển tiếp; xem trang Trạm & tuyến.",
                "Check the network to the relay; see the page of stations and links.",
            ),
            false,
        ),
        Ok(Reason::StaleRevocation | Reason::ClockUnsure) => (
            Phrase::new(
                "Báo quản trị: danh sách thu hồi hoặc đồng hồ của trạm đã cũ.",
                "Tell the operator: revocation data or the clock is out of date.",
            ),
            true,
        ),
        Ok(Reason::DiskFull) => (
            Phrase::new(
                "Báo quản trị trạm: hết đĩa.",
                "Tell the operator: the disk is full.",
            ),
            true,
        ),
        _ => (Phrase::new("Chưa cần làm gì.", "Nothing yet."), false),
    };
    (cause, todo, act)
}

fn refused(recipient: &RecipientView) -> (Phrase, Phrase, bool) {
    let why = recipient.reason.as_ref();
    let text = why.map_or_else(
        || Phrase::new("không rõ", "not known"),
        |why| why.text.clone(),
    );
    let todo = match why.and_then(|why| why.code.parse::<Reason>().ok()) {
        Some(Reason::KeyUnavailable) => Phrase::new(
            "Bên nhận đã đổi khóa: gửi lại để mã hóa theo khóa mới.",
            "The recipient changed its key: send it again, sealed to the new one.",
        ),
        Some(Reason::UnknownAgency | Reason::NotHomeStation) => Phrase::new(
            "Kiểm tra mã cơ quan trong danh bạ rồi gửi lại.",
            "Check the agency's code in the directory, then send it again.",
        ),
        Some(Reason::SecrecyMarked) => Phrase::new(
            "Văn bản mật không được gửi qua trục này; dùng đường riêng.",
            "Classified documents may not travel here; use their own way.",
        ),
        Some(Reason::TooLarge) => Phrase::new(
            "Giảm dung lượng tệp rồi gửi lại.",
            "Make the files smaller and send again.",
        ),
        _ => Phrase::new(
            "Sửa nguyên nhân rồi gửi lại, hoặc báo quản trị kèm mã gói tin.",
            "Mend the cause and send again, or tell the operator the document's id.",
        ),
    };
    let cause = Phrase::new(
        format!("Bị từ chối: {}.", text.vi),
        format!("Refused: {}.", text.en),
    );
    (cause, todo, true)
}

/// Sent and not arrived after this long is worth a person's look (edxml-model 4.4).
const ALARM_MS: i64 = 15 * 60_000;
