//! `tram-pki init`: carries out a reviewed plan in a new folder.
//!
//! Owns: the order of the ceremony and the names of the files. The folder is made beside its
//! place and renamed at the end, so that there is a whole one or none.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use formats::id::{Party, StationName};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::issue::{Issuer, prepare_root, sign_root};
use pki::key::{Algorithm, DecryptionKey, LogKey, SigningKey, write_private};
use pki::plan::Plan;
use pki::profile::Template;
use pki::role::Role;
use serde_json::{Value, json};

use super::failure::Next;
use super::records;
use super::workshop::{Workshop, write_public};
use super::{Failure, Output};

/// Where things come from and go to, besides plan and folder.
pub(super) struct Places<'a> {
    /// The inventory's database; a file in the folder by default.
    pub(super) database: Option<&'a str>,
    /// A ceremony's folder: root and issuing authorities are taken from it, not made.
    pub(super) ceremony: Option<&'a Path>,
    /// File whose first line opens the ceremony's keys.
    pub(super) passphrase_file: Option<&'a Path>,
}

/// Carries out the plan.
pub(super) fn run(
    plan: &Plan,
    out: &Path,
    digest: Option<&str>,
    places: &Places<'_>,
    now: Timestamp,
) -> Result<Output, Failure> {
    let digest_now = plan.digest.to_string();
    if digest.is_some_and(|reviewed| !reviewed.eq_ignore_ascii_case(&digest_now)) {
        return Err(Failure::new(
            format!("the plan's SHA-256 is {digest_now}, not the reviewed one"),
            "review the plan again with `tram-pki plan show` and give its digest",
        ));
    }
    if out.exists() {
        return Err(Failure::new(
            format!("{} exists", out.display()),
            "choose a new folder: an authority is never made over another",
        ));
    }
    let part = part_of(out);
    if part.exists() {
        return Err(Failure::new(
            format!(
                "{} is left from an attempt that did not finish",
                part.display()
            ),
            "look why it stopped, remove that folder, start again",
        ));
    }
    make_folders(&part)?;
    settings(&part, places)?;
    let workshop = match places.ceremony {
        Some(ceremony) => taken_over(plan, ceremony, &part, now)?,
        None => authorities(plan, &part, now)?,
    };
    services(&workshop, now)?;
    stations(&workshop, now)?;
    agencies(&workshop, now)?;
    workshop.publish_crls(now)?;
    records::sign_all(&workshop, now)?;
    workshop
        .wait(workshop.office.keep_own(workshop.actor(), now))
        .next("look at the disk")?;
    let head = workshop.wait(workshop.office.inventory.audit_head());
    let (lines, head) = head.next("look at the database")?;
    // Closed before the folder takes its name: the database's files belong together.
    drop(workshop);
    std::fs::rename(&part, out).next("look at the disk")?;
    let root = Certificate::load(&out.join("authority/root.crt")).next("look at the disk")?;
    let text = format!(
        "Plan {digest_now} carried out in {} (đã khởi tạo).\n\
         Root SHA-256 (gốc tin cậy): {}\nAudit log: {lines} lines, head {head}.\n\
         Next: move authority/root.key to an offline place; give each station and agency its own \
         folder; run `tram-pki serve --dir {} --listen ADDRESS`.",
        out.display(),
        root.sha256(),
        out.display()
    );
    let json = json!({
        "plan": digest_now, "dir": out.display().to_string(),
        "root_sha256": root.sha256().to_string(),
        "audit_lines": lines, "audit_head": head.to_string(),
        "stations": plan.stations.len(), "agencies": plan.agencies.len(),
    });
    Ok(Output::new(text, json))
}

fn part_of(out: &Path) -> PathBuf {
    let name = out
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("authority");
    out.with_file_name(format!("{name}.partial"))
}

fn make_folders(dir: &Path) -> Result<(), Failure> {
    for sub in ["authority", "records", "stations", "agencies"] {
        make_folder(&dir.join(sub))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).next("choose a place that can be written")
}

