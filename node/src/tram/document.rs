//! `tram doc`: lists, facts, journeys and explanations of sent documents.

use serde_json::Value;
use uuid::Uuid;

use super::acts;
use super::args::Doc;
use super::keep;
use super::show::{items, number, phrase, safe, state, table, text, time};
use super::{Desk, Exit, Failure};
use crate::client::{Client, ClientError, ProblemAnswer};
use crate::screen::address::encode;
use crate::screen::words::Lang;
use crate::view::EvidenceLevel;

pub(super) async fn run(desk: &mut Desk<'_>, what: Doc) -> Result<Exit, Failure> {
    let client = desk.client()?;
    match what {
        Doc::Ls {
            text,
            state,
            limit,
            cursor,
        } => {
            let query = [
                ("q", text.unwrap_or_default()),
                ("state", state.join(",")),
                ("limit", limit.to_string()),
                ("cursor", cursor.unwrap_or_default()),
            ];
            let query = query
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            let found = client.get("/documents", &query).await?;
            list(desk, &found)
        }
        Doc::Show { id } => {
            let id = resolve(&client, &id).await?;
            let document = client.get(&format!("/documents/{id}"), &[]).await?;
            let recipients = client
                .get(&format!("/documents/{id}/recipients"), &[])
                .await?;
            show(desk, document, &recipients)
        }
        Doc::Timeline { id, to } => {
            let id = resolve(&client, &id).await?;
            let to = to.unwrap_or_default();
            let path = format!("/documents/{id}/events");
            let found = client.get(&path, &[("recipient", to.as_str())]).await?;
            timeline(desk, &found)
        }
        Doc::Hold(words) => keep::keep(desk, "documents", "hold", words).await,
        Doc::Refresh { id } => keep::refresh(desk, &id).await,
        Doc::Release(words) => keep::keep(desk, "documents", "release", words).await,
        Doc::Recall(words) => acts::recall(desk, words).await,
        Doc::Update(words) => acts::update(desk, words).await,
        Doc::Explain { id } => {
            let id = resolve(&client, &id).await?;
            let found = client.get(&format!("/documents/{id}/explain"), &[]).await?;
            explain(desk, &found)
        }
    }
}

/// The id of a document that was named by its id or by the sender's own document id.
pub(super) async fn resolve(client: &Client, name: &str) -> Result<String, Failure> {
    if Uuid::parse_str(name).is_ok() {
        return Ok(encode(name));
    }
    let found = client.get("/documents", &[("local_id", name)]).await?;
    let rows = items(&found, "items");
    // A recall and an update carry the id of what they are about: the document itself is meant.
    let itself = rows
        .iter()
        .find(|row| !matches!(number(row, "business"), 1 | 2));
    match itself.or_else(|| rows.first()) {
        Some(row) => Ok(text(row, "id").to_owned()),
        None => {
            let problem = ProblemAnswer {
                code: "not_found".to_owned(),
                detail: format!("{name}: not found"),
                status: 404,
                ..ProblemAnswer::default()
            };
            Err(ClientError::Refused(Box::new(problem)).into())
        }
    }
}

