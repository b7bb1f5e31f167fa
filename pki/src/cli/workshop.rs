//! The authority's folder from the command line: the office with a runtime of its own.
//!
//! Owns: turning waiting calls into plain ones, and the commands that issue, revoke and publish.
//! Commands may run beside the server: the inventory lets one write at a time.

use std::path::{Path, PathBuf};

use formats::id::{AgencyCode, Party, StationName, TrustDomain};
use formats::time::Timestamp;
use pki::authority::audit::Actor;
use pki::authority::backup;
use pki::authority::enrolment::EnrolError;
use pki::authority::folder;
use pki::authority::office::Office;
use pki::cert::Certificate;
use pki::csr;
use pki::enrol::Request;
use pki::ledger::{REASONS, reason_from, reason_word};
use pki::plan::Plan;
use pki::profile::Template;
use pki::revoke::Crl;
use pki::role::{NameKind, Role};
use serde_json::json;
use tokio::runtime::Runtime;

use super::failure::Next;
use super::{Failure, Output, who};

/// The open folder.
pub(super) struct Workshop {
    /// The folder that `init` made.
    pub(super) dir: PathBuf,
    /// The plan that it was made from.
    pub(super) plan: Plan,
    /// What does the work.
    pub(super) office: Office,
    pub(super) runtime: Runtime,
    actor: Actor,
}

impl Workshop {
    /// Opens a folder made by `init`.
    pub(super) fn open(dir: &Path, now: Timestamp) -> Result<Self, Failure> {
        let step = "give the folder that `tram-pki init --out` made";
        let runtime = runtime()?;
        let office = runtime.block_on(Office::open(dir, now)).next(step)?;
        for warning in office.warnings(now) {
            eprintln!("warning (cảnh báo): {warning}");
        }
        Ok(Self::over(office, runtime))
    }

    /// A workshop over an empty folder.
    pub(super) fn found(dir: &Path, plan: &Plan) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let office = runtime.block_on(Office::found(dir, plan.clone()));
        Ok(Self::over(
            office.next("look at the disk and the database")?,
            runtime,
        ))
    }

    fn over(office: Office, runtime: Runtime) -> Self {
        Self {
            dir: office.dir.clone(),
            plan: office.plan.clone(),
            office,
            runtime,
            actor: Actor::console(&who()),
        }
    }

    /// Who acts.
    pub(super) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Waits for the outcome.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The trust domain.
    pub(super) fn domain(&self) -> &TrustDomain {
        self.office.domain()
    }

    /// See [`Office::issuer_for`].
    pub(super) fn issuer_for(&self, role: Role, party: &Party) -> String {
        self.office.issuer_for(role, party)
    }

    /// See [`Office::issue`].
    pub(super) fn issue(
        &self,
        orders: Vec<(String, Template)>,
        now: Timestamp,
    ) -> Result<Vec<Certificate>, Failure> {
        let issued = self.wait(self.office.issue(orders, &self.actor, now));
        issued.next("correct what is named; look at the database and the disk")
    }

    /// See [`Office::publish_crls`].
    pub(super) fn publish_crls(&self, now: Timestamp) -> Result<Vec<(String, Crl)>, Failure> {
        let made = self.wait(self.office.publish_crls(&self.actor, now));
        made.next("look at the database and the disk")
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Folds the database's files into one.
        let inventory = self.office.inventory.clone();
        self.runtime.block_on(inventory.close());
    }
}

/// One thread: a command does one thing after the other.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .next("look at the system's limits")
}

/// Writes a public file so that readers see the old or the new one, never half of it.
pub(super) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    folder::write_public(path, bytes).next("look at the disk and the folder's owner")
}

/// The party that a name on the command line means for a role.
pub(super) fn party_for(role: Role, name: &str) -> Result<Party, Failure> {
    match role.name_kind() {
        NameKind::Agency => AgencyCode::parse(name)
            .map(Party::Agency)
            .next("give a canonical agency code such as H01.36.04"),
        NameKind::Station => StationName::parse(name)
            .map(Party::Station)
            .next("give a station name such as node-1.tram.test"),
        NameKind::None => Err(Failure::new(
            format!("{role} is an authority"),
            "authorities are made by `tram-pki init` from a plan",
        )),
    }
}

