//! `tram send`: one packet, or files with a description; then waiting until they are where they go.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use formats::id::Digest;
use relay::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::args::{Goal, Send};
use super::document::recipients_table;
use super::show::{items, text};
use super::{Desk, Exit, Failure};
use crate::client::{Client, POLL_S, Sending};
use crate::screen::day::Day;
use crate::screen::words::{Lang, fill};
use crate::view::RecipientState;

pub(super) async fn run(desk: &mut Desk<'_>, send: Send) -> Result<Exit, Failure> {
    let lang = desk.lang;
    let packet = packet_of(&send, lang)?;
    let key = match (&send.idempotency_key, &packet) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => format!("tram-{}", digest(file)?),
        (None, None) => format!("tram-{}", uuid::Uuid::now_v7()),
    };
    let how = Sending {
        key,
        resend_reason: send.resend.clone(),
    };
    let client = desk.client()?;
    let accepted = match &packet {
        Some(file) => client.send_packet(file, &how).await?,
        None => {
            let metadata = metadata(&send, lang)?;
            let files: Vec<&Path> = send.files.iter().map(PathBuf::as_path).collect();
            client.send_files(&metadata, &files, &how).await?
        }
    };
    let id = text(&accepted, "id").to_owned();
    if !desk.json {
        desk.line(&id)?;
        for warning in items(&accepted, "warnings") {
            let said = warning
                .get("text")
                .map(|said| text(said, lang.code()))
                .unwrap_or("");
            desk.remark(format!("{}: {said}", text(warning, "code")))?;
        }
        if accepted.get("duplicate") == Some(&Value::Bool(true)) {
            desk.remark(lang.pick(
                "Văn bản này đã được gửi trước đó; không gửi lại.",
                "This document was sent before; nothing new was sent.",
            ))?;
        }
    }
    match send.wait {
        None => {
            if desk.json {
                desk.print_json(&accepted)?;
            }
            Ok(Exit::Ok)
        }
        Some(goal) => wait(desk, &client, &id, goal, send.timeout).await,
    }
}

/// The packet, if that is what was given: one file that ends as packets do.
fn packet_of(send: &Send, lang: Lang) -> Result<Option<PathBuf>, Failure> {
    let is_packet = |file: &PathBuf| {
        let ending = file
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or("");
        ending.eq_ignore_ascii_case("edxml") || ending.eq_ignore_ascii_case("xml")
    };
    let described = !send.to.is_empty() || send.subject.is_some() || send.number.is_some();
    match send.files.as_slice() {
        [file] if is_packet(file) && !described => Ok(Some(file.clone())),
        [file] if is_packet(file) && file.extension().is_some_and(|end| end == "edxml") => {
            Err(Failure::Usage(lang.pick(
                "gói edXML đã ghi nơi nhận và trích yếu bên trong: bỏ --to, --number, --subject",
                "an edXML packet names its recipients and subject itself: leave out --to, --number, --subject",
            )))
        }
        _ if described => Ok(None),
        _ => Err(Failure::Usage(lang.pick(
            "gửi một tệp .edxml, hoặc các tệp kèm --to, --number, --subject, --signer",
            "send one .edxml file, or files with --to, --number, --subject, --signer",
        ))),
    }
}

fn metadata(send: &Send, lang: Lang) -> Result<Value, Failure> {
    let missing: Vec<&str> = [
        ("--to", !send.to.is_empty()),
        ("--number", send.number.is_some()),
        ("--subject", send.subject.is_some()),
        ("--signer", send.signer.is_some()),
    ]
    .into_iter()
    .filter_map(|(flag, given)| (!given).then_some(flag))
    .collect();
    if !missing.is_empty() {
        let flags = missing.join(" ");
        return Err(Failure::Usage(
            lang.pick(&format!("còn thiếu {flags}"), &format!("missing: {flags}")),
        ));
    }
    let now = Clock::system().now();
    let day = match send.date.as_deref() {
        None => Day::of(now),
        Some(text) => Day::parse(text, now)
            .ok_or_else(|| Failure::Usage(fill(lang.words().date_wrong, &[("text", text)])))?,
    };
    let whole = send.number.as_deref().unwrap_or("");
    let (number, notation) = whole.split_once('/').unwrap_or((whole, ""));
    Ok(json!({
        "to": send.to,
        "number": number,
        "notation": notation,
        "promulgated": day.iso(),
        "type_name": send.kind,
        "subject": send.subject,
        "signer_name": send.signer,
        "priority": send.priority.unwrap_or(0),
    }))
}