fn list(desk: &mut Desk<'_>, found: &Value) -> Result<Exit, Failure> {
    if desk.json {
        desk.print_json(found)?;
        return Ok(Exit::Ok);
    }
    let lang = desk.lang;
    let rows: Vec<Vec<String>> = items(found, "items")
        .iter()
        .map(|row| {
            vec![
                text(row, "id").to_owned(),
                text(row, "code").to_owned(),
                state(text(row, "state"), lang),
                progress(row),
                time(text(row, "updated")),
                text(row, "subject").to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        desk.remark(lang.pick("Không có văn bản nào khớp.", "No document matches."))?;
        return Ok(Exit::Ok);
    }
    let headings = match lang {
        Lang::En => ["id", "number", "state", "arrived", "updated", "subject"],
        Lang::Vi => [
            "mã",
            "số ký hiệu",
            "trạng thái",
            "đã đến",
            "cập nhật",
            "trích yếu",
        ],
    };
    for line in table(&headings, &rows) {
        desk.line(line)?;
    }
    let next = text(found, "next");
    if !next.is_empty() {
        desk.remark(lang.pick(
            &format!("Còn nữa: thêm --cursor {next}"),
            &format!("More: add --cursor {next}"),
        ))?;
    }
    Ok(Exit::Ok)
}

/// `31/36`
fn progress(row: &Value) -> String {
    let counts = row.get("counts").unwrap_or(&Value::Null);
    let total: u64 = counts
        .as_object()
        .map(|counts| counts.values().filter_map(Value::as_u64).sum())
        .unwrap_or(0);
    format!(
        "{}/{total}",
        number(counts, "delivered") + number(counts, "handed_over")
    )
}

fn show(desk: &mut Desk<'_>, mut document: Value, recipients: &Value) -> Result<Exit, Failure> {
    if desk.json {
        if let Some(members) = document.as_object_mut() {
            let rows = recipients.get("items").cloned().unwrap_or(Value::Null);
            members.insert("recipients".to_owned(), rows);
        }
        desk.print_json(&document)?;
        return Ok(Exit::Ok);
    }
    let lang = desk.lang;
    desk.line(format!(
        "{}  {}",
        text(&document, "code"),
        safe(text(&document, "subject"))
    ))?;
    let facts = document.get("facts").unwrap_or(&Value::Null);
    for (name, value) in [
        (lang.pick("Mã", "Id"), text(&document, "id").to_owned()),
        (
            lang.pick("Mã văn bản", "Document id"),
            text(&document, "local_id").to_owned(),
        ),
        (
            lang.pick("Loại", "Type"),
            text(facts, "type_name").to_owned(),
        ),
        (
            lang.pick("Trạm nhận", "Accepted"),
            time(text(&document, "created")),
        ),
        (
            lang.pick("Trạng thái", "State"),
            state(text(&document, "state"), lang),
        ),
        (
            lang.pick("Gói", "Packet"),
            text(&document, "packet_digest").to_owned(),
        ),
    ] {
        desk.line(format!("  {name:<12} {}", safe(&value)))?;
    }
    for file in items(&document, "attachments") {
        let name = safe(text(file, "name"));
        desk.line(format!(
            "  {:>3}  {name}  {} B",
            number(file, "n"),
            number(file, "bytes")
        ))?;
    }
    recipients_table(desk, items(recipients, "items"))?;
    for row in items(recipients, "items") {
        owed(desk, row)?;
    }
    Ok(Exit::Ok)
}

/// The deadlines of one recipient that are overdue or run.
fn owed(desk: &mut Desk<'_>, row: &Value) -> Result<(), Failure> {
    let lang = desk.lang;
    for one in items(row, "deadlines") {
        if !one.get("met_at").is_some_and(Value::is_null) {
            continue;
        }
        let said = |name: &str| one.get(name).map_or("", |text| phrase(text, lang));
        desk.line(format!(
            "  {}  {}: {} ({})",
            text(row, "code"),
            safe(said("text")),
            time(text(one, "due")),
            safe(said("standing_text")),
        ))?;
    }
    Ok(())
}

/// One line a recipient: code, state, when, name, why.
pub(super) fn recipients_table(desk: &mut Desk<'_>, rows: &[Value]) -> Result<(), Failure> {
    let lang = desk.lang;
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let waiting = row.get("waiting").filter(|waiting| !waiting.is_null());
            let reason = waiting
                .unwrap_or(row)
                .get("reason")
                .and_then(|why| why.get("text"));
            vec![
                text(row, "code").to_owned(),
                state(text(row, "state"), lang),
                time(text(row, "updated")),
                business(row, lang),
                text(row, "name").to_owned(),
                reason
                    .map(|why| phrase(why, lang).to_owned())
                    .unwrap_or_default(),
            ]
        })
        .collect();
    let headings: [String; 6] = [
        lang.pick("nơi nhận", "recipient"),
        lang.pick("trạng thái", "state"),
        lang.pick("lúc", "at"),
        lang.pick("xử lý", "handling"),
        lang.pick("tên", "name"),
        lang.pick("lý do", "reason"),
    ];
    let headings = headings.each_ref().map(String::as_str);
    for line in table(&headings, &rows) {
        desk.line(line)?;
    }
    Ok(())
}

