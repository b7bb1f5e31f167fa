//! Whether to believe a file, step by step: which certificate, which rule, which two times.
//!
//! Owns: the order of the steps and their words; the judging itself is the product's own
//! ([`crate::chain`], [`crate::sign`], [`crate::stamp`], [`crate::record`], [`crate::ocsp`]), so this
//! can never accept what they refuse. Fails: never; what does not hold is a step that fails.
//! Must not know: files, clocks.

mod path;
mod signature;
mod words;

use der::pem;
use formats::id::TrustDomain;
use formats::time::Timestamp;
use serde_json::{Value, json};
use x509_cert::ext::pkix::name::GeneralName;

use super::form::{Form, forms};
use crate::cert::Certificate;
use crate::chain::{TrustStore, Validator};
use crate::csr;
use crate::ocsp;
use crate::pdf::Language;
use crate::revoke::Crl;
use crate::role::Role;

/// What is believed and known beforehand.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    roots: Vec<Certificate>,
    authorities: Vec<Certificate>,
    others: Vec<Certificate>,
    crls: Vec<Crl>,
    domain: Option<TrustDomain>,
}

impl Ground {
    /// Sorts what an operator put into a folder: authorities that issued themselves are believed,
    /// others may stand between. Without a trust domain the widest permitted name of the
    /// authorities is taken.
    #[must_use]
    pub fn new(certs: Vec<Certificate>, crls: Vec<Crl>, domain: Option<TrustDomain>) -> Self {
        let (authorities, others): (Vec<_>, Vec<_>) = certs
            .into_iter()
            .partition(|cert| cert.extensions().is_authority());
        let domain = domain.or_else(|| widest(&authorities));
        let (roots, authorities) = authorities
            .into_iter()
            .partition(Certificate::is_self_issued);
        Self {
            roots,
            authorities,
            others,
            crls,
            domain,
        }
    }

    /// Whether anything is believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    fn store(&self, domain: TrustDomain) -> TrustStore {
        TrustStore {
            trust_domain: domain,
            roots: self.roots.clone(),
            intermediates: self.authorities.clone(),
            crls: self.crls.clone(),
            ocsp: Vec::new(),
        }
    }

    fn validator(&self) -> Option<Validator> {
        Some(Validator::new(self.store(self.domain.clone()?)))
    }

    fn issuers(&self) -> impl Iterator<Item = &Certificate> {
        self.roots.iter().chain(&self.authorities)
    }
}

fn widest(authorities: &[Certificate]) -> Option<TrustDomain> {
    let constraints = authorities
        .iter()
        .filter_map(|ca| ca.extensions().name_constraints.as_ref());
    let bases = constraints
        .flat_map(|known| known.value.permitted_subtrees.iter().flatten())
        .filter_map(|subtree| match &subtree.base {
            GeneralName::DnsName(base) => Some(base.as_str()),
            _ => None,
        });
    bases
        .filter_map(|base| TrustDomain::parse(base).ok())
        .min_by_key(|one| one.as_str().len())
}

/// What is asked beside the file itself.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The time to judge at; absent: a proven time in the file, else `now`.
    pub at: Option<Timestamp>,
    /// The clock.
    pub now: Timestamp,
    /// The role that is needed; absent: the one that the certificate claims.
    pub role: Option<Role>,
    /// What a detached signature or a time-stamp is over.
    pub content: Option<&'a [u8]>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not hold; the file is not believed.
    Fails,
    /// It holds.
    Holds,
    /// Worth knowing; decides nothing.
    Note,
}

/// One step in both languages.
#[derive(Clone, Debug)]
pub struct Step {
    /// How it ended.
    pub state: State,
    /// In English.
    pub english: String,
    /// In Vietnamese.
    pub vietnamese: String,
}

/// The steps in their order.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    steps: Vec<Step>,
}

