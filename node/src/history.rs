//! The history of a document per recipient, and why it is where it is. A line is a verified statement
//! (`story`), a signed packet (acts), or a note of this desk alone, and says which; the answers name the cause
//! and what a person should do, in both languages.

use formats::id::{AgencyCode, EnvelopeId};
use formats::reason::Reason;
use formats::statement::Event;
use formats::time::Timestamp;

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::store::ledger::{self, StoredStep};
use crate::story::{self, Told};
use crate::view::{
    ActView, Cause, Explanation, LogPlace, NextStep, Phrase, RecipientState, RecipientView, Source,
    Step, TimelineView, Verdict,
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
    let told = story::of_document(core, agency, id).await?.told;
    let mut noted = ledger::steps(&pool, id).await?;
    let station = core.station().name().to_string();
    Ok(recipients
        .into_iter()
        .map(|recipient| {
            let key = (recipient.envelope.to_string(), recipient.code.to_string());
            let noted = noted.remove(&key).unwrap_or_default();
            line(recipient, &told, &noted, &station, document.view.expires)
        })
        .collect())
}

fn line(
    recipient: RecipientView,
    told: &[Told],
    noted: &[StoredStep],
    station: &str,
    expires: Timestamp,
) -> TimelineView {
    let about = |one: &&Told| {
        one.statement.envelope == recipient.envelope
            && one.statement.recipient.agency() == Some(&recipient.code)
    };
    let mut steps: Vec<Step> = told.iter().filter(about).map(stated).collect();
    let accepted = Event::SubmissionAcceptance.name();
    if !steps.iter().any(|step| step.statement == Some(accepted)) {
        // Its statement lies in an earlier epoch of the log: what is left is the desk's own row.
        let state = RecipientState::Accepted;
        let (at, text) = (recipient.accepted_at, state.text());
        steps.insert(0, Step::local(state.code(), text, at, station));
    }
    let mut before: Option<Timestamp> = None;
    for step in &mut steps {
        step.latency_ms = before.map(|before| step.at.minus(before));
        before = Some(step.at);
    }
    for one in noted {
        insert(&mut steps, one.at, noted_step(one));
    }
    // The receipt of delivery says what 01 says, and proves it.
    let told = |act: &&ActView| act.outcome != "duplicate" || act.code.as_deref() != Some("01");
    for act in recipient.business.acts.iter().filter(told) {
        insert(&mut steps, act.recorded, said(act));
    }
    if let Some(waiting) = &recipient.waiting {
        let text = Phrase::new(
            format!(
                "Chờ thử lại (đã thử {} lần), lần tới lúc {}",
                waiting.attempt,
                waiting.next_at.vietnam()
            ),
            format!("Waits after {} tries", waiting.attempt),
        );
        steps.push(Step {
            reason: Some(waiting.reason.clone()),
            ..Step::local("waiting_retry", text, recipient.updated, station)
        });
    }
    let next = next_step(recipient.state, expires);
    TimelineView {
        recipient,
        steps,
        next,
    }
}

/// What stands beside the statements goes behind the last one that was not later.
fn insert(steps: &mut Vec<Step>, at: Timestamp, step: Step) {
    let before = steps.iter().rposition(|step| step.at <= at);
    steps.insert(before.map_or(steps.len(), |place| place + 1), step);
}

fn stated(told: &Told) -> Step {
    let statement = &told.statement;
    let row = statement.event.row();
    let text = match statement.reason {
        Some(Reason::Recalled | Reason::Withdrawn) if statement.event == Event::RelayFailure => {
            Phrase::new(
                format!(
                    "Đã dừng tại trạm {} theo yêu cầu thu hồi",
                    statement.station
                ),
                format!(
                    "Stopped at station {}: its sender took it back",
                    statement.station
                ),
            )
        }
        _ => Phrase::new(row.vi, row.en),
    };
    let leaf = told.proven.leaf_hash().to_string();
    Step {
        event: row.proves.word().unwrap_or(row.name).to_owned(),
        text,
        at: statement.time,
        who: statement.station.to_string(),
        receipt_id: Some(leaf.chars().take(16).collect()),
        verdict: Verdict::Valid,
        latency_ms: None,
        reason: statement.reason.map(Into::into),
        clock_unsure: statement.clock_unsure,
        source: Source::Statement,
        statement: Some(row.name),
        level: Some(told.level),
        log: Some(LogPlace {
            origin: told.origin.to_string(),
            index: told.proven.index,
        }),
    }
}

fn noted_step(one: &StoredStep) -> Step {
    let event = one.event.as_str();
    let text = if event == recall::ASKED {
        Phrase::new(
            format!("Đã yêu cầu trạm {} không giao văn bản", one.who),
            format!("Station {} was asked not to deliver it", one.who),
        )
    } else {
        RecipientState::parse(event).map_or_else(
            || Phrase::new(format!("Sự kiện {event}"), format!("Event {event}")),
            RecipientState::text,
        )
    };
    Step {
        reason: one.reason.map(Into::into),
        clock_unsure: one.clock_unsure,
        ..Step::local(event, text, one.at, &one.who)
    }
}

/// What an agency said about the document: its packet was verified when it came.
fn said(act: &ActView) -> Step {
    let event = match &act.code {
        Some(code) if act.kind == "status" => format!("status_{code}"),
        _ => act.kind.to_owned(),
    };
    let text = match &act.reason {
        Some(reason) => Phrase::new(
            format!("{}: {reason}", act.text.vi),
            format!("{}: {reason}", act.text.en),
        ),
        None => act.text.clone(),
    };
    Step {
        verdict: Verdict::Valid,
        source: Source::Packet,
        ..Step::local(&event, text, act.at, act.who.as_str())
    }
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
