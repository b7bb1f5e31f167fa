//! `tram doc recall|update`, `tram inbox status`, `tram deadlines`: what agencies say about documents, and
//! what is overdue.

use serde_json::{Value, json};

use super::args::{Deadlines, RecallWords, StatusWords, UpdateWords};
use super::document::{recipients_table, resolve};
use super::show::{items, phrase, safe, table, text, time};
use super::{Desk, Exit, Failure};
use crate::screen::address::encode;

/// Takes a sent document back.
pub(super) async fn recall(desk: &mut Desk<'_>, words: RecallWords) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let id = resolve(&client, &words.id).await?;
    let body = json!({ "reason": words.reason, "to": words.to, "staff": words.staff });
    let done = client
        .act(&format!("/documents/{id}/recall"), &body)
        .await?;
    told(desk, &done)
}

/// Changes the recipients of a sent document.
pub(super) async fn update(desk: &mut Desk<'_>, words: UpdateWords) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let id = resolve(&client, &words.id).await?;
    let body = json!({
        "reason": words.reason, "add": words.add, "remove": words.remove, "staff": words.staff,
    });
    let done = client
        .act(&format!("/documents/{id}/update"), &body)
        .await?;
    told(desk, &done)
}

/// Answers a received document.
pub(super) async fn status(desk: &mut Desk<'_>, words: StatusWords) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let body = json!({
        "code": words.code, "reason": words.reason, "register_number": words.register_number,
        "staff": words.staff, "department": words.department,
    });
    let path = format!("/inbox/{}/status", encode(&words.id));
    let done = client.act(&path, &body).await?;
    told(desk, &done)
}

fn told(desk: &mut Desk<'_>, done: &Value) -> Result<Exit, Failure> {
    if desk.json {
        desk.print_json(done)?;
        return Ok(Exit::Ok);
    }
    let lang = desk.lang;
    let id = text(done, "id");
    desk.line(lang.pick(
        &format!("Đã ký và gửi, mã {id}"),
        &format!("Signed and sent, id {id}"),
    ))?;
    for warning in items(done, "warnings") {
        let said = warning.get("text").map_or("", |text| phrase(text, lang));
        desk.remark(format!("{} {}", text(warning, "code"), safe(said)))?;
    }
    let rows: Vec<Value> = items(done, "recipients").to_vec();
    recipients_table(desk, &rows)?;
    Ok(Exit::Ok)
}

/// Lists what is overdue or due soon; the exit code says whether something is overdue.
pub(super) async fn deadlines(desk: &mut Desk<'_>, words: Deadlines) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let side = if words.sent { "sent" } else { "received" };
    let standing = words.standing.join(",");
    let limit = words.limit.to_string();
    let query = [
        ("side", side),
        ("standing", standing.as_str()),
        ("limit", limit.as_str()),
    ];
    let found = client.get("/deadlines", &query).await?;
    let rows = items(&found, "items");
    let late = |row: &Value| row.pointer("/next/standing") == Some(&json!("overdue"));
    let exit = if rows.iter().any(late) {
        Exit::No
    } else {
        Exit::Ok
    };
    if desk.json {
        desk.print_json(&found)?;
        return Ok(exit);
    }
    let lang = desk.lang;
    if rows.is_empty() {
        desk.remark(lang.pick(
            "Không có thời hạn nào quá hạn hoặc sắp đến hạn.",
            "Nothing is overdue or due soon.",
        ))?;
        return Ok(exit);
    }
    let null = Value::Null;
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let next = row.get("next").unwrap_or(&null);
            let said = |name: &str| {
                next.get(name)
                    .map_or("", |text| phrase(text, lang))
                    .to_owned()
            };
            vec![
                text(row, "id").to_owned(),
                text(row, "code").to_owned(),
                said("standing_text"),
                time(text(next, "due")),
                said("text"),
                text(row, "peer").to_owned(),
                text(row, "subject").to_owned(),
            ]
        })
        .collect();
    let headings = [
        lang.pick("mã", "id"),
        lang.pick("số ký hiệu", "number"),
        lang.pick("tình trạng", "standing"),
        lang.pick("hạn", "due"),
        lang.pick("việc", "what"),
        lang.pick("cơ quan", "agency"),
        lang.pick("trích yếu", "subject"),
    ];
    let headings = headings.each_ref().map(String::as_str);
    for line in table(&headings, &lines) {
        desk.line(line)?;
    }
    Ok(exit)
}
