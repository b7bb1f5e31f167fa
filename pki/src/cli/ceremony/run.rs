//! `tram-pki ceremony run`: carries a plan out, step by step, each durable before the next.
//!
//! Owns: the order of the steps and the names of the files. Every step looks first whether it was
//! done, so the same command goes on after a crash; a certificate is planned in the ledger before
//! it is signed and written before it is noted, so no serial number is ever signed twice.
//!
//! Folder: `ceremony.toml`, `transcript.jsonl` with `transcript-N.p7s` (the root's signature over
//! part N) and `transcript.txt`, `ledger.jsonl`, `root/root.key`, `shares/`, and what the
//! authorities start from: `authority/` and `records/` with the names that `init` uses.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use formats::id::Digest;
use formats::time::Timestamp;
use pki::ceremony::plan::{Authority, CeremonyPlan, KeyPlace};
use pki::ceremony::transcript::Step;
use pki::ceremony::verify::{LEDGER, PLAN, PRINTABLE, TRANSCRIPT, fits, signature_name, signed_by};
use pki::cert::Certificate;
use pki::csr;
use pki::issue::{CRL_VALID_MS, CrlTemplate, Issuer, prepare_root, sign_root};
use pki::key::SigningKey;
use pki::ledger::Ledger;
use pki::revoke::Crl;
use pki::sign::sign_transcript;
use serde_json::json;

use super::super::failure::Next;
use super::super::workshop::write_public;
use super::super::{Clock, Failure, Output};
use super::book::Book;
use super::keys::{ROOT, SHARES};
use super::passphrase::Passphrases;

/// A ceremony that goes on.
pub(super) struct Hall {
    pub(super) dir: PathBuf,
    pub(super) plan: CeremonyPlan,
    pub(super) book: Book,
    pub(super) passphrases: Passphrases,
    ledger: Ledger,
    clock: Clock,
}

/// Carries out what can be done now.
pub(super) fn run(
    plan: CeremonyPlan,
    out: &Path,
    passphrases: Option<&Path>,
    requests: &[(String, PathBuf)],
    clock: Clock,
) -> Result<Output, Failure> {
    for (name, _) in requests {
        let wanted = plan.issuing.iter().find(|one| one.file == *name);
        if wanted.is_none_or(|one| one.place != KeyPlace::Elsewhere) {
            return Err(Failure::new(
                format!("the plan awaits no request for {name}"),
                "name an authority whose key is \"csr\" in the plan",
            ));
        }
    }
    let mut hall = Hall::enter(plan, out, Passphrases::new(passphrases), clock)?;
    if hall.begin(requests)? {
        hall.root_part(requests)?;
    }
    hall.report()
}

impl Hall {
    fn enter(
        plan: CeremonyPlan,
        out: &Path,
        passphrases: Passphrases,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let step = "look at the disk and run the same command again";
        let known = out.join(TRANSCRIPT).exists();
        let empty = |dir: &Path| dir.read_dir().is_ok_and(|mut found| found.next().is_none());
        if out.exists() && !known && !empty(out) {
            return Err(Failure::new(
                format!("{} is no folder of a ceremony", out.display()),
                "choose a new folder",
            ));
        }
        let make = |dir: &Path| {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(dir).next(step)
        };
        make(out)?;
        let book = Book::open(&out.join(TRANSCRIPT))?;
        for sub in [ROOT, "authority", "records", "requests"] {
            make(&out.join(sub))?;
        }
        let ledger = Ledger::open(&out.join(LEDGER)).next(step)?;
        Ok(Self {
            dir: out.to_path_buf(),
            plan,
            book,
            passphrases,
            ledger,
            clock,
        })
    }

