//! `SHA256SUMS`: the digest of every other member of a package, in the form of `sha256sum`.
//!
//! It finds damage, in the page and the script too, before anything is judged; it proves nothing, for
//! whoever changes a member can write it anew. One line for each member, `<hex>  <name>\n`, in the order
//! of [`Member`]; one text for one set. Fails by answering nothing.

use std::collections::BTreeMap;

use super::Member;
use crate::id::Digest;
use crate::limits;

/// The digests of a package's members.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sums(pub BTreeMap<Member, Digest>);

impl Sums {
    /// The one text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines = self.0.iter();
        lines
            .map(|(member, digest)| format!("{digest}  {member}\n"))
            .collect()
    }

    /// Reads exactly what [`Self::to_text`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().take(limits::PROOF_MEMBERS_MAX);
        let read = |line: &str| {
            let (digest, name) = line.split_once("  ")?;
            Some((name.parse().ok()?, digest.parse().ok()?))
        };
        let sums = Self(lines.map(read).collect::<Option<_>>()?);
        (sums.to_text() == text).then_some(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_set_has_one_text_and_what_differs_is_refused() {
        let sums = Sums(BTreeMap::from([
            (Member::Readme, Digest::of(b"a")),
            (Member::Record(2), Digest::of(b"b")),
        ]));
        let text = sums.to_text();
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("  records/0002.rec\n"));
        assert_eq!(Sums::parse(&text), Some(sums));
        for bad in [
            text.replace("  ", " "),
            text.replace("records/", "../"),
            text.to_uppercase(),
            format!("{text}{text}"),
            format!("{text}\n"),
            text.trim_end().to_owned(),
        ] {
            assert_eq!(Sums::parse(&bad), None, "{bad:?}");
        }
        assert_eq!(Sums::parse(""), Some(Sums::default()));
    }
}
