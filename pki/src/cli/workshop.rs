//! The authority's folder: `authority/` (keys, ledger) and `records/` (what everybody may see).
//!
//! Owns: names of files in it, issuing in batches through the ledger, revoking and publishing
//! lists. Every public file is replaced atomically, because stations read the folder while we
//! write.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use formats::id::{AgencyCode, Party, StationName, TrustDomain};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::csr;
use pki::issue::{CRL_VALID_MS, CrlTemplate, Issuer, Prepared};
use pki::key::SigningKey;
use pki::ledger::{Ledger, REASONS, reason_from, reason_word};
use pki::plan::Plan;
use pki::profile::Template;
use pki::revoke::Crl;
use pki::role::{NameKind, Role};
use serde_json::json;

use super::failure::Next;
use super::{Failure, Output};

/// The open folder; nobody else can write the ledger meanwhile.
pub(super) struct Workshop {
    /// The folder that `init` made.
    pub(super) dir: PathBuf,
    /// The plan that it was made from.
    pub(super) plan: Plan,
    /// Authorities whose keys are here, by file name: `root`, `ca`, `ca-H01`.
    pub(super) issuers: BTreeMap<String, Issuer>,
    /// The ledger.
    pub(super) ledger: Ledger,
}

impl Workshop {
    /// Opens a folder made by `init`.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        let authority = dir.join("authority");
        let step = "give the folder that `tram-pki init --out` made";
        let plan = Plan::load(&authority.join("plan.toml")).next(step)?;
        let ledger = Ledger::open(&authority.join("ledger.jsonl")).next(step)?;
        let mut issuers = BTreeMap::new();
        let domain = &plan.authority.trust_domain;
        let mut names = vec!["root".to_owned(), "ca".to_owned()];
        names.extend(
            plan.authority
                .delegated
                .iter()
                .map(|one| format!("ca-{}", one.code)),
        );
        for name in names {
            let key = authority.join(format!("{name}.key"));
            if key.exists() {
                // The root's key is normally elsewhere; what is absent cannot sign, and says so
                // later.
                let issuer = load_issuer(&authority, &name, domain)?;
                issuers.insert(name, issuer);
            }
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            plan,
            issuers,
            ledger,
        })
    }

    /// The trust domain.
    pub(super) fn domain(&self) -> &TrustDomain {
        &self.plan.authority.trust_domain
    }

    /// The name of the authority that certifies this party: the delegated one whose codes or
    /// names it lies in, for roles that may be delegated; the national one otherwise.
    pub(super) fn issuer_for(&self, role: Role, party: &Party) -> String {
        issuer_for(&self.plan, role, party)
    }

    fn issuer(&self, name: &str) -> Result<&Issuer, Failure> {
        self.issuers.get(name).ok_or_else(|| {
            Failure::new(
                format!("the key of authority {name} is not here"),
                format!("bring authority/{name}.key or run this where it lies"),
            )
        })
    }

    /// Prepares, plans and signs; certificates come back in the order of the templates.
    pub(super) fn issue(
        &mut self,
        orders: Vec<(String, Template)>,
        now: Timestamp,
    ) -> Result<Vec<Certificate>, Failure> {
        let mut names = Vec::with_capacity(orders.len());
        let mut prepared: Vec<Prepared> = Vec::with_capacity(orders.len());
        for (name, template) in orders {
            let who = template
                .party
                .as_ref()
                .map_or_else(|| template.common_name.clone(), Party::to_string);
            let one = self.issuer(&name)?.prepare(template);
            let step = format!("correct what is asked for {who}");
            prepared.push(one.next(&step)?);
            names.push(name);
        }
        let step = "look at the ledger and the disk; nothing was signed";
        let planned = self.ledger.plan(prepared, now).next(step)?;
        let mut certs = Vec::with_capacity(planned.len());
        for (name, planned) in names.iter().zip(planned) {
            certs.push(self.issuer(name)?.sign(planned).next("try again")?);
        }
        self.ledger
            .issued(&certs, now)
            .next("look at the disk; the certificates are not used")?;
        Ok(certs)
    }

    /// Signs and publishes the list of every authority whose key is here.
    pub(super) fn publish_crls(&mut self, now: Timestamp) -> Result<Vec<(String, Crl)>, Failure> {
        let mut made = Vec::new();
        for (name, issuer) in &self.issuers {
            let step = "look at the ledger and the disk";
            let (number, entries) = self.ledger.next_crl(issuer.certificate(), now).next(step)?;
            let this_update = now.floor_s();
            let next_update = this_update.plus_ms(CRL_VALID_MS);
            let template = CrlTemplate {
                number,
                this_update,
                next_update,
                entries,
            };
            let crl = issuer.sign_crl(&template).next(step)?;
            write_public(
                &self.dir.join("records").join(format!("{name}.crl")),
                crl.der(),
            )?;
            if name == "ca" {
                write_public(&self.dir.join("authority/crl.der"), crl.der())?;
            }
            made.push((name.clone(), crl));
        }
        Ok(made)
    }
}