impl Judgement {
    fn add(&mut self, state: State, english: impl AsRef<str>, vietnamese: impl AsRef<str>) {
        self.steps.push(Step {
            state,
            english: super::clean(english.as_ref()),
            vietnamese: super::clean(vietnamese.as_ref()),
        });
    }

    fn holds_that(&mut self, english: impl AsRef<str>, vietnamese: impl AsRef<str>) {
        self.add(State::Holds, english, vietnamese);
    }

    fn fails(&mut self, english: impl AsRef<str>, vietnamese: impl AsRef<str>) {
        self.add(State::Fails, english, vietnamese);
    }

    fn note(&mut self, english: impl AsRef<str>, vietnamese: impl AsRef<str>) {
        self.add(State::Note, english, vietnamese);
    }

    /// Every step.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether to believe: something was judged and nothing failed.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        let held = self.steps.iter().any(|step| step.state == State::Holds);
        held && self.steps.iter().all(|step| step.state != State::Fails)
    }

    /// One line a step.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let mark = match step.state {
                State::Fails => '✗',
                State::Holds => '✓',
                State::Note => '·',
            };
            let said = match language {
                Language::English => &step.english,
                Language::Vietnamese => &step.vietnamese,
            };
            text += &format!("{mark} {said}\n");
        }
        text += match (self.is_believed(), language) {
            (true, Language::English) => "Believed.\n",
            (true, Language::Vietnamese) => "Tin cậy được.\n",
            (false, Language::English) => "Not believed.\n",
            (false, Language::Vietnamese) => "Không tin cậy được.\n",
        };
        text
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            let state = match step.state {
                State::Fails => "fails",
                State::Holds => "holds",
                State::Note => "note",
            };
            json!({ "state": state, "en": step.english, "vi": step.vietnamese })
        });
        json!({ "believed": self.is_believed(), "steps": steps.collect::<Vec<_>>() })
    }
}

/// Judges everything in a file. A PEM file with a chain is judged as its first certificate, the
/// others being what came along.
#[must_use]
pub fn verify(bytes: &[u8], ground: &Ground, question: &Question<'_>) -> Judgement {
    let mut judged = Judgement::default();
    if ground.is_empty() {
        judged.fails(
            "no self-issued authority among the anchors: nothing can be believed",
            "không có chứng thư gốc trong thư mục neo tin cậy",
        );
        return judged;
    }
    let forms = forms(bytes);
    let certs: Vec<Certificate> = forms
        .iter()
        .filter_map(|form| Certificate::parse(form.der()).ok())
        .collect();
    if let Some((first, along)) = certs.split_first() {
        let at = question.at.unwrap_or(question.now);
        path::certificate(&mut judged, first, along, ground, question.role, at);
        return judged;
    }
    match forms.first() {
        Some(form) => one(&mut judged, form, ground, question),
        None => judged.fails("the file is empty", "tệp rỗng"),
    }
    judged
}

fn one(judged: &mut Judgement, form: &Form, ground: &Ground, question: &Question<'_>) {
    let der = form.der();
    if let Ok(crl) = Crl::parse(der) {
        return list(judged, &crl, ground, question.at.unwrap_or(question.now));
    }
    if let Some(token) = super::stamp::token_of(der) {
        return signature::cms(judged, &token, ground, question);
    }
    if let Ok(response) = ocsp::Response::parse(der) {
        return answer(judged, &response, ground, question);
    }
    let pem =
        pem::encode_string("CERTIFICATE REQUEST", pem::LineEnding::LF, der).unwrap_or_default();
    match csr::requested_key(pem.as_bytes()) {
        Ok(_) => judged.holds_that(
            "the requester holds the private key; names in a request are not used",
            "người yêu cầu giữ khóa riêng; tên trong yêu cầu không được dùng",
        ),
        Err(_) => judged.fails(
            "neither a certificate, a list, a CMS signature, a time-stamp, an OCSP answer nor a request",
            "không phải chứng thư, danh sách, chữ ký CMS, dấu thời gian, OCSP hay yêu cầu",
        ),
    }
}

