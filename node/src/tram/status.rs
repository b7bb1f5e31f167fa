//! `tram status` and `tram agency`: the node now, and who is who.

use serde_json::Value;

use super::show::{items, number, safe, table, text, time};
use super::{Desk, Exit, Failure, agency};
use crate::screen::words::Lang;

pub(super) async fn run(desk: &mut Desk<'_>) -> Result<Exit, Failure> {
    let status = desk.client()?.status().await?;
    let station = status.get("station").unwrap_or(&Value::Null);
    let links = items(station, "links");
    let up = links
        .iter()
        .filter(|link| link.get("up") == Some(&Value::Bool(true)))
        .count();
    let unsure = station.get("clock_unsure") == Some(&Value::Bool(true));
    let alarms = items(station, "alarms");
    let stopped = alarms.iter().any(|alarm| text(alarm, "level") == "stopped");
    let good = !unsure && !stopped && (links.is_empty() || up > 0);
    if desk.json {
        desk.print_json(&status)?;
        return Ok(if good { Exit::Ok } else { Exit::No });
    }
    let lang = desk.lang;
    let lines = lines(&status, lang, up, unsure);
    for (name, value) in lines {
        desk.line(format!("{name:<14} {}", safe(value.trim())))?;
    }
    for alarm in alarms {
        for line in alarm_lines(alarm, lang) {
            desk.line(safe(&line))?;
        }
    }
    desk.line(if !good {
        lang.pick(
            "CẦN XEM: mất tuyến, đồng hồ hoặc cảnh báo",
            "LOOK: links, clock or alarms",
        )
    } else if alarms.is_empty() {
        lang.pick("TỐT", "GOOD")
    } else {
        lang.pick("CHẠY TỐT, có cảnh báo", "GOOD, with warnings")
    })?;
    Ok(if good { Exit::Ok } else { Exit::No })
}

/// An alarm and its remedy.
fn alarm_lines(alarm: &Value, lang: Lang) -> [String; 2] {
    let said = |name: &str| {
        let phrase = alarm.get(name).unwrap_or(&Value::Null);
        let word = match lang {
            Lang::Vi => "vi",
            Lang::En => "en",
        };
        text(phrase, word).to_owned()
    };
    let until = text(alarm, "until");
    let until = if until.is_empty() {
        String::new()
    } else {
        format!(" ({})", time(until))
    };
    let level = if text(alarm, "level") == "stopped" {
        lang.pick("ĐÃ DỪNG", "STOPPED")
    } else {
        lang.pick("cảnh báo", "warning")
    };
    [
        format!("{} {level}: {}{until}", text(alarm, "code"), said("text")),
        format!("  → {}", said("remedy")),
    ]
}

/// Names and values, one a line.
fn lines(status: &Value, lang: Lang, up: usize, unsure: bool) -> [(String, String); 12] {
    let station = status.get("station").unwrap_or(&Value::Null);
    let links = items(station, "links").len();
    let counts = status.get("counts").unwrap_or(&Value::Null);
    let clock = if unsure {
        lang.pick("chưa chắc chắn", "unsure")
    } else {
        lang.pick("đúng", "right")
    };
    let oldest = text(station, "oldest");
    let stamped = text(station, "stamped_at");
    let agencies: Vec<&str> = items(status, "agencies")
        .iter()
        .map(|agency| text(agency, "code"))
        .collect();
    [
        (
            lang.pick("Trạm", "Station"),
            format!("{} ({})", text(station, "name"), text(status, "version")),
        ),
        (lang.pick("Cơ quan", "Agencies"), agencies.join(", ")),
        (
            lang.pick("Giờ", "Time"),
            format!("{} · {clock}", time(text(status, "time"))),
        ),
        (lang.pick("Tuyến", "Links"), format!("{up}/{links}")),
        (
            lang.pick("Đang chờ", "Waiting"),
            format!("{} {}", number(station, "waiting"), time(oldest)),
        ),
        (
            lang.pick("Nhật ký", "Log"),
            format!("{} · {}", number(station, "log_entries"), time(stamped)),
        ),
        (
            lang.pick("Văn bản đi", "Sent"),
            number(counts, "sent").to_string(),
        ),
        (
            lang.pick("  đang chuyển", "  on the way"),
            number(counts, "moving").to_string(),
        ),
        (
            lang.pick("  cần xử lý", "  to look at"),
            number(counts, "trouble").to_string(),
        ),
        (
            lang.pick("Văn bản đến", "Received"),
            number(counts, "inbox").to_string(),
        ),
        (
            lang.pick("  chưa nhận", "  not taken"),
            number(counts, "inbox_new").to_string(),
        ),
        (
            lang.pick("  giữ lại", "  held"),
            number(counts, "quarantined").to_string(),
        ),
    ]
}

pub(super) async fn agencies(desk: &mut Desk<'_>, words: &str) -> Result<Exit, Failure> {
    let found = desk.client()?.get("/agencies", &[("q", words)]).await?;
    let rows = items(&found, "items");
    let exit = if rows.is_empty() { Exit::No } else { Exit::Ok };
    if desk.json {
        desk.print_json(&found)?;
        return Ok(exit);
    }
    let lang = desk.lang;
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let reachable = row.get("reachable") == Some(&Value::Bool(true));
            vec![
                text(row, "code").to_owned(),
                if reachable {
                    "✓".to_owned()
                } else {
                    "–".to_owned()
                },
                text(row, "station").to_owned(),
                agency::described(lang, row),
            ]
        })
        .collect();
    let headings = [
        lang.pick("mã", "code"),
        lang.pick("nhận", "up"),
        lang.pick("trạm", "station"),
        lang.pick("tên", "name"),
    ];
    let headings = headings.each_ref().map(String::as_str);
    for line in table(&headings, &rows) {
        desk.line(line)?;
    }
    Ok(exit)
}