    /// Opens the ceremony or a further part of it; whether there is anything to do.
    fn begin(&mut self, requests: &[(String, PathBuf)]) -> Result<bool, Failure> {
        let tool = format!("tram-pki {}", env!("CARGO_PKG_VERSION"));
        let opened = self.book.steps().next().cloned();
        match opened {
            None => {
                write_public(&self.dir.join(PLAN), self.plan.text.as_bytes())?;
                self.note(Step::Opened {
                    plan_sha256: self.plan.digest.to_string(),
                    authority: self.plan.authority.clone(),
                    trust_domain: self.plan.trust_domain.to_string(),
                    tool,
                })?;
                return Ok(true);
            }
            Some(Step::Opened { plan_sha256, .. })
                if plan_sha256 == self.plan.digest.to_string() => {}
            Some(_) => {
                return Err(Failure::new(
                    "this folder was begun with another plan",
                    "give the same plan, or start anew in another folder",
                ));
            }
        }
        let last = self.book.steps().next_back().cloned();
        let Some(Step::PartClosed { part, pending, .. }) = last else {
            self.note(Step::Resumed { tool })?;
            return Ok(true);
        };
        if !self.dir.join(signature_name(part)).exists() {
            // It stopped between the last line and the signature over it.
            let root = self.key(&self.plan.root.clone())?;
            self.sign_part(part, &root)?;
        }
        if !requests.iter().any(|(name, _)| pending.contains(name)) {
            return Ok(false);
        }
        let previous = self.digest(&signature_name(part))?;
        self.note(Step::PartOpened {
            part: part.saturating_add(1),
            previous,
            tool,
        })?;
        Ok(true)
    }

    fn root_part(&mut self, requests: &[(String, PathBuf)]) -> Result<(), Failure> {
        let domain = self.plan.trust_domain.clone();
        let step = "look at the files of the folder";
        let root = self.plan.root.clone();
        let root_key = self.key(&root)?;
        let root_cert = self.certificate(&root, root_key.spki_der(), None, &root_key)?;
        let issuer = Issuer::new(root_cert, root_key.clone(), domain.clone()).next(step)?;
        let days = i64::from(self.plan.root_list_days);
        self.list(&root, &issuer, days.saturating_mul(DAY_MS))?;
        let mut pending = Vec::new();
        for one in self.plan.issuing.clone() {
            if one.place == KeyPlace::Elsewhere {
                match self.requested(&one, requests)? {
                    Some(spki) => {
                        self.certificate(&one, &spki, Some(&issuer), &root_key)?;
                    }
                    None => pending.push(one.file.clone()),
                }
                continue;
            }
            let key = self.key(&one)?;
            let cert = self.certificate(&one, key.spki_der(), Some(&issuer), &root_key)?;
            let own = Issuer::new(cert, key, domain.clone()).next(step)?;
            self.list(&one, &own, CRL_VALID_MS)?;
        }
        let parts = self.book.transcript().parts().len();
        let part = u64::try_from(parts).unwrap_or(u64::MAX).saturating_add(1);
        let (ledger_lines, head) = self.ledger.head();
        self.note(Step::PartClosed {
            part,
            ledger_lines,
            ledger_head: head.to_string(),
            pending,
        })?;
        self.sign_part(part, &root_key)
    }

    /// A certificate, signed now or before.
    fn certificate(
        &mut self,
        one: &Authority,
        spki: &[u8],
        issuer: Option<&Issuer>,
        signer: &SigningKey,
    ) -> Result<Certificate, Failure> {
        let file = format!("authority/{}.crt", one.file);
        let path = self.dir.join(&file);
        let noted = self.book.steps().find_map(|step| match step {
            Step::CertificateSigned { name, sha256, .. } if *name == one.file => {
                Some(sha256.clone())
            }
            _ => None,
        });
        if let Some(sha256) = noted {
            if self.digest(&file)? != sha256 {
                return Err(changed(&file));
            }
            return Certificate::load(&path).next("bring the file back");
        }
        let cert = if path.exists() {
            self.taken_up(one, &path, spki, signer)?
        } else {
            self.sign_new(one, &path, spki, issuer, signer)?
        };
        let step = "look at the ledger and the disk; run the same command again";
        let entry = self.ledger.entry(&cert.serial_hex());
        if entry.is_some_and(|entry| entry.sha256.is_none()) {
            let now = self.now();
            self.ledger
                .issued(std::slice::from_ref(&cert), now)
                .next(step)?;
        }
        let public = self.dir.join("records").join(format!("{}.crt", one.file));
        write_public(&public, cert.pem().as_bytes())?;
        let sha256 = self.digest(&file)?;
        self.note(Step::CertificateSigned {
            name: one.file.clone(),
            serial: cert.serial_hex(),
            not_after: cert.not_after().rfc3339(),
            fingerprint: cert.sha256().to_string(),
            file,
            sha256,
        })?;
        Ok(cert)
    }