/// A revocation list: its signer, the signer's path, its age.
fn list(judged: &mut Judgement, crl: &Crl, ground: &Ground, at: Timestamp) {
    let mut last = None;
    for issuer in ground.issuers() {
        match crl.verify(issuer) {
            Ok(()) => {
                judged.holds_that(
                    format!("the list is signed by {}", issuer.subject()),
                    format!("danh sách do {} ký", issuer.subject()),
                );
                path::certificate(judged, issuer, &[], ground, None, at);
                age(judged, crl, at);
                return;
            }
            Err(error) if issuer.subject() == crl.issuer() => last = Some(error.to_string()),
            Err(_) => {}
        }
    }
    let why = last.unwrap_or_else(|| "its issuer is not among the anchors".to_owned());
    judged.fails(
        format!("list of {}: {why}", crl.issuer()),
        format!(
            "danh sách của {}: không xác định được người ký ({why})",
            crl.issuer()
        ),
    );
}

fn age(judged: &mut Judgement, crl: &Crl, at: Timestamp) {
    let Some(next) = crl.next_update() else {
        return judged.fails("the list has no end", "danh sách không có hạn");
    };
    let english = format!("made {}, next by {next}, judged at {at}", crl.this_update());
    let (made, due) = (crl.this_update().vietnam(), next.vietnam());
    let vietnamese = format!(
        "lập lúc {made}, bản sau chậm nhất {due}, xét lúc {}",
        at.vietnam()
    );
    if crl.this_update() > at {
        judged.fails(
            format!("the list is from the future: {english}"),
            format!("danh sách ở tương lai: {vietnamese}"),
        );
    } else if crl.is_fresh(at, 0) {
        judged.holds_that(
            format!("the list is fresh: {english}"),
            format!("danh sách còn hạn: {vietnamese}"),
        );
    } else {
        judged.fails(
            format!("the list is stale: {english}"),
            format!("danh sách quá hạn: {vietnamese}"),
        );
    }
}

/// An OCSP answer: who signed it, for which authority, its age.
fn answer(
    judged: &mut Judgement,
    response: &ocsp::Response,
    ground: &Ground,
    question: &Question<'_>,
) {
    let at = question.at.unwrap_or(question.now);
    for issuer in ground.issuers() {
        let about = response
            .answers()
            .iter()
            .any(|one| one.id().is_issued_by(issuer));
        if !about {
            continue;
        }
        match response.verify(issuer) {
            Ok(signer) => {
                let who = match &signer {
                    ocsp::Signer::Issuer => issuer.subject(),
                    ocsp::Signer::Delegate(cert) => cert.subject(),
                };
                judged.holds_that(
                    format!("the answer for {} is signed by {who}", issuer.subject()),
                    format!("trả lời cho {} do {who} ký", issuer.subject()),
                );
                path::certificate(judged, issuer, &[], ground, None, at);
            }
            Err(error) => judged.fails(
                format!("answer for {}: {error}", issuer.subject()),
                format!("trả lời cho {} không đúng: {error}", issuer.subject()),
            ),
        }
        for one in response.answers() {
            let fresh = one.is_fresh(at, 0) && one.this_update <= at;
            let state = if fresh { State::Holds } else { State::Fails };
            let serial = crate::cert::hex(one.id().serial());
            let until = one
                .next_update
                .map_or_else(|| "–".to_owned(), Timestamp::rfc3339);
            judged.add(
                state,
                format!(
                    "serial {serial}: {:?}, as of {}, until {until}, judged at {at}",
                    one.status, one.this_update
                ),
                format!(
                    "số hiệu {serial}: {:?}, tính đến {}, đến {until}, xét lúc {}",
                    one.status,
                    one.this_update.vietnam(),
                    at.vietnam()
                ),
            );
        }
        return;
    }
    judged.fails(
        "no authority among the anchors is the one that the answer speaks for",
        "không có CA nào trong thư mục neo là nơi mà trả lời nói đến",
    );
}
