//! The linter: named rules that everything we sign passes before it is signed, and that can be run
//! over anybody's certificate or revocation list.
//!
//! Owns: the rules ([`RULES`], each with a stable code, its clause and its words in two languages),
//! and [`Linted`], without which nothing is signed: only this module makes one, after a run without
//! an error. The linter looks at finished bytes and shares no code with what built them.
//! Fails with [`LintError`], which holds every finding at once. Must not know: keys, the ledger,
//! files.

mod certificate;
mod crl;
mod names;
mod rules;

use std::fmt;

use der::asn1::BitString;
use der::{Any, Decode, Encode};
use formats::id::TrustDomain;
use spki::AlgorithmIdentifierOwned;

use crate::cert::{Certificate, hex};
use crate::chain;
use crate::profile::{Profile, Profiles, Signed, Template};
use crate::revoke::Crl;

pub use rules::{Object, RULES, Rule, Severity};

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// What was found, with the value.
    pub detail: String,
}

impl Finding {
    /// Whether the object must not be signed or used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.rule.severity == Severity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.code, self.rule.english)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.detail)
        }
    }
}

/// The linter found errors; nothing was signed.
#[derive(Clone, Debug)]
pub struct LintError(Vec<Finding>);

impl LintError {
    /// Every finding, warnings included.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for LintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lint: ")?;
        let errors = self.0.iter().filter(|finding| finding.is_error());
        for (index, finding) in errors.enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LintError {}

/// What is known beside the object itself. What is absent makes its rules silent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The issuer's certificate.
    pub issuer: Option<&'a Certificate>,
    /// The trust domain below which names lie.
    pub domain: Option<&'a TrustDomain>,
    /// The profiles; the built-in ones if absent.
    pub profiles: Option<&'a Profiles>,
}

impl<'a> Beside<'a> {
    fn profile_of(&self, cert: &Certificate) -> Option<&'a Profile> {
        let profiles = self.profiles.unwrap_or_else(|| Profiles::built_in());
        cert.role().ok().map(|role| profiles.of(role))
    }
}

/// Whether the signature is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Signed,
    Unsigned,
}

/// Runs every rule over a certificate (DER). No finding means that nothing is wrong.
#[must_use]
pub fn certificate(der: &[u8], beside: &Beside<'_>) -> Vec<Finding> {
    certificate_at(der, beside, Stage::Signed)
}

/// Runs every rule over a revocation list (DER).
#[must_use]
pub fn crl(der: &[u8], beside: &Beside<'_>) -> Vec<Finding> {
    crl_at(der, beside, Stage::Signed)
}

fn certificate_at(der: &[u8], beside: &Beside<'_>, stage: Stage) -> Vec<Finding> {
    let mut found = Findings::default();
    if let Err(error) = crate::sign::check_der(der) {
        found.add(&rules::DER, error);
    }
    match Certificate::parse(der) {
        Ok(cert) => certificate::check(&cert, beside, stage, &mut found),
        Err(error) => found.add(&rules::PARSE, error),
    }
    found.0
}

fn crl_at(der: &[u8], beside: &Beside<'_>, stage: Stage) -> Vec<Finding> {
    let mut found = Findings::default();
    match Crl::parse(der) {
        Ok(list) => crl::check(&list, beside, stage, &mut found),
        Err(error) => found.add(&rules::PARSE, error),
    }
    found.0
}

/// Findings as they come.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: &'static Rule, detail: impl fmt::Display) {
        // A hostile certificate must not fill memory or a terminal with its own words.
        if self.0.len() >= FINDINGS_MAX {
            return;
        }
        let detail = detail.to_string();
        let detail = detail.chars().filter(|one| !one.is_control());
        let detail = detail.take(DETAIL_CHARACTERS_MAX).collect();
        self.0.push(Finding { rule, detail });
    }

    /// Adds a finding when `holds` is false.
    fn demand(&mut self, holds: bool, rule: &'static Rule, detail: impl fmt::Display) {
        if !holds {
            self.add(rule, detail);
        }
    }
}