/// What was said about the document, and a recall or update beside it.
fn business(row: &Value, lang: Lang) -> String {
    let said = |name: &str| {
        let text = row.pointer(&format!("/business/{name}"));
        text.filter(|text| !text.is_null())
            .map(|text| phrase(text, lang).to_owned())
    };
    let parts: Vec<String> = [said("text"), said("request_text")]
        .into_iter()
        .flatten()
        .collect();
    parts.join("; ")
}

fn timeline(desk: &mut Desk<'_>, found: &Value) -> Result<Exit, Failure> {
    if desk.json {
        desk.print_json(found)?;
        return Ok(Exit::Ok);
    }
    let lang = desk.lang;
    for one in items(found, "items") {
        let recipient = one.get("recipient").unwrap_or(&Value::Null);
        desk.line(format!(
            "{}  {}  {}",
            text(recipient, "code"),
            safe(text(recipient, "name")),
            state(text(recipient, "state"), lang)
        ))?;
        for step in items(one, "steps") {
            let mark = match text(step, "verdict") {
                "valid" => "✓",
                "invalid" => "✗",
                _ => "·",
            };
            let said = step
                .get("text")
                .map(|said| phrase(said, lang))
                .unwrap_or("");
            let why = step
                .get("reason")
                .and_then(|why| why.get("text"))
                .map(|why| format!(": {}", phrase(why, lang)))
                .unwrap_or_default();
            let line = format!(
                "  {mark} {}  {said}{why}  [{}] {}",
                precise(text(step, "at")),
                text(step, "who"),
                behind(step, lang)
            );
            desk.line(safe(line.trim_end()))?;
        }
        if let Some(next) = one.get("next").filter(|next| !next.is_null()) {
            let said = next
                .get("text")
                .map(|said| phrase(said, lang))
                .unwrap_or("");
            desk.line(format!("  … {}", safe(said)))?;
        }
    }
    Ok(Exit::Ok)
}

/// What stands behind a line: level, receipt, log and leaf; or the word that it is this node's own note.
fn behind(step: &Value, lang: Lang) -> String {
    let mut parts = Vec::new();
    if step.get("clock_unsure") == Some(&Value::Bool(true)) {
        parts.push(lang.pick("đồng hồ chưa chắc chắn", "clock unsure"));
    }
    if text(step, "source") == "local" {
        parts.push(lang.pick("tự ghi nhận", "local"));
    }
    if let Some(level) = EvidenceLevel::parse(text(step, "level")) {
        let said = level.text();
        parts.push(lang.pick(&said.vi, &said.en));
    }
    let receipt = text(step, "receipt_id");
    if !receipt.is_empty() {
        parts.push(receipt.to_owned());
    }
    if let Some(log) = step.get("log").filter(|log| !log.is_null()) {
        parts.push(format!("{} #{}", text(log, "origin"), number(log, "index")));
    }
    parts.join(" · ")
}

/// Vietnam time with milliseconds.
fn precise(text: &str) -> String {
    let ms = text
        .trim_end_matches('Z')
        .rsplit_once('.')
        .map_or("000", |(_, ms)| ms);
    format!("{}.{ms}", time(text))
}

fn explain(desk: &mut Desk<'_>, found: &Value) -> Result<Exit, Failure> {
    if desk.json {
        desk.print_json(found)?;
    } else {
        let lang = desk.lang;
        let said = |value: &Value, name: &str| {
            safe(value.get(name).map(|text| phrase(text, lang)).unwrap_or(""))
        };
        desk.line(said(found, "summary"))?;
        for cause in items(found, "recipients") {
            let mark = if cause.get("act") == Some(&Value::Bool(true)) {
                "!"
            } else {
                " "
            };
            let head = format!(
                "{mark} {}  {}  {}",
                text(cause, "code"),
                safe(text(cause, "name")),
                state(text(cause, "state"), lang)
            );
            desk.line(head)?;
            desk.line(format!("    {}", said(cause, "cause")))?;
            desk.line(format!("    → {}", said(cause, "todo")))?;
        }
    }
    let act = found.get("act") == Some(&Value::Bool(true));
    Ok(if act { Exit::No } else { Exit::Ok })
}
