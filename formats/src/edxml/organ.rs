//! Agencies as packets name them: codes kept verbatim with their kind, names and addresses
//! [edxml-model 5.1].
//!
//! Nothing is converted silently: the old form is compared through the directory's alias table by
//! the caller. Must not know: the directory.

use std::fmt;

use crate::id::{AgencyCode, OldAgencyCode};

/// An agency code exactly as a packet wrote it (outer whitespace removed).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrganId(String);

/// Which form an agency code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganIdKind {
    /// Dotted, top level first: `H29.03` [Decision 20/2020].
    New,
    /// Thirteen characters, top level last: `000.00.03.H29` [Decision 28/2018 art. 10(2)a].
    Old,
    /// Neither.
    Other,
}

/// An agency with what a packet says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Org {
    /// Code.
    pub organ_id: OrganId,
    /// `OrganizationInCharge`: name (some send the code) of the parent agency.
    pub in_charge: Option<String>,
    /// Name.
    pub name: String,
    /// Address.
    pub address: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Telephone.
    pub telephone: Option<String>,
    /// Fax.
    pub fax: Option<String>,
    /// Web site.
    pub website: Option<String>,
}

impl OrganId {
    /// Takes a code as written; never fails, because a wrong code has to be shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The code as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the packet gave none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form used for comparing and for alias lookup: ASCII letters in upper case.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.0.to_ascii_uppercase()
    }

    /// Its form after normalising. A code that fits both is the new form.
    #[must_use]
    // [spec:edxml-12]
    pub fn kind(&self) -> OrganIdKind {
        let code = self.normalised();
        if AgencyCode::parse(&code).is_ok() {
            OrganIdKind::New
        } else if OldAgencyCode::parse(&code).is_ok() {
            OrganIdKind::Old
        } else {
            OrganIdKind::Other
        }
    }

    /// The canonical code, when this is one (new form).
    #[must_use]
    pub fn agency(&self) -> Option<AgencyCode> {
        AgencyCode::parse(&self.normalised()).ok()
    }

    /// The code an old form may be an alias of (`000.00.03.H99` → `H99.03`): for proposing to an
    /// administrator only, never for addressing.
    #[must_use]
    pub fn candidate_alias(&self) -> Option<AgencyCode> {
        match self.kind() {
            OrganIdKind::Old => OldAgencyCode::parse(&self.normalised()).ok()?.likely_code(),
            OrganIdKind::New | OrganIdKind::Other => None,
        }
    }
}

impl fmt::Display for OrganId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&AgencyCode> for OrganId {
    fn from(code: &AgencyCode) -> Self {
        Self(code.as_str().to_owned())
    }
}