/// To-be-signed bytes in which the linter found no error: the token that signing needs.
#[derive(Debug)]
pub struct Linted {
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    warnings: Vec<Finding>,
}

impl Linted {
    /// The bytes to sign.
    pub(crate) fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// Findings that are no errors.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The finished object with this signature.
    pub(crate) fn with_signature(&self, signature: &[u8]) -> der::Result<Vec<u8>> {
        assemble(&self.tbs, &self.algorithm, signature)
    }
}

/// Lints a certificate that is about to be signed, also against what was asked for.
pub(crate) fn pass_certificate(
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    template: &Template,
    beside: &Beside<'_>,
) -> Result<Linted, LintError> {
    let mut found = Findings::default();
    // The linter sees the certificate as it will be, with an empty value where the signature goes.
    match assemble(&tbs, &algorithm, &[0]) {
        Ok(candidate) => {
            found.0 = certificate_at(&candidate, beside, Stage::Unsigned);
            if let Ok(cert) = Certificate::parse(&candidate) {
                check_asked(&cert, template, beside, &mut found);
            }
        }
        Err(error) => found.add(&rules::DER, error),
    }
    passed(tbs, algorithm, found)
}

/// Lints a revocation list that is about to be signed.
pub(crate) fn pass_crl(
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    beside: &Beside<'_>,
) -> Result<Linted, LintError> {
    let mut found = Findings::default();
    match assemble(&tbs, &algorithm, &[0]) {
        Ok(candidate) => found.0 = crl_at(&candidate, beside, Stage::Unsigned),
        Err(error) => found.add(&rules::DER, error),
    }
    passed(tbs, algorithm, found)
}

fn passed(
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    found: Findings,
) -> Result<Linted, LintError> {
    if found.0.iter().any(Finding::is_error) {
        return Err(LintError(found.0));
    }
    Ok(Linted {
        tbs,
        algorithm,
        warnings: found.0,
    })
}

/// What only the issuer can check: that the certificate says what was asked for, and that our own
/// verifier would believe it.
fn check_asked(cert: &Certificate, template: &Template, beside: &Beside<'_>, found: &mut Findings) {
    found.demand(
        cert.spki_der() == template.spki_der,
        &rules::ASKED,
        "the key is another one",
    );
    let (from, until) = (template.not_before.floor_s(), template.not_after.floor_s());
    found.demand(
        (cert.not_before(), cert.not_after()) == (from, until),
        &rules::ASKED,
        format!("valid {} – {}", cert.not_before(), cert.not_after()),
    );
    match cert.role() {
        Ok(role) => found.demand(role == template.role, &rules::ASKED, role),
        Err(error) => found.add(&rules::ASKED, error),
    }
    let Some(domain) = beside.domain else { return };
    if let Some(wanted) = &template.party {
        match cert.party(domain) {
            Ok(party) => found.demand(party == *wanted, &rules::ASKED, party),
            Err(error) => found.add(&rules::ASKED, error),
        }
    }
    if let Err(error) = chain::lint(cert, template.role, beside.issuer, domain) {
        found.add(&rules::VERIFIER, error);
    }
}

fn assemble(
    tbs: &[u8],
    algorithm: &AlgorithmIdentifierOwned,
    signature: &[u8],
) -> der::Result<Vec<u8>> {
    Signed {
        tbs: Any::from_der(tbs)?,
        algorithm: algorithm.clone(),
        signature: BitString::from_bytes(signature)?,
    }
    .to_der()
}

/// Bytes as people compare them, cut to what fits a line.
fn shown(bytes: &[u8]) -> String {
    hex(bytes
        .get(..bytes.len().min(SHOWN_BYTES))
        .unwrap_or_default())
}

const DETAIL_CHARACTERS_MAX: usize = 200;
const FINDINGS_MAX: usize = 200;
const SHOWN_BYTES: usize = 20;

#[cfg(test)]
pub(crate) mod tests;
