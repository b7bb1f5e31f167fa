//! How the signatures inside an attachment are shown beside it.

use super::document;
use super::parts::{FileLine, Pill, Tone};
use super::words::{Lang, Words};
use crate::door::problem::said;
use crate::view::{AttachmentView, CheckState, FileCheck};

/// What stands below an attachment.
#[derive(Debug, Clone)]
pub(crate) struct CheckLines {
    pub(crate) pill: Pill,
    pub(crate) lines: Vec<String>,
}

impl CheckLines {
    fn of(lang: Lang, check: &FileCheck) -> Self {
        let tone = match check.state {
            CheckState::Invalid => Tone::Bad,
            CheckState::None => Tone::Mute,
            CheckState::Pending => Tone::Info,
            CheckState::Unknown => Tone::Wait,
            CheckState::Valid => Tone::Ok,
        };
        let signed = matches!(
            check.state,
            CheckState::Invalid | CheckState::Unknown | CheckState::Valid
        );
        let text = said(&check.text, lang);
        let head = match (signed, lang) {
            (true, Lang::En) => format!("Signatures: {text}"),
            (true, Lang::Vi) => format!("Chữ ký số: {text}"),
            (false, _) => text.to_owned(),
        };
        Self {
            pill: Pill::new(tone, head),
            lines: check
                .lines()
                .map(|line| said(line, lang).to_owned())
                .collect(),
        }
    }
}

/// The attachments of a received document, with what is known of their signatures below each.
pub(crate) fn files(
    w: &'static Words,
    attachments: &[AttachmentView],
    base: &str,
    lang: Lang,
) -> Vec<FileLine> {
    let mut lines = document::files(w, attachments, base);
    for (line, file) in lines.iter_mut().zip(attachments) {
        line.check = file
            .signatures
            .as_ref()
            .map(|check| CheckLines::of(lang, check));
    }
    lines
}

#[cfg(test)]
mod tests {
    use askama::Template;
    use formats::time::Timestamp;
    use pki::pdf::{PdfReport, Problem};

    use super::*;

    #[test]
    fn a_report_is_shown_as_a_pill_and_its_lines_in_one_language() {
        let report = PdfReport {
            signatures: Vec::new(),
            problems: vec![Problem::Encrypted],
        };
        let check = FileCheck::of(report, Timestamp::from_unix_s(0));
        for (lang, head, line) in [
            (Lang::Vi, "Chữ ký số: chưa xác định", "tệp được mã hóa"),
            (
                Lang::En,
                "Signatures: not determined",
                "the document is encrypted",
            ),
        ] {
            let shown = CheckLines::of(lang, &check);
            assert!(shown.pill.render().unwrap().contains(head));
            assert_eq!(shown.lines, [line]);
        }
        let none = FileCheck::of(PdfReport::default(), Timestamp::from_unix_s(0));
        let shown = CheckLines::of(Lang::Vi, &none);
        assert!(
            shown
                .pill
                .render()
                .unwrap()
                .contains("không có chữ ký số trong tệp")
        );
        assert!(shown.lines.is_empty());
    }
}
