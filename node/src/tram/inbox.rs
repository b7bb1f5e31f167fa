//! `tram inbox`: received documents, claims, packets, acknowledgements.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::acts;
use super::args::Inbox;
use super::checks;
use super::keep;
use super::show::{inbox_state, items, safe, table, text, time};
use super::{Desk, Exit, Failure};
use crate::client::Client;
use crate::door::wait::WAIT_S_MAX;
use crate::screen::address::encode;

pub(super) async fn run(desk: &mut Desk<'_>, what: Inbox) -> Result<Exit, Failure> {
    let client = desk.client()?;
    match what {
        Inbox::Hold(words) => keep::keep(desk, "inbox", "hold", words).await,
        Inbox::Refuse(words) => keep::refuse(desk, words).await,
        Inbox::Release(words) => keep::keep(desk, "inbox", "release", words).await,
        Inbox::Status(words) => acts::status(desk, words).await,
        Inbox::Ls {
            text,
            state,
            limit,
            cursor,
            wait,
        } => {
            let wait = if wait == 0 {
                String::new()
            } else {
                wait.min(WAIT_S_MAX).to_string()
            };
            let query = [
                ("q", text.unwrap_or_default()),
                ("state", state.join(",")),
                ("limit", limit.to_string()),
                ("cursor", cursor.unwrap_or_default()),
                ("wait", wait),
            ];
            let query = query
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            let found = client.get("/inbox", &query).await?;
            list(desk, &found)?;
            Ok(Exit::Ok)
        }
        Inbox::Claim { count, lease, wait } => {
            let found = client.claim(count, lease, wait.min(WAIT_S_MAX)).await?;
            claimed(desk, &found)
        }
        Inbox::Get { id, output, file } => get(desk, &client, &id, output, file).await,
        Inbox::Ack { id, claim } => {
            let done = client.acknowledge(&id, claim.as_deref()).await?;
            acknowledged(desk, &id, &done)
        }
    }
}

fn claimed(desk: &mut Desk<'_>, found: &Value) -> Result<Exit, Failure> {
    list(desk, found)?;
    if items(found, "items").is_empty() {
        return Ok(Exit::No);
    }
    if !desk.json {
        let (claim, until) = (text(found, "claim"), time(text(found, "until")));
        desk.remark(desk.lang.pick(
            &format!("Giữ đến {until}; xác nhận: tram inbox ack MÃ --claim {claim}"),
            &format!("Held until {until}; then: tram inbox ack ID --claim {claim}"),
        ))?;
    }
    Ok(Exit::Ok)
}

async fn get(
    desk: &mut Desk<'_>,
    client: &Client,
    id: &str,
    output: Option<PathBuf>,
    file: Option<u32>,
) -> Result<Exit, Failure> {
    let id = encode(id);
    let (path, name) = match file {
        Some(n) => (format!("/inbox/{id}/files/{n}"), format!("{id}.{n}")),
        None => (format!("/inbox/{id}/package"), format!("{id}.edxml")),
    };
    let output = output.unwrap_or_else(|| PathBuf::from(name));
    let done = fetch(desk, client, &path, &output).await?;
    if output.as_os_str() != "-" {
        checks::remark(desk, client, &id, file).await?;
    }
    Ok(done)
}

fn acknowledged(desk: &mut Desk<'_>, id: &str, done: &Value) -> Result<Exit, Failure> {
    if desk.json {
        desk.print_json(done)?;
    } else {
        let at = time(text(done, "at"));
        let said = desk.lang.pick(
            &format!("{id}: đã nhận lúc {at}"),
            &format!("{id}: taken at {at}"),
        );
        desk.line(said)?;
    }
    Ok(Exit::Ok)
}

fn list(desk: &mut Desk<'_>, found: &Value) -> Result<(), Failure> {
    if desk.json {
        return desk.print_json(found);
    }
    let lang = desk.lang;
    let rows: Vec<Vec<String>> = items(found, "items")
        .iter()
        .map(|row| {
            vec![
                text(row, "id").to_owned(),
                text(row, "code").to_owned(),
                inbox_state(text(row, "state"), lang),
                time(text(row, "received")),
                text(row, "sender").to_owned(),
                text(row, "subject").to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return desk.remark(lang.pick("Không có văn bản đến nào.", "Nothing has arrived."));
    }
    let headings = [
        lang.pick("mã", "id"),
        lang.pick("số ký hiệu", "number"),
        lang.pick("trạng thái", "state"),
        lang.pick("đến lúc", "arrived"),
        lang.pick("nơi gửi", "sender"),
        lang.pick("trích yếu", "subject"),
    ];
    let headings = headings.each_ref().map(String::as_str);
    for line in table(&headings, &rows) {
        desk.line(line)?;
    }
    let next = text(found, "next");
    if !next.is_empty() {
        let (vi, en) = (
            format!("Còn nữa: thêm --cursor {next}"),
            format!("More: add --cursor {next}"),
        );
        desk.remark(lang.pick(&vi, &en))?;
    }
    Ok(())
}

/// Streams an answer to a file, or to standard output for `-`. A file appears whole or not at all.
pub(super) async fn fetch(
    desk: &mut Desk<'_>,
    client: &Client,
    path: &str,
    output: &Path,
) -> Result<Exit, Failure> {
    if output.as_os_str() == "-" {
        client.fetch(path, &mut *desk.out).await?;
        return Ok(Exit::Ok);
    }
    let shown = output.display().to_string();
    let fault = |source| Failure::File {
        path: shown.clone(),
        source,
    };
    let mut part = output.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = std::fs::File::create(&part).map_err(fault)?;
    let bytes = match client.fetch(path, &mut file).await {
        Ok(bytes) => bytes,
        Err(error) => {
            // What is left of a broken download helps nobody; if it stays, the name says what it is.
            drop(std::fs::remove_file(&part));
            return Err(error.into());
        }
    };
    file.sync_all().map_err(fault)?;
    std::fs::rename(&part, output).map_err(fault)?;
    desk.remark(safe(&format!("{shown}: {bytes} B")))?;
    Ok(Exit::Ok)
}
