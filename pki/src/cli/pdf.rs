//! `tram-pki pdf`: who signed a PDF, and whether to believe it. Judges, but never refuses.

use std::fs::File;
use std::path::Path;

use formats::time::Timestamp;
use pki::pdf::{self, Anchors, Language, PdfReport};
use serde_json::{Value, json};

use super::failure::Next;
use super::{Failure, Output};

pub(super) fn run(
    file: &Path,
    anchors: Option<&Path>,
    language: Language,
    now: Timestamp,
) -> Result<Output, Failure> {
    let anchors = match anchors {
        Some(folder) => Anchors::load(folder)
            .next("give a folder with certificates of authorities as PEM or DER files")?,
        None => Anchors::default(),
    };
    let open = || {
        let opened = File::open(file)?;
        let bytes = opened.metadata()?.len();
        Ok::<_, std::io::Error>((opened, bytes))
    };
    let (opened, bytes) = open().next("give the path of a PDF file")?;
    let report = pdf::check(opened, bytes, &anchors, now);
    Ok(Output::new(text(&report, language), value(&report)))
}

fn value(report: &PdfReport) -> Value {
    json!({
        "kind": "pdf",
        "verdict": report.verdict().map(|verdict| verdict.code()),
        "signatures": report.signatures,
        "problems": report.problems,
    })
}

fn text(report: &PdfReport, language: Language) -> String {
    let vietnamese = language == Language::Vietnamese;
    let say = |english: &'static str, words: &'static str| if vietnamese { words } else { english };
    let mut text = String::new();
    for problem in &report.problems {
        text += &format!("! {}\n", say(problem.english(), problem.vietnamese()));
    }
    if report.signatures.is_empty() {
        text += say("No signatures found.\n", "Không tìm thấy chữ ký nào.\n");
    }
    for (index, one) in report.signatures.iter().enumerate() {
        text += &format!("{}. {}\n", index.saturating_add(1), one.sentence(language));
        let mut line = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                text += &format!("   {name}: {value}\n");
            }
        };
        let signer = one.signer.as_ref();
        line(say("field", "trường"), Some(&one.field));
        line(
            say("certificate serial", "số chứng thư"),
            signer.map(|signer| signer.serial.as_str()),
        );
        line(
            say("issued by", "nơi cấp"),
            signer.map(|signer| signer.issuer.as_str()),
        );
        let claimed = shown(one.claimed_time.as_deref());
        line(
            say("claimed time (not proven)", "thời điểm ký tự khai"),
            claimed.as_deref(),
        );
        let stamped = shown(one.stamped_time.as_deref());
        line(say("time-stamped", "dấu thời gian"), stamped.as_deref());
        line(say("kind", "loại"), Some(&one.subfilter));
        line(say("digest", "hàm băm"), one.digest.as_deref());
        let covers = say(one.coverage.english(), one.coverage.vietnamese());
        line(say("covers", "bao phủ"), Some(covers));
        let changes = say(one.changes.english(), one.changes.vietnamese());
        line(say("afterwards", "sau khi ký"), Some(changes));
    }
    text
}

/// A time as people in Vietnam read it.
fn shown(time: Option<&str>) -> Option<String> {
    Some(Timestamp::parse_rfc3339(time?).ok()?.vietnam())
}
