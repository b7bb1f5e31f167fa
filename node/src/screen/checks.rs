//! How the signatures inside an attachment are shown beside it.

use super::parts::{FileLine, Pill, Tone};
use super::words::Lang;
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

/// Puts what is known of each attachment below its line.
pub(crate) fn add(lang: Lang, files: &mut [FileLine], attachments: &[AttachmentView]) {
    for (line, file) in files.iter_mut().zip(attachments) {
        line.check = file
            .signatures
            .as_ref()
            .map(|check| CheckLines::of(lang, check));
    }
}
