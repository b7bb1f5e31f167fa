//! `tram doc refresh|hold|release`, `tram inbox hold|release|refuse`: evidence asked for again, what is kept,
//! and what cannot be taken.

use serde_json::{Value, json};

use super::args::{KeepWords, RefuseWords};
use super::document::resolve;
use super::show::{items, safe, text, time};
use super::{Desk, Exit, Failure};
use crate::screen::address::encode;

/// Asks the stations on a document's road for their statements again.
pub(super) async fn refresh(desk: &mut Desk<'_>, id: &str) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let id = resolve(&client, id).await?;
    let path = format!("/documents/{id}/refresh");
    let done = client.act(&path, &json!({})).await?;
    if desk.json {
        desk.print_json(&done)?;
        return Ok(Exit::Ok);
    }
    let lang = desk.lang;
    let names: Vec<&str> = items(&done, "asked")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let names = names.join(", ");
    desk.line(if done.get("asked_before") == Some(&Value::Bool(true)) {
        lang.pick(
            &format!("Đã hỏi cách đây chưa đầy một phút: {names}"),
            &format!("Asked less than a minute ago: {names}"),
        )
    } else {
        lang.pick(
            &format!("Đã hỏi lại biên nhận của: {names}"),
            &format!("Asked again for the receipts of: {names}"),
        )
    })?;
    for one in items(&done, "unreachable") {
        let line = format!("{}: {}", text(one, "station"), text(one, "why"));
        desk.remark(safe(&line))?;
    }
    desk.remark(lang.pick(
        "Trả lời đến như mọi biên nhận; xem bằng: tram doc timeline",
        "The answers come like any receipts; see: tram doc timeline",
    ))?;
    Ok(Exit::Ok)
}

/// Holds or releases a sent document (`place` = documents) or a received one (inbox).
pub(super) async fn keep(
    desk: &mut Desk<'_>,
    place: &str,
    act: &str,
    words: KeepWords,
) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let id = match place {
        "documents" => resolve(&client, &words.id).await?,
        _ => encode(&words.id),
    };
    let path = format!("/{place}/{id}/{act}");
    let done = client.act(&path, &json!({ "why": words.why })).await?;
    if desk.json {
        desk.print_json(&done)?;
        return Ok(Exit::Ok);
    }
    for one in items(&done, "keeping") {
        let line = format!(
            "{}  {}  {}  {}",
            time(text(one, "at")),
            text(one, "act"),
            text(one, "who"),
            text(one, "why")
        );
        desk.line(safe(&line))?;
    }
    Ok(Exit::Ok)
}

/// Says that this agency's system cannot take a delivered document.
pub(super) async fn refuse(desk: &mut Desk<'_>, words: RefuseWords) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let path = format!("/inbox/{}/refuse", encode(&words.id));
    let body = json!({ "why": words.why, "claim": words.claim });
    let done = client.act(&path, &body).await?;
    if desk.json {
        desk.print_json(&done)?;
        return Ok(Exit::Ok);
    }
    let at = time(text(&done, "at"));
    desk.line(desk.lang.pick(
        &format!("Đã từ chối lúc {at}; bên gửi nhận được biên nhận"),
        &format!("Refused at {at}; the sender gets the receipt"),
    ))?;
    Ok(Exit::Ok)
}
