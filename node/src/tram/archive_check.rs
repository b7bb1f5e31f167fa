//! `tram evidence verify-record`: an evidence record over packages, or a container with records, in lines or JSON.
//!
//! Owns: the words. Whether a record holds is `pki::ers`'. Fails with files that cannot be read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use formats::time::Timestamp;
use pki::ers::container::Container;
use pki::ers::{Ends, EvidenceRecord, Question, Report, Scope};
use pki::pdf::Anchors;
use relay::clock::Clock;

use super::archive::{exit, read_all, read_small, usage};
use super::show::safe;
use super::{Desk, Exit, Failure};

/// What is asked.
pub(super) struct Asked {
    pub(super) anchors: Anchors,
    /// `None`: now.
    pub(super) at: Option<Timestamp>,
    pub(super) ends: Ends,
    pub(super) scope: Scope,
}

/// Verifies a record over packages, or a container.
pub(super) fn verify(
    desk: &mut Desk<'_>,
    file: &Path,
    packages: &[PathBuf],
    asked: &Asked,
) -> Result<Exit, Failure> {
    let question = Question {
        anchors: &asked.anchors,
        certificates: &[],
        ends: &asked.ends,
        at: asked.at.unwrap_or_else(|| Clock::system().now()),
        scope: asked.scope,
    };
    let bytes = read_small(file)?;
    if bytes.starts_with(b"PK") {
        return container(desk, file, &bytes, &question);
    }
    let record = EvidenceRecord::parse(&bytes).map_err(usage)?;
    if packages.is_empty() {
        return Err(usage(desk.lang.pick(
            "chưa nêu các gói mà bản ghi bảo vệ: verify-record BẢN-GHI GÓI…",
            "name what the record is over: verify-record RECORD PACKAGE…",
        )));
    }
    let hashes = record.hashes().map_err(usage)?;
    let objects = read_all(packages, &hashes)?;
    let report = question.ask(&record, &objects).map_err(usage)?;
    if desk.json {
        desk.print_json(&view(&report))?;
    } else {
        lines(desk, &report)?;
        conclude(desk, report.holds())?;
    }
    Ok(exit(report.holds()))
}

fn container(
    desk: &mut Desk<'_>,
    file: &Path,
    bytes: &[u8],
    question: &Question<'_>,
) -> Result<Exit, Failure> {
    let name = file.to_string_lossy().to_ascii_lowercase();
    let container = Container::open(&name, bytes).map_err(usage)?;
    let verdict = container.check(question).map_err(usage)?;
    let holds = verdict.holds() && verdict.unread.is_empty();
    if desk.json {
        let records = verdict.records.iter().map(|(name, report)| {
            let mut one = view(report);
            one["record"] = json!(name);
            one
        });
        desk.print_json(&json!({
            "valid": holds,
            "records": records.collect::<Vec<Value>>(),
            "unread": verdict.unread,
            "faults": verdict.faults,
        }))?;
        return Ok(exit(holds));
    }
    for (name, report) in &verdict.records {
        desk.line(safe(name))?;
        lines(desk, report)?;
    }
    for (name, fault) in &verdict.faults {
        desk.line(safe(&format!("✗ {name}: {fault}")))?;
    }
    for name in &verdict.unread {
        let why = desk
            .lang
            .pick("bản ghi XML, không đọc", "a record in XML, not read");
        desk.line(safe(&format!("✗ {name}: {why}")))?;
    }
    conclude(desk, holds)?;
    Ok(exit(holds))
}

fn lines(desk: &mut Desk<'_>, report: &Report) -> Result<(), Failure> {
    for stamp in &report.stamps {
        let bad = report
            .faults
            .iter()
            .any(|fault| fault.english().contains(&format!(" {}:", stamp.place)));
        let mark = if bad { "✗" } else { "✓" };
        let line = desk.lang.pick(
            &format!(
                "{mark} dấu thời gian {}: {} của {} ({})",
                stamp.place,
                stamp.time.vietnam(),
                stamp.tsa,
                stamp.hash
            ),
            &format!(
                "{mark} time-stamp {}: {} by {} ({})",
                stamp.place,
                stamp.time.rfc3339(),
                stamp.tsa,
                stamp.hash
            ),
        );
        desk.line(safe(&line))?;
    }
    for object in &report.covered {
        let line = desk.lang.pick(
            &format!("✓ bao gồm {object}"),
            &format!("✓ covers {object}"),
        );
        desk.line(safe(&line))?;
    }
    for fault in &report.faults {
        let line = desk.lang.pick(&fault.vietnamese(), &fault.english());
        desk.line(safe(&format!("✗ {line}")))?;
    }
    Ok(())
}

fn conclude(desk: &mut Desk<'_>, holds: bool) -> Result<(), Failure> {
    let word = if holds {
        desk.lang.pick("HỢP LỆ", "VALID")
    } else {
        desk.lang.pick("KHÔNG HỢP LỆ", "NOT VALID")
    };
    desk.line(word)
}

fn view(report: &Report) -> Value {
    let stamps = report.stamps.iter().map(|stamp| {
        json!({
            "place": stamp.place.to_string(),
            "hash": stamp.hash.name(),
            "time": stamp.time.rfc3339(),
            "tsa": stamp.tsa,
            "certificate_end": stamp.certificate_end.rfc3339(),
            "held_until": stamp.held_until.rfc3339(),
        })
    });
    let faults = report
        .faults
        .iter()
        .map(|fault| json!({ "vi": fault.vietnamese(), "en": fault.english() }));
    json!({
        "valid": report.holds(),
        "proven": report.proven().map(Timestamp::rfc3339),
        "time_stamps": stamps.collect::<Vec<Value>>(),
        "covered": report.covered,
        "surplus": report.surplus,
        "faults": faults.collect::<Vec<Value>>(),
    })
}
