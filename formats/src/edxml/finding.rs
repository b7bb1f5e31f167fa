//! What is wrong or odd in a packet, said to a machine (code, path) and to a clerk (one line each
//! language).
//!
//! Codes follow the field's practice: `N.` missing, `R.` out of range or length, `M.` mismatch,
//! `T.` wrong type, each followed by the dotted path, and our `E-…` and `W-…` [edxml-model 6]. Must
//! not know: how findings are shown or stored.

use super::labels;

/// A reason to refuse the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable code: `E-SECRET`, `N.MessageHeader.Subject` …
    pub code: String,
    /// Slash path of the element, `[n]` after repeated ones.
    pub path: String,
    /// One line in Vietnamese.
    pub vi: String,
    /// One line in English.
    pub en: String,
}

/// Something accepted and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Stable code: `W-DATE` …
    pub code: &'static str,
    /// Slash path of the element, `[n]` after repeated ones.
    pub path: String,
    /// One line in Vietnamese.
    pub vi: String,
    /// One line in English.
    pub en: String,
}

/// Everything found in one packet; nothing stops the list early.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// Reasons to refuse.
    pub faults: Vec<Fault>,
    /// Accepted and shown.
    pub warnings: Vec<Warning>,
}

impl Validation {
    /// Whether the packet may travel.
    #[must_use]
    pub const fn is_acceptable(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Fault {
    /// A mandatory field is missing: `N.`.
    #[must_use]
    pub fn missing(path: &str) -> Self {
        let label = labels::of(path);
        Self {
            code: format!("N.{}", dotted(path)),
            path: path.to_owned(),
            vi: format!("Thiếu {label}"),
            en: format!("{path} is missing"),
        }
    }

    /// A value is outside its range or too long: `R.`.
    #[must_use]
    pub fn range(path: &str, found: &str, allowed: &str) -> Self {
        let label = labels::of(path);
        Self {
            code: format!("R.{}", dotted(path)),
            path: path.to_owned(),
            vi: format!(
                "{} vượt giới hạn: có {found}, cho phép {allowed}",
                capital(label)
            ),
            en: format!("{path} is out of range: found {found}, allowed {allowed}"),
        }
    }

    /// Two values that must agree do not: `M.`.
    #[must_use]
    pub fn mismatch(path: &str, found: &str, expected: &str) -> Self {
        let label = labels::of(path);
        Self {
            code: format!("M.{}", dotted(path)),
            path: path.to_owned(),
            vi: format!("{} không khớp: có {found}, cần {expected}", capital(label)),
            en: format!("{path} does not match: found {found}, expected {expected}"),
        }
    }

    /// A value is not of its type: `T.`. `expected` is shown as it is: `yyyy/MM/dd`, `0..9`.
    #[must_use]
    pub fn wrong_type(path: &str, found: &str, expected: &str) -> Self {
        let label = labels::of(path);
        let found = shortened(found);
        Self {
            code: format!("T.{}", dotted(path)),
            path: path.to_owned(),
            vi: format!("{} sai kiểu: \"{found}\", cần {expected}", capital(label)),
            en: format!("{path} has the wrong type: \"{found}\", expected {expected}"),
        }
    }

    /// A fault with its own code and texts.
    #[must_use]
    pub fn coded(code: &str, path: &str, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            path: path.to_owned(),
            vi: vi.into(),
            en: en.into(),
        }
    }

    /// E-SENDER: `From` is not the authenticated agency. Checked by the caller, who knows who is
    /// logged in.
    #[must_use]
    pub fn sender(found: &str, authenticated: &str) -> Self {
        Self::coded(
            "E-SENDER",
            "MessageHeader/From/OrganId",
            format!("Bên gửi {found} không phải đơn vị đã xác thực {authenticated}"),
            format!("the sender {found} is not the authenticated agency {authenticated}"),
        )
    }

    /// E-RECEIVER: the receiver at 1-based `position` is unknown, expired or locked; `vi` and `en`
    /// say which.
    #[must_use]
    pub fn receiver(position: usize, code: &str, vi: &str, en: &str) -> Self {
        Self::coded(
            "E-RECEIVER",
            &format!("MessageHeader/To[{position}]/OrganId"),
            format!("Bên nhận {code}: {vi}"),
            format!("receiver {code}: {en}"),
        )
    }

    /// E-STATUS: a status for an unknown document, or from an agency that is no party to it.
    #[must_use]
    pub fn status(path: &str, vi: &str, en: &str) -> Self {
        Self::coded("E-STATUS", path, vi, en)
    }
}

impl Warning {
    /// A warning with its code and texts.
    #[must_use]
    pub fn new(
        code: &'static str,
        path: &str,
        vi: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self {
            code,
            path: path.to_owned(),
            vi: vi.into(),
            en: en.into(),
        }
    }

    /// W-DUP: the receiver has this document already [Decree 30/2020 annex VI]. The caller knows
    /// its ledger.
    #[must_use]
    pub fn duplicate(what: &str) -> Self {
        Self::new(
            "W-DUP",
            "MessageHeader/DocumentId",
            format!("Văn bản đã có trong hệ thống: {what}"),
            format!("the document is already known: {what}"),
        )
    }
}

/// `MessageHeader/To[2]/OrganId` → `MessageHeader.To.OrganId`: codes name the field, paths the
/// place.
pub(super) fn dotted(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut in_index = false;
    for character in path.chars() {
        match character {
            '[' => in_index = true,
            ']' => in_index = false,
            '/' => out.push('.'),
            _ if in_index => {}
            other => out.push(other),
        }
    }
    out
}

/// First letter in upper case, for a label at the head of a sentence.
fn capital(label: &str) -> String {
    let mut characters = label.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// At most 60 characters of somebody's text, so that a finding stays one line.
pub(super) fn shortened(text: &str) -> String {
    let one_line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(61)
        .collect();
    if one_line.chars().count() > 60 {
        one_line.chars().take(60).chain(['…']).collect()
    } else {
        one_line
    }
}