/// SHA-256 of a file, read in pieces.
fn digest(file: &Path) -> Result<Digest, Failure> {
    let fault = |source| Failure::File {
        path: file.display().to_string(),
        source,
    };
    let mut opened = std::fs::File::open(file).map_err(fault)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        let count = opened.read(&mut buffer).map_err(fault)?;
        if count == 0 {
            return Ok(Digest::from_bytes(hash.finalize().into()));
        }
        hash.update(buffer.get(..count).unwrap_or(&buffer));
    }
}

/// Waits until every recipient is at `goal`; no when one never will be, or not in time.
async fn wait(
    desk: &mut Desk<'_>,
    client: &Client,
    id: &str,
    goal: Goal,
    timeout_s: u64,
) -> Result<Exit, Failure> {
    let end = Instant::now() + Duration::from_secs(timeout_s);
    loop {
        let left = end.saturating_duration_since(Instant::now()).as_secs();
        let document = client.document(id, goal.code(), left.min(POLL_S)).await?;
        let verdict = verdict(&document, goal);
        let late = Instant::now() >= end || left == 0;
        if verdict.is_none() && !late {
            continue;
        }
        let recipients = client
            .get(&format!("/documents/{id}/recipients"), &[])
            .await?;
        if desk.json {
            desk.print_json(&json!({ "document": document, "recipients": recipients["items"] }))?;
        } else {
            recipients_table(desk, items(&recipients, "items"))?;
        }
        if verdict.is_none() && !desk.json {
            desk.remark(desk.lang.pick(
                &format!("Chưa xong sau {timeout_s} s; xem lý do: tram doc explain {id}"),
                &format!("Not there after {timeout_s} s; for the reason: tram doc explain {id}"),
            ))?;
        }
        return Ok(verdict.unwrap_or(Exit::No));
    }
}

/// Yes when all are at the goal, no when nothing moves any more, nothing while something may come.
fn verdict(document: &Value, goal: Goal) -> Option<Exit> {
    let goal = RecipientState::parse(goal.code())?;
    let counts = document.get("counts")?;
    let count = |state: RecipientState| counts.get(state.code()).and_then(Value::as_u64);
    let moving = RecipientState::ALL
        .into_iter()
        .filter(|state| *state < goal && !state.is_final())
        .any(|state| count(state).unwrap_or(0) > 0);
    let failed = [
        RecipientState::Refused,
        RecipientState::Expired,
        RecipientState::Withdrawn,
    ]
    .into_iter()
    .any(|state| count(state).unwrap_or(0) > 0);
    match (moving, failed) {
        (true, _) => None,
        (false, true) => Some(Exit::No),
        (false, false) => Some(Exit::Ok),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_follows_the_slowest_and_the_failed() {
        let document = |relayed: u64, delivered: u64, refused: u64| {
            json!({ "counts": { "accepted": 0, "relayed": relayed, "delivered": delivered,
                "handed_over": 0, "refused": refused, "expired": 0, "withdrawn": 0 } })
        };
        for (counts, goal, expected) in [
            (document(1, 1, 0), Goal::Delivered, None),
            (document(1, 1, 0), Goal::Relayed, Some(Exit::Ok)),
            (document(0, 2, 0), Goal::Delivered, Some(Exit::Ok)),
            (document(0, 2, 0), Goal::HandedOver, None),
            (document(0, 2, 1), Goal::Delivered, Some(Exit::No)),
            (document(1, 0, 1), Goal::Delivered, None),
        ] {
            assert_eq!(verdict(&counts, goal), expected, "{counts} {goal:?}");
        }
    }
}