/// See [`Workshop::issuer_for`].
pub(super) fn issuer_for(plan: &Plan, role: Role, party: &Party) -> String {
    let delegated = match party {
        Party::Agency(code) => plan.delegated_for(code),
        Party::Station(name) => plan.authority.delegated.iter().find(|one| {
            let below = format!(".{}", one.code.dns_name(&plan.authority.trust_domain));
            name.as_str().ends_with(&below)
        }),
    };
    match delegated {
        Some(one) if role.may_be_delegated() => format!("ca-{}", one.code),
        _ => "ca".to_owned(),
    }
}

fn load_issuer(authority: &Path, name: &str, domain: &TrustDomain) -> Result<Issuer, Failure> {
    let step = "restore the file from a backup";
    let cert = Certificate::load(&authority.join(format!("{name}.crt"))).next(step)?;
    let key = SigningKey::load(&authority.join(format!("{name}.key")), None).next(step)?;
    Issuer::new(cert, key, domain.clone()).next(step)
}

/// Writes a public file so that readers see the old or the new one, never half of it.
pub(super) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("file");
    let part = path.with_file_name(format!(".{name}.part"));
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    match written {
        Ok(()) => Ok(()),
        Err(error) => Err(Failure::new(
            format!("{}: {error}", path.display()),
            "look at the disk and the folder's owner",
        )),
    }
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
    let mut workshop = Workshop::open(dir)?;
    let issuer = workshop.issuer_for(role, &party);
    let mut template = Template::new(role, name, &spki, now).for_party(party.clone());
    if let Party::Agency(code) = &party
        && let Some(agency) = workshop.plan.agencies.get(code)
    {
        template = template.of_organization(&agency.name);
    }
    let certs = workshop.issue(vec![(issuer.clone(), template)], now)?;
    let Some(cert) = certs.first() else {
        return Err(Failure::new("nothing was issued", "try again"));
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
    let mut workshop = Workshop::open(dir)?;
    let serial = serial.to_ascii_lowercase().replace(':', "");
    let step = "take the serial number from `tram-pki list --dir DIR`";
    workshop.ledger.revoke(&serial, reason, now).next(step)?;
    let lists = workshop.publish_crls(now)?;
    let text = format!(
        "Revoked (đã thu hồi) {serial}: {}. {} new list(s) are in records/.",
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
    let lists = Workshop::open(dir)?.publish_crls(now)?;
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

/// `tram-pki list`.
pub(super) fn list(dir: &Path, only_revoked: bool) -> Result<Output, Failure> {
    let ledger = Ledger::open(&dir.join("authority/ledger.jsonl"))
        .next("give the folder that `tram-pki init --out` made")?;
    let mut text = String::new();
    let mut all = Vec::new();
    for entry in ledger
        .entries()
        .filter(|entry| !only_revoked || entry.revoked.is_some())
    {
        let state = match (&entry.revoked, &entry.sha256) {
            (Some((at, reason)), _) => format!("revoked {} {}", at.rfc3339(), reason_word(*reason)),
            (None, Some(_)) => "issued".to_owned(),
            (None, None) => "planned, never signed".to_owned(),
        };
        let until = entry.not_after.vietnam();
        let (serial, role, name) = (&entry.serial, entry.role, &entry.name);
        text += &format!("{serial}  {role:<18} {name:<32} {until}  {state}\n");
        all.push(json!({
            "serial": serial, "role": role.as_str(), "name": name, "issuer": entry.issuer,
            "not_after": entry.not_after.rfc3339(), "state": state,
            "sha256": entry.sha256.map(|digest| digest.to_string()),
        }));
    }
    let (lines, head) = ledger.head();
    text += &format!("{lines} ledger lines, head {head}\n");
    Ok(Output::new(
        text,
        json!({ "certificates": all, "lines": lines, "head": head.to_string() }),
    ))
}