    fn sign_new(
        &mut self,
        one: &Authority,
        path: &Path,
        spki: &[u8],
        issuer: Option<&Issuer>,
        signer: &SigningKey,
    ) -> Result<Certificate, Failure> {
        let step = "correct the plan or the request; nothing was signed";
        let now = self.now();
        let domain = &self.plan.trust_domain;
        let mut template = one.template(domain, spki, now);
        let prepared = match issuer {
            None => prepare_root(template, signer, domain),
            Some(issuer) => {
                // A later part is nearer to the end of the root.
                let end = issuer.certificate().not_after();
                template.not_after = template.not_after.min(end);
                issuer.prepare(template)
            }
        };
        let planned = self
            .ledger
            .plan(vec![prepared.next(step)?], now)
            .next(step)?;
        let planned = planned.into_iter().next();
        let planned = planned.ok_or_else(|| Failure::new("the ledger lost a plan", step))?;
        let cert = match issuer {
            None => sign_root(planned, signer),
            Some(issuer) => issuer.sign(planned),
        };
        let cert = cert.next("run the same command again: another serial number is planned")?;
        write_public(path, cert.pem().as_bytes())?;
        Ok(cert)
    }

    /// A certificate that an interrupted run wrote and did not note.
    fn taken_up(
        &self,
        one: &Authority,
        path: &Path,
        spki: &[u8],
        signer: &SigningKey,
    ) -> Result<Certificate, Failure> {
        let cert = Certificate::load(path).next("remove the damaged file and run it again")?;
        let ours = cert.spki_der() == spki
            && self.ledger.entry(&cert.serial_hex()).is_some()
            && signed_by(&cert, signer.spki_der()).is_ok();
        if ours {
            Ok(cert)
        } else {
            Err(changed(&format!("authority/{}.crt", one.file)))
        }
    }

    /// The first revocation list, signed now or before.
    fn list(&mut self, one: &Authority, issuer: &Issuer, valid_ms: i64) -> Result<(), Failure> {
        let noted = self
            .book
            .steps()
            .any(|step| matches!(step, Step::ListSigned { name, .. } if *name == one.file));
        if noted {
            return Ok(());
        }
        let step = "look at the ledger and the disk; run the same command again";
        let now = self.now();
        // A list that an interrupted run wrote is simply signed again with the next number.
        let (number, entries) = self.ledger.next_crl(issuer.certificate(), now).next(step)?;
        let this_update = now.floor_s();
        let template = CrlTemplate {
            number,
            this_update,
            next_update: this_update.plus_ms(valid_ms),
            entries,
        };
        let crl: Crl = issuer.sign_crl(&template).next(step)?;
        let file = format!("records/{}.crl", one.file);
        write_public(&self.dir.join(&file), crl.der())?;
        if one.code.is_none() && !one.subtrees.is_empty() {
            write_public(&self.dir.join("authority/crl.der"), crl.der())?;
        }
        let sha256 = self.digest(&file)?;
        self.note(Step::ListSigned {
            name: one.file.clone(),
            number,
            file,
            sha256,
        })
    }

