//! The result of a check for people: lines of text, and a page of its own that can be printed and filed.

use super::page::{STYLE, escaped};
use super::verify::{Level, Report};
use crate::view::Phrase;

/// The verdict in one line.
#[must_use]
pub fn verdict(report: &Report) -> Phrase {
    match (report.valid, report.level) {
        (true, Some(level)) => {
            let words = level.phrase();
            Phrase::new(
                format!("HỢP LỆ: {}", words.vi),
                format!("VALID: {}", words.en),
            )
        }
        (true, None) => Phrase::new("HỢP LỆ", "VALID"),
        (false, _) => Phrase::new("KHÔNG HỢP LỆ", "NOT VALID"),
    }
}

/// Whether the roots still have to be compared.
#[must_use]
pub fn roots(report: &Report) -> Phrase {
    let all = report.roots.join(", ");
    if report.own_roots {
        Phrase::new(
            format!("Tin gốc chứng thư do người kiểm tra đưa vào: {all}"),
            format!("Trusted: the roots that you brought: {all}"),
        )
    } else {
        Phrase::new(
            format!(
                "Gốc chứng thư lấy từ chính gói, hãy so dấu vân tay SHA-256 với nguồn khác: {all}"
            ),
            format!(
                "The roots are the package's own; compare their SHA-256 with another source: {all}"
            ),
        )
    }
}

/// A page of its own: no scripts, nothing from elsewhere, prints on A4. `name` is the file's.
#[must_use]
pub fn html(report: &Report, name: &str) -> String {
    let said = verdict(report);
    let class = if report.valid { "good" } else { "bad" };
    let roots = roots(report);
    let lines: String = report
        .checks
        .iter()
        .map(|check| {
            let (class, mark) = match check.ok {
                true => ("good", "✓ đạt"),
                false => ("bad", "✗ không đạt"),
            };
            format!(
                "<tr><td class=\"{class}\">{mark}</td><td>{}</td><td>{} <span lang=\"en\">{}</span></td></tr>\n",
                escaped(&check.at.member),
                escaped(&check.text.vi),
                if check.text.vi == check.text.en { String::new() } else { escaped(&check.text.en) },
            )
        })
        .collect();
    let level = report.level.map_or("", Level::code);
    format!(
        "<!doctype html>\n<html lang=\"vi\">\n<head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>Kết quả kiểm tra gói bằng chứng</title>\n<style>{STYLE}</style></head>\n\
         <body><main data-level=\"{level}\">\n\
         <h1>Kết quả kiểm tra gói bằng chứng <span lang=\"en\">Check of a proof package</span></h1>\n\
         <p>{}</p>\n<p class=\"{class}\"><strong>{}</strong><br><span lang=\"en\">{}</span></p>\n\
         <p>{}<br><span lang=\"en\">{}</span></p>\n\
         <table class=\"list\">\n<thead><tr><th scope=\"col\">Kết quả <span lang=\"en\">Result</span></th>\
         <th scope=\"col\">Tệp <span lang=\"en\">Member</span></th>\
         <th scope=\"col\">Phép kiểm tra <span lang=\"en\">Check</span></th></tr></thead>\n\
         <tbody>\n{lines}</tbody></table>\n\
         </main></body>\n</html>\n",
        escaped(name),
        escaped(&said.vi),
        escaped(&said.en),
        escaped(&roots.vi),
        escaped(&roots.en),
    )
}