/// Root, national authority, delegated authorities.
fn authorities(plan: &Plan, dir: &Path, now: Timestamp) -> Result<Workshop, Failure> {
    let home = dir.join("authority");
    let step = "look at the disk and start again";
    let domain = &plan.authority.trust_domain;
    write_public(&home.join("plan.toml"), plan.text.as_bytes())?;
    let mut workshop = Workshop::found(dir, plan)?;
    let organization = &plan.authority.name;
    let root_key = SigningKey::generate(Algorithm::EcdsaP256).next(step)?;
    let name = format!("Tram root {domain}");
    let template =
        Template::new(Role::Root, &name, root_key.spki_der(), now).of_organization(organization);
    let prepared = prepare_root(template, &root_key, domain).next(step)?;
    let inventory = workshop.office.inventory.clone();
    let planned = workshop.wait(inventory.plan(vec![prepared], workshop.actor(), now));
    let planned = planned.next(step)?.pop();
    let planned = planned.ok_or_else(|| Failure::new("the database lost a plan", step))?;
    let root = sign_root(planned, &root_key).next(step)?;
    let noted = inventory.issued(std::slice::from_ref(&root), workshop.actor(), now);
    workshop.wait(noted).next(step)?;
    save(dir, "root", &root, &root_key)?;
    let issuer = Issuer::new(root, root_key, domain.clone()).next(step)?;
    workshop.office.issuers.insert("root".to_owned(), issuer);
    let mut wanted = vec![("ca".to_owned(), organization.clone(), domain.to_string())];
    for one in &plan.authority.delegated {
        let name = one.name.clone().unwrap_or_else(|| one.code.to_string());
        wanted.push((format!("ca-{}", one.code), name, one.code.dns_name(domain)));
    }
    for (file, organization, subtree) in wanted {
        let key = SigningKey::generate(Algorithm::EcdsaP256).next(step)?;
        let name = format!("Tram {file} {domain}");
        let template = Template::new(Role::IssuingCa, &name, key.spki_der(), now)
            .of_organization(&organization)
            .permitting(&subtree);
        let certs = workshop.issue(vec![("root".to_owned(), template)], now)?;
        for cert in certs {
            save(dir, &file, &cert, &key)?;
            let issuer = Issuer::new(cert, key.clone(), domain.clone()).next(step)?;
            workshop.office.issuers.insert(file.clone(), issuer);
        }
    }
    Ok(workshop)
}

/// `authority.toml`, if there is anything to say in it.
fn settings(dir: &Path, places: &Places<'_>) -> Result<(), Failure> {
    let step = "look at the disk and start again";
    // A JSON text is a TOML text as well.
    let mut text = String::new();
    if let Some(place) = places.database {
        text += &format!("database = {}\n", Value::from(place));
    }
    if let Some(file) = places.passphrase_file {
        let file = file
            .canonicalize()
            .next("give the path of the passphrase file")?;
        text += &format!(
            "passphrase_file = {}\n",
            Value::from(file.display().to_string())
        );
    }
    if text.is_empty() {
        return Ok(());
    }
    write_private(&dir.join("authority/authority.toml"), text.as_bytes()).next(step)
}

/// Root and issuing authorities as a ceremony made them. Its ledger becomes the beginning of the
/// inventory.
fn taken_over(
    plan: &Plan,
    ceremony: &Path,
    dir: &Path,
    now: Timestamp,
) -> Result<Workshop, Failure> {
    let step = "give the folder that `tram-pki ceremony run --out` made";
    let home = dir.join("authority");
    write_public(&home.join("plan.toml"), plan.text.as_bytes())?;
    let mut names = vec![
        "root.crt".to_owned(),
        "ca.crt".to_owned(),
        "ca.key".to_owned(),
    ];
    for one in &plan.authority.delegated {
        names.extend(["crt", "key"].map(|end| format!("ca-{}.{end}", one.code)));
    }
    for name in names {
        let from = ceremony.join("authority").join(&name);
        // A province may keep its key at its own place.
        if !from.exists() && name.starts_with("ca-") && name.ends_with(".key") {
            continue;
        }
        let bytes = std::fs::read(&from).next(&format!("{step}; it must hold authority/{name}"))?;
        if name.ends_with(".key") {
            write_private(&home.join(&name), &bytes).next(step)?;
        } else {
            write_public(&home.join(&name), &bytes)?;
            write_public(&dir.join("records").join(&name), &bytes)?;
        }
    }
    for entry in std::fs::read_dir(ceremony.join("records")).next(step)? {
        let path = entry.next(step)?.path();
        let name = path.file_name().unwrap_or_default();
        if path
            .extension()
            .is_some_and(|end| end == "crl" || end == "crt")
        {
            let bytes = std::fs::read(&path).next(step)?;
            write_public(&dir.join("records").join(name), &bytes)?;
        }
    }
    let ledger = std::fs::read(ceremony.join("ledger.jsonl")).next(step)?;
    write_private(&home.join("ledger.jsonl"), &ledger).next(step)?;
    let workshop = Workshop::open(dir, now)?;
    let root = workshop.office.authority("root").next(step)?;
    for name in workshop.office.issuer_names() {
        let cert = workshop.office.authority(&name).next(step)?;
        let role = if cert == root {
            Role::Root
        } else {
            Role::IssuingCa
        };
        let judged = workshop
            .office
            .validator()
            .next(step)?
            .verify(&cert, role, now);
        if role == Role::IssuingCa {
            judged
                .next("compare the plan's trust domain and delegated codes with the ceremony's")?;
        }
    }
    Ok(workshop)
}

/// An authority's or service's key and certificate, the certificate also in `records/`.
fn save(dir: &Path, name: &str, cert: &Certificate, key: &SigningKey) -> Result<(), Failure> {
    let home = dir.join("authority");
    key.save(&home.join(format!("{name}.key")), None)
        .next("look at the disk")?;
    write_public(&home.join(format!("{name}.crt")), cert.pem().as_bytes())?;
    write_public(
        &dir.join("records").join(format!("{name}.crt")),
        cert.pem().as_bytes(),
    )
}