/// `tram-pki issue`.
pub(super) fn issue_for_request(
    dir: &Path,
    role: Role,
    name: &str,
    request: &Path,
    out: &Path,
    now: Timestamp,
) -> Result<Output, Failure> {
    let party = party_for(role, name)?;
    let bytes = std::fs::read(request).next("give the path of a certificate request")?;
    let spki = csr::requested_key(&bytes).next("make the request again with `openssl req -new`")?;
    let workshop = Workshop::open(dir, now)?;
    let issuer = workshop.issuer_for(role, &party);
    let mut template = Template::new(role, name, &spki, now).for_party(party.clone());
    if let Party::Agency(code) = &party
        && let Some(agency) = workshop.plan.agencies.get(code)
    {
        template = template.of_organization(&agency.name);
    }
    let asked = Request {
        role,
        party: party.clone(),
        csr: String::from_utf8_lossy(&bytes).into_owned(),
        proof: None,
    };
    let order = (issuer.clone(), template);
    let issued = workshop
        .office
        .issue_asked(&asked, order, workshop.actor(), now);
    let cert = match workshop.wait(issued) {
        Ok(cert) => cert,
        Err(error @ EnrolError::Waiting { .. }) => {
            let step = "let the approvers run `tram-pki request approve`, then run this again";
            return Err(error).next(step);
        }
        Err(error) => return Err(error).next("correct what is named"),
    };
    write_public(out, cert.pem().as_bytes())?;
    let file = format!("{party}.{role}.{}.crt", cert.serial_hex());
    write_public(&dir.join("records").join(file), cert.pem().as_bytes())?;
    let text = format!(
        "Issued (đã cấp) {role} for {party} by {issuer}: serial {}, valid to {} \
         (có hiệu lực đến {}).\nWritten to {} and to records/.",
        cert.serial_hex(),
        cert.not_after(),
        cert.not_after().vietnam(),
        out.display()
    );
    let json = json!({
        "serial": cert.serial_hex(), "sha256": cert.sha256().to_string(), "role": role.as_str(),
        "name": party.to_string(), "issuer": issuer, "not_after": cert.not_after().rfc3339(),
    });
    Ok(Output::new(text, json))
}

/// `tram-pki revoke`.
pub(super) fn revoke(
    dir: &Path,
    serial: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Output, Failure> {
    let reason = reason_from(reason).ok_or_else(|| {
        let words: Vec<&str> = REASONS.iter().map(|(_, word)| *word).collect();
        Failure::new(
            format!("unknown reason {reason:?}"),
            format!("use one of {}", words.join(", ")),
        )
    })?;
    let workshop = Workshop::open(dir, now)?;
    let serial = serial.to_ascii_lowercase().replace(':', "");
    let step = "take the serial number from `tram-pki list --dir DIR`";
    let inventory = &workshop.office.inventory;
    workshop
        .wait(inventory.revoke(&serial, reason, workshop.actor(), now))
        .next(step)?;
    let lists = workshop.publish_crls(now)?;
    let text = format!(
        "Revoked (đã thu hồi) {serial}: {}. {} new list(s) are in records/; a running server tells \
         the stations within seconds.",
        reason_word(reason),
        lists.len()
    );
    Ok(Output::new(
        text,
        json!({ "serial": serial, "reason": reason_word(reason) }),
    ))
}

/// `tram-pki crl publish`.
pub(super) fn publish_crls(dir: &Path, now: Timestamp) -> Result<Output, Failure> {
    let lists = Workshop::open(dir, now)?.publish_crls(now)?;
    let mut text = String::new();
    let mut all = Vec::new();
    for (name, crl) in &lists {
        let until = crl
            .next_update()
            .map(Timestamp::vietnam)
            .unwrap_or_default();
        text += &format!(
            "{name}.crl: {} revoked, valid to {until} (hiệu lực đến)\n",
            crl.revoked()
        );
        all.push(json!({ "issuer": name, "revoked": crl.revoked(),
            "next_update": crl.next_update().map(Timestamp::rfc3339) }));
    }
    Ok(Output::new(text, json!({ "published": all })))
}

/// `tram-pki backup`.
pub(super) fn backup(dir: &Path, out: &Path, now: Timestamp) -> Result<Output, Failure> {
    let workshop = Workshop::open(dir, now)?;
    let made = workshop.wait(backup::make(&workshop.office, out, now));
    let made = made.next("choose a new folder on another disk with room")?;
    let (lines, head) = made.audit;
    let text = format!(
        "Backed up (đã sao lưu) {} files and {} rows into {}.\nAudit head (đầu nhật ký): \
         {lines}:{head} — note it elsewhere.\nThe folder holds the authority's keys: keep it \
         encrypted and apart (thư mục chứa khóa bí mật).",
        made.files,
        made.rows,
        out.display()
    );
    let json = json!({
        "files": made.files, "rows": made.rows, "lines": lines, "head": head.to_string(),
    });
    Ok(Output::new(text, json))
}

/// `tram-pki restore`.
pub(super) fn restore(
    from: &Path,
    out: &Path,
    published: Option<&Path>,
    database: Option<&str>,
    now: Timestamp,
) -> Result<Output, Failure> {
    let actor = Actor::console(&who());
    let work = backup::restore(from, out, published, database, &actor, now);
    let done = runtime()?
        .block_on(work)
        .next("mend what is named and run it again")?;
    // Lists of now, above every number that was published.
    let lists = Workshop::open(out, now)?.publish_crls(now)?;
    let newest = done.newest;
    let text = format!(
        "Restored (đã khôi phục) {} rows into {}. Taken over from what was published: {} \
         revocations, {} certificates, {} records. {} new list(s) are in records/.\nThe log of \
         certificates begins a new epoch; tell those who watch it.",
        done.rows,
        out.display(),
        newest.revocations,
        newest.certificates,
        newest.records,
        lists.len()
    );
    let json = json!({
        "rows": done.rows, "revocations": newest.revocations, "certificates": newest.certificates,
        "records": newest.records,
    });
    Ok(Output::new(text, json))
}
