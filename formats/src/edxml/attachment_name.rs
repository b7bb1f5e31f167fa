//! Names of attachments: what is odd in one, and how it becomes safe for a disk.
//!
//! The name as written stays for display and for writing back; every other name here is derived
//! from it. Must not know: disks, packets.

use std::collections::HashSet;

use super::text::{composed, is_direction_mark, is_invisible};

/// Something in a name that makes it look or act other than a clerk expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOddity {
    /// Control characters (C0, DEL, C1).
    Control,
    /// A device name of Windows: `CON`, `LPT1` …
    Device,
    /// Marks that turn the direction of writing.
    Direction,
    /// Begins with a dot: hidden on many systems.
    Hidden,
    /// Characters that cannot be seen.
    Invisible,
    /// Decomposed Unicode: looks the same, compares differently.
    NotComposed,
    /// Separators of paths.
    Path,
    /// Characters that Windows refuses, or a dot or blank at the end, which it drops.
    Reserved,
}

impl NameOddity {
    /// In Vietnamese.
    #[must_use]
    pub const fn vi(self) -> &'static str {
        match self {
            Self::Control => "có ký tự điều khiển",
            Self::Device => "trùng tên thiết bị của Windows",
            Self::Direction => "có ký tự đảo chiều chữ",
            Self::Hidden => "bắt đầu bằng dấu chấm",
            Self::Invisible => "có ký tự không nhìn thấy",
            Self::NotComposed => "viết bằng Unicode tổ hợp, tên lưu được đổi sang dựng sẵn",
            Self::Path => "có ký tự của đường dẫn",
            Self::Reserved => "có ký tự Windows không cho phép",
        }
    }

    /// In English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            Self::Control => "contains control characters",
            Self::Device => "is a device name of windows",
            Self::Direction => "contains characters that turn the writing direction",
            Self::Hidden => "begins with a dot",
            Self::Invisible => "contains invisible characters",
            Self::NotComposed => "is written in decomposed unicode and stored composed",
            Self::Path => "contains path characters",
            Self::Reserved => "contains characters that windows does not allow",
        }
    }
}

/// Everything odd in a name, each thing once.
#[must_use]
pub fn oddities(name: &str) -> Vec<NameOddity> {
    let has = |odd: fn(char) -> bool| name.chars().any(odd);
    let composed = composed(name);
    let found = [
        (NameOddity::Control, has(char::is_control)),
        (NameOddity::Device, is_device(name)),
        (NameOddity::Direction, has(is_direction_mark)),
        (NameOddity::Hidden, last_part(name).starts_with('.')),
        (NameOddity::Invisible, has(is_invisible)),
        (NameOddity::NotComposed, composed != name),
        (NameOddity::Path, name.contains(['/', '\\'])),
        (
            NameOddity::Reserved,
            has(is_reserved) || name.ends_with(['.', ' ']),
        ),
    ];
    found
        .into_iter()
        .filter_map(|(oddity, there)| there.then_some(oddity))
        .collect()
}

/// A name that is safe to use for a file: last path part, NFC, no control, direction, invisible or
/// reserved characters, no leading dot, at most 200 bytes with the extension kept, never empty. The
/// original stays for display.
#[must_use]
pub fn safe_file_name(name: &str) -> String {
    let visible: String = last_part(name)
        .chars()
        .filter(|c| !c.is_control() && !is_direction_mark(*c) && !is_invisible(*c))
        .map(|c| if is_reserved(c) { '_' } else { c })
        .collect();
    let composed = composed(&visible);
    let blank = |c: char| c == '.' || c.is_whitespace();
    let trimmed = composed.trim_matches(blank);
    let mut safe = if is_device(trimmed) {
        format!("_{trimmed}")
    } else {
        trimmed.to_owned()
    };
    if safe.is_empty() {
        "khong-ten".clone_into(&mut safe);
    }
    shorten(&safe, "")
}

/// Safe names for the attachments of one packet, in order and all different: a name that is taken
/// (without regard to letter case, as on Windows) gets ` (2)`, ` (3)` … before its extension.
#[must_use]
// [spec:edxml-24]
pub fn safe_file_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut safe_names = Vec::new();
    for name in names {
        let safe = safe_file_name(name);
        let mut candidate = safe.clone();
        let mut number = 1_usize;
        while !taken.insert(candidate.to_lowercase()) {
            // Ends: only so many names are taken as came before.
            number += 1;
            candidate = shorten(&safe, &format!(" ({number})"));
        }
        safe_names.push(candidate);
    }
    safe_names
}

fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// Windows keeps these names for devices whatever the extension and blanks behind them.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_ascii_uppercase();
    if DEVICES.contains(&stem.as_str()) {
        return true;
    }
    let number = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"));
    // The superscripts count as digits there.
    number.is_some_and(|number| {
        let mut digits = number.chars();
        let digit = |c: char| c.is_ascii_digit() || matches!(c, '\u{B9}' | '\u{B2}' | '\u{B3}');
        digits.next().is_some_and(digit) && digits.next().is_none()
    })
}

const fn is_reserved(c: char) -> bool {
    matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// The name with `mark` before its extension, cut to the limit.
fn shorten(name: &str, mark: &str) -> String {
    let dot = name.rfind('.').filter(|at| *at > 0);
    let extension = dot
        .and_then(|at| name.get(at..))
        .filter(|extension| extension.len() <= EXTENSION_BYTES_MAX)
        .unwrap_or_default();
    let stem = name.strip_suffix(extension).unwrap_or(name);
    let room = NAME_BYTES_MAX
        .saturating_sub(extension.len())
        .saturating_sub(mark.len());
    let end = (0..=room.min(stem.len()))
        .rev()
        .find(|&at| stem.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}{mark}{extension}", stem.get(..end).unwrap_or_default())
}

const DEVICES: [&str; 6] = ["AUX", "CON", "CONIN$", "CONOUT$", "NUL", "PRN"];
/// File systems allow 255 bytes; the rest is room for a caller's prefix.
const NAME_BYTES_MAX: usize = 200;
const EXTENSION_BYTES_MAX: usize = 16;
