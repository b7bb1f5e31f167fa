//! How answers look on a terminal: tables, times, states, errors.

use std::io::Write;

use formats::time::Timestamp;
use serde_json::{Value, json};

use super::{Exit, Failure};
use crate::client::{ClientError, ProblemAnswer};
use crate::screen::words::Lang;
use crate::view::{InboxState, RecipientState};

/// A text member of an object; empty when it is not there.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

/// A number member of an object.
pub(super) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// The items of a list answer.
pub(super) fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A two-language text of the node.
pub(super) fn phrase(value: &Value, lang: Lang) -> &str {
    text(value, lang.code())
}

/// An RFC 3339 time of the node in Vietnam time; what is none stays as it is.
pub(super) fn time(text: &str) -> String {
    Timestamp::parse_rfc3339(text).map_or_else(|_| text.to_owned(), Timestamp::vietnam)
}

/// A recipient state in words; an unknown word stays as it is.
pub(super) fn state(code: &str, lang: Lang) -> String {
    RecipientState::parse(code).map_or_else(
        || code.to_owned(),
        |state| {
            let text = state.text();
            lang.pick(&text.vi, &text.en)
        },
    )
}

/// An inbox state in words.
pub(super) fn inbox_state(code: &str, lang: Lang) -> String {
    InboxState::parse(code).map_or_else(
        || code.to_owned(),
        |state| {
            let text = state.text();
            lang.pick(&text.vi, &text.en)
        },
    )
}

/// What a terminal must not see: control characters of texts that others wrote.
pub(super) fn safe(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

/// Columns under headings, two spaces between; the last one is not padded. Widths count characters,
/// which is right for composed Vietnamese.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = headings
        .iter()
        .map(|heading| heading.chars().count())
        .collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| safe(cell)).collect())
        .collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let mut out = String::new();
        for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if at + 1 < cells.len() {
                let missing = width.saturating_sub(cell.chars().count());
                out.extend(std::iter::repeat_n(' ', missing + 2));
            }
        }
        out.trim_end().to_owned()
    };
    let headings: Vec<String> = headings
        .iter()
        .map(|heading| heading.to_uppercase())
        .collect();
    std::iter::once(line(&headings))
        .chain(rows.iter().map(|row| line(row)))
        .collect()
}

/// Says what went wrong, why, and what to do now; the exit code.
pub(super) fn failure(failure: &Failure, lang: Lang, as_json: bool, err: &mut dyn Write) -> Exit {
    let (exit, lines, json) = match failure {
        Failure::Usage(text) => (Exit::Usage, vec![text.clone()], local("usage", text)),
        Failure::File { path, source } => {
            let text = format!("{path}: {source}");
            (Exit::Usage, vec![text.clone()], local("file", &text))
        }
        Failure::Stamp(why) => {
            let next = lang.pick(
                "kiểm tra địa chỉ --tsa và kết nối, rồi chạy lại; chưa ghi gì cả",
                "look at the --tsa address and the network, then run it again; nothing was written",
            );
            (
                Exit::Unreachable,
                vec![why.clone(), next],
                local("time_stamp", why),
            )
        }
        Failure::Output(error) => (
            Exit::No,
            vec![error.to_string()],
            local("output", &error.to_string()),
        ),
        Failure::Client(error) => client(error, lang),
    };
    // The message is all there is; a closed standard error changes nothing about the exit code.
    if as_json {
        let _written = writeln!(err, "{json:#}");
        return exit;
    }
    for (at, line) in lines.iter().enumerate() {
        let start = if at == 0 { "tram: " } else { "      " };
        let _written = writeln!(err, "{start}{}", safe(line));
    }
    exit
}

fn local(code: &str, detail: &str) -> Value {
    json!({ "code": code, "detail": detail })
}

fn client(error: &ClientError, lang: Lang) -> (Exit, Vec<String>, Value) {
    match error {
        ClientError::Denied(problem) => (Exit::Denied, told(problem), json!(problem)),
        ClientError::Refused(problem) => (Exit::No, told(problem), json!(problem)),
        ClientError::File { path, source } => {
            let text = format!("{}: {source}", path.display());
            (Exit::Usage, vec![text.clone()], local("file", &text))
        }
        ClientError::Write(source) => (
            Exit::No,
            vec![source.to_string()],
            local("output", &source.to_string()),
        ),
        ClientError::Strange(what) => {
            let text = lang.pick(
                "câu trả lời không phải của một trạm; kiểm tra địa chỉ (--url, TRAM_URL)",
                "the answer is not one of a node; check the address (--url, TRAM_URL)",
            );
            (
                Exit::Unreachable,
                vec![text, what.clone()],
                local("strange_answer", what),
            )
        }
        ClientError::Unreachable { url, source } => {
            let mut cause: &dyn std::error::Error = source;
            while let Some(lower) = cause.source() {
                cause = lower;
            }
            let why = cause.to_string();
            let text = lang.pick(
                &format!("{url} không trả lời: {why}"),
                &format!("{url} does not answer: {why}"),
            );
            let next = lang.pick(
                "Kiểm tra địa chỉ (--url, TRAM_URL) và trạm có đang chạy không.",
                "Check the address (--url, TRAM_URL) and whether the node runs.",
            );
            (
                Exit::Unreachable,
                vec![text.clone(), next],
                local("unreachable", &text),
            )
        }
    }
}

fn told(problem: &ProblemAnswer) -> Vec<String> {
    let mut lines = vec![if problem.errors.is_empty() && !problem.detail.is_empty() {
        problem.detail.clone()
    } else {
        problem.title.clone()
    }];
    for fault in &problem.errors {
        let place = [&fault.path, &fault.pointer, &fault.parameter]
            .into_iter()
            .find(|place| !place.is_empty());
        let place = place
            .map(|place| format!("  ({place})"))
            .unwrap_or_default();
        lines.push(format!("- {} {}{place}", fault.code, fault.detail));
    }
    if !problem.next.is_empty() {
        lines.push(problem.next.clone());
    }
    lines.push(format!("{} · {}", problem.code, problem.request_id));
    lines
}