    /// The key of a request: taken before, or given now.
    fn requested(
        &mut self,
        one: &Authority,
        requests: &[(String, PathBuf)],
    ) -> Result<Option<Vec<u8>>, Failure> {
        let file = format!("requests/{}.csr", one.file);
        let path = self.dir.join(&file);
        let step = "make the request again where the key is, for example with `openssl req -new`";
        let noted = self.book.steps().find_map(|step| match step {
            Step::RequestTaken { name, sha256, .. } if *name == one.file => Some(sha256.clone()),
            _ => None,
        });
        if let Some(sha256) = noted {
            if self.digest(&file)? != sha256 {
                return Err(changed(&file));
            }
            let bytes = std::fs::read(&path).next(step)?;
            return csr::requested_key(&bytes).map(Some).next(step);
        }
        let Some((_, given)) = requests.iter().find(|(name, _)| *name == one.file) else {
            return Ok(None);
        };
        let bytes = std::fs::read(given).next("give the path of a certificate request")?;
        let spki = csr::requested_key(&bytes).next(step)?;
        if !fits(one.algorithm, &spki) {
            return Err(Failure::new(
                format!("the key of this request is not {}", one.algorithm_word),
                step,
            ));
        }
        write_public(&path, &bytes)?;
        let sha256 = self.digest(&file)?;
        self.note(Step::RequestTaken {
            name: one.file.clone(),
            spki_sha256: Digest::of(&spki).to_string(),
            file,
            sha256,
        })?;
        Ok(Some(spki))
    }

    fn sign_part(&mut self, part: u64, root: &SigningKey) -> Result<(), Failure> {
        let step = "run the same command again: only the signature is missing";
        let cert = Certificate::load(&self.dir.join("authority/root.crt")).next(step)?;
        let transcript = self.book.transcript();
        let parts = transcript.parts();
        let signed = parts.iter().find(|(number, _)| *number == part);
        let (_, signed) = signed.ok_or_else(|| Failure::new("the part is not closed", step))?;
        let cms = sign_transcript(root, &cert, signed, self.now()).next(step)?;
        write_public(&self.dir.join(signature_name(part)), &cms)?;
        write_public(&self.dir.join(PRINTABLE), transcript.printable().as_bytes())
    }

    fn report(&self) -> Result<Output, Failure> {
        let root = Certificate::load(&self.dir.join("authority/root.crt")).next("run it again")?;
        let pending = match self.book.steps().next_back() {
            Some(Step::PartClosed { pending, .. }) => pending.clone(),
            _ => Vec::new(),
        };
        let dir = self.dir.display();
        let mut text = format!(
            "Root SHA-256 (gốc tin cậy): {}\nTranscript (biên bản): {dir}/{PRINTABLE}, last line \
             SHA-256 {}\n",
            root.sha256(),
            self.book.transcript().head()
        );
        if !pending.is_empty() {
            text += &format!(
                "Still waited for (còn chờ): {}. Next: run it again with --csr NAME=FILE.\n",
                pending.join(", ")
            );
        }
        if self.dir.join(SHARES).exists() {
            text += &format!(
                "Print the files of {dir}/{SHARES}, give one to each custodian, delete the folder \
                 (in từng mảnh, trao cho người giữ, rồi xóa thư mục).\n"
            );
        }
        text += &format!(
            "Next: print and sign {PRINTABLE}; take {dir}/{ROOT} to its safe place; check with \
             `tram-pki ceremony verify --dir {dir} --fingerprint {}`.",
            root.sha256()
        );
        let json = json!({
            "dir": dir.to_string(), "plan": self.plan.digest.to_string(),
            "root_sha256": root.sha256().to_string(), "pending": pending,
            "transcript_head": self.book.transcript().head().to_string(),
            "lines": self.book.transcript().lines().len(),
        });
        Ok(Output::new(text, json))
    }

    pub(super) fn note(&mut self, step: Step) -> Result<(), Failure> {
        let now = self.now();
        self.book.note(step, now)
    }

    /// SHA-256 of a file of the folder.
    pub(super) fn digest(&self, file: &str) -> Result<String, Failure> {
        let bytes = std::fs::read(self.dir.join(file));
        let bytes = bytes.next(&format!("bring {file} back from where it is kept"))?;
        Ok(Digest::of(&bytes).to_string())
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

fn changed(file: &str) -> Failure {
    Failure::new(
        format!("{file} is not what this ceremony made"),
        "do not go on: find out who changed it, then start anew in another folder",
    )
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
