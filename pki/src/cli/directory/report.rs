//! Report: what an import would do or did, for people and for programs.

use formats::id::AgencyCode;
use serde_json::{Value, json};

use super::compare::{Change, Field, Kind, Wanted};
use super::finding::Findings;
use super::table::Table;
use super::whole::Proposals;
use crate::cli::{Failure, Output};

/// Everything that is told.
pub(super) struct Report {
    rows: u64,
    counts: Counts,
    diff: Diff,
    errors: Findings,
    warnings: Findings,
    proposals: Proposals,
    /// Bundles that were signed.
    pub(super) signed: Vec<u32>,
}

#[derive(Default)]
struct Counts {
    added: usize,
    changed: usize,
    ended: usize,
    unchanged: usize,
    missing: usize,
}

/// The first changes, as lines and as JSON.
#[derive(Default)]
struct Diff {
    lines: Vec<String>,
    json: Vec<Value>,
    total: usize,
}

impl Report {
    pub(super) fn new(
        wanted: &Wanted,
        table: &Table,
        errors: Findings,
        warnings: Findings,
        proposals: Proposals,
    ) -> Self {
        let mut counts = Counts::default();
        let mut diff = Diff::default();
        for change in wanted.values() {
            let count = match &change.kind {
                Kind::Added => &mut counts.added,
                Kind::Changed(_) => &mut counts.changed,
                Kind::Ended(_) => &mut counts.ended,
                Kind::Unchanged => &mut counts.unchanged,
                Kind::Missing => &mut counts.missing,
            };
            *count += 1;
            diff.add(change);
        }
        Self {
            rows: table.count,
            counts,
            diff,
            errors: errors.sorted(),
            warnings: warnings.sorted(),
            proposals,
            signed: Vec::new(),
        }
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.errors.total > 0
    }

    /// The faults. Nothing was written.
    pub(super) fn failure(&self) -> Failure {
        let cause = format!(
            "{} fault(s) in {} rows, nothing was written ({} lỗi, chưa ghi gì):\n{}{}",
            self.errors.total,
            self.rows,
            self.errors.total,
            self.errors.lines(),
            self.warned()
        );
        let next = "correct the file and run the same command again (sửa tệp rồi chạy lại)";
        Failure::new(cause, next).with_details(json!({
            "rows": self.rows, "written": false,
            "faults_total": self.errors.total, "faults": self.errors.json(),
            "warnings_total": self.warnings.total, "warnings": self.warnings.json(),
        }))
    }

    pub(super) fn output(&self, dry_run: bool, diff: bool) -> Output {
        let Counts {
            added,
            changed,
            ended,
            unchanged,
            missing,
        } = self.counts;
        let mut text = format!(
            "{} rows (dòng): {added} added (thêm), {changed} changed (sửa), {ended} ended (ngừng), \
             {unchanged} unchanged (giữ nguyên); {missing} of the directory not in the file (không có \
             trong tệp).\n",
            self.rows
        );
        if diff {
            text += &self.diff.text();
        }
        text += self.warned().trim_start();
        text += &self.proposed();
        text += &match (dry_run, self.signed.len()) {
            (true, _) => "Nothing was written (chạy thử, chưa ghi gì).".to_owned(),
            (false, 0) => "Nothing to write (không có gì thay đổi).".to_owned(),
            (false, count) => format!("{count} bundle(s) signed into records/ (đã ký, đã ghi)."),
        };
        let mut json = json!({
            "rows": self.rows, "written": !dry_run && !self.signed.is_empty(), "dry_run": dry_run,
            "added": added, "changed": changed, "ended": ended, "unchanged": unchanged,
            "missing": missing, "bundles": self.signed,
            "warnings_total": self.warnings.total, "warnings": self.warnings.json(),
            "proposals_total": self.proposals.total,
            "proposals": self.proposals.kept.iter().map(proposal).collect::<Value>(),
        });
        if diff && let Some(object) = json.as_object_mut() {
            object.insert("diff".to_owned(), Value::Array(self.diff.json.clone()));
            object.insert("diff_total".to_owned(), self.diff.total.into());
        }
        Output::new(text, json)
    }

    fn warned(&self) -> String {
        if self.warnings.total == 0 {
            return String::new();
        }
        let (total, lines) = (self.warnings.total, self.warnings.lines());
        format!("\n{total} warnings (cảnh báo):\n{lines}\n")
    }

    fn proposed(&self) -> String {
        let Proposals { total, kept } = &self.proposals;
        if *total == 0 {
            return String::new();
        }
        let shown = kept.iter().take(PROPOSED_SHOWN_MAX);
        let lines: Vec<String> = shown
            .map(|(code, old)| format!("  {code} ← {old}"))
            .collect();
        let more = total.saturating_sub(lines.len());
        let more = if more > 0 {
            format!("\n  … and {more} more (và {more} mã nữa; --json lists 1,000)")
        } else {
            String::new()
        };
        format!(
            "{total} without an old code; likely ones, to be added to the file if right (chưa có mã cũ; mã \
             có thể đúng, ghi vào tệp nếu đúng):\n{}{more}\n",
            lines.join("\n")
        )
    }
}

fn proposal((code, old): &(AgencyCode, formats::id::OldAgencyCode)) -> Value {
    json!({ "code": code.as_str(), "alias": old.as_str() })
}

impl Diff {
    fn add(&mut self, change: &Change) {
        let (sign, word, fields): (_, _, &[Field]) = match &change.kind {
            Kind::Added => ('+', "added", &[]),
            Kind::Changed(fields) => ('~', "changed", fields),
            Kind::Ended(fields) => ('-', "ended", fields),
            Kind::Missing => ('?', "missing", &[]),
            Kind::Unchanged => return,
        };
        self.total += 1;
        if self.lines.len() >= SHOWN_MAX {
            return;
        }
        let agency = &change.agency;
        let mut line = format!("{sign} {} {}", agency.code, agency.name);
        let mut changes = Vec::new();
        for Field { name, from, to } in fields {
            line += &format!("\n    {name}: {from:?} → {to:?}");
            changes.push(json!({ "field": name, "from": from, "to": to }));
        }
        self.lines.push(line);
        self.json.push(json!({
            "code": agency.code.as_str(), "name": agency.name, "change": word, "line": change.line,
            "fields": changes,
        }));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text += line;
            text.push('\n');
        }
        let more = self.total.saturating_sub(self.lines.len());
        if more > 0 {
            text += &format!("… and {more} more (và {more} cơ quan nữa)\n");
        }
        text
    }
}

/// Changes that are listed.
const SHOWN_MAX: usize = 1_000;
/// Proposals in the text.
const PROPOSED_SHOWN_MAX: usize = 20;