/// Time-stamps, registry, trust list.
fn services(workshop: &Workshop, now: Timestamp) -> Result<(), Failure> {
    let plan = &workshop.plan;
    let organization = plan.authority.name.clone();
    let wanted: [(&str, Role, StationName); 3] = [
        ("tsa", Role::TimeStamping, plan.tsa.name.clone()),
        ("registry", Role::Registry, plan.registry_name()),
        ("trust-list", Role::TrustList, plan.trust_list_name()),
    ];
    for (file, role, name) in wanted {
        let key = SigningKey::generate(Algorithm::EcdsaP256).next("try again")?;
        let template = Template::new(role, name.as_str(), key.spki_der(), now)
            .of_organization(&organization)
            .for_party(Party::Station(name));
        for cert in workshop.issue(vec![("ca".to_owned(), template)], now)? {
            save(&workshop.dir, file, &cert, &key)?;
        }
    }
    Ok(())
}

/// Link, evidence and log keys of every station.
fn stations(workshop: &Workshop, now: Timestamp) -> Result<(), Failure> {
    let pinned =
        std::fs::read(workshop.dir.join("authority/trust-list.crt")).next("look at the disk")?;
    let names: Vec<StationName> = workshop.plan.stations.keys().cloned().collect();
    for name in &names {
        let home = workshop.dir.join("stations").join(name.as_str());
        make_folder(&home)?;
        let party = Party::Station(name.clone());
        let mut orders = Vec::new();
        for (file, role) in [
            ("tls", Role::StationTls),
            ("evidence", Role::StationEvidence),
        ] {
            let key = SigningKey::generate(Algorithm::EcdsaP256).next("try again")?;
            key.save(&home.join(format!("{file}.key")), None)
                .next("look at the disk")?;
            let template =
                Template::new(role, name.as_str(), key.spki_der(), now).for_party(party.clone());
            orders.push((workshop.issuer_for(role, &party), template));
        }
        let certs = workshop.issue(orders, now)?;
        for (file, cert) in ["tls", "evidence"].into_iter().zip(&certs) {
            publish(workshop, &home, &format!("{name}.{file}.crt"), file, cert)?;
        }
        let log = LogKey::generate().next("try again")?;
        log.save(&home.join("log.key"), None)
            .next("look at the disk")?;
        write_public(&home.join("trust-list.crt"), &pinned)?;
    }
    Ok(())
}

/// A certificate into its owner's folder and into `records/`.
fn publish(
    workshop: &Workshop,
    home: &Path,
    public: &str,
    file: &str,
    cert: &Certificate,
) -> Result<(), Failure> {
    write_public(&home.join(format!("{file}.crt")), cert.pem().as_bytes())?;
    write_public(
        &workshop.dir.join("records").join(public),
        cert.pem().as_bytes(),
    )
}

/// Signature and encryption keys of every agency, in batches that share a commit.
fn agencies(workshop: &Workshop, now: Timestamp) -> Result<(), Failure> {
    let all: Vec<_> = workshop.plan.agencies.values().cloned().collect();
    let progress = all.len() > BATCH && std::io::stderr().is_terminal();
    for (batch, agencies) in all.chunks(BATCH).enumerate() {
        let mut orders = Vec::new();
        for agency in agencies {
            let home = workshop.dir.join("agencies").join(agency.code.as_str());
            make_folder(&home)?;
            let signature = SigningKey::generate(Algorithm::EcdsaP256).next("try again")?;
            signature
                .save(&home.join("signature.key"), None)
                .next("look at the disk")?;
            let encryption = DecryptionKey::generate().next("try again")?;
            encryption
                .save(&home.join("encryption.key"), None)
                .next("look at the disk")?;
            let party = Party::Agency(agency.code.clone());
            for (role, spki) in [
                (Role::AgencySignature, signature.spki_der()),
                (Role::AgencyEncryption, encryption.spki_der()),
            ] {
                let template = Template::new(role, agency.code.as_str(), spki, now)
                    .of_organization(&agency.name)
                    .for_party(party.clone());
                orders.push((workshop.issuer_for(role, &party), template));
            }
        }
        let certs = workshop.issue(orders, now)?;
        for (agency, pair) in agencies.iter().zip(certs.chunks(2)) {
            let home = workshop.dir.join("agencies").join(agency.code.as_str());
            for (file, cert) in ["signature", "encryption"].into_iter().zip(pair) {
                publish(
                    workshop,
                    &home,
                    &format!("{}.{file}.crt", agency.code),
                    file,
                    cert,
                )?;
            }
        }
        if progress {
            let done = batch.saturating_add(1).saturating_mul(BATCH).min(all.len());
            eprintln!("agencies (cơ quan): {done} of {}", all.len());
        }
    }
    Ok(())
}

/// Agencies whose certificates share one commit.
const BATCH: usize = 500;
