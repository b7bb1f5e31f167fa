//! The authority's own certificates: those of its server, its log and its OCSP answers.
//!
//! Owns: making them where they are missing and renewing them at two thirds of their life, key and
//! certificate together: both lie beside the old pair before either takes its place, and a pair
//! that was left between is finished at the next start. Must not know sockets.

use formats::id::Party;
use formats::time::Timestamp;

use super::audit::Actor;
use super::folder::{failed, write_public};
use super::office::{Office, OfficeError};
use crate::cert::Certificate;
use crate::enrol::renewal_at;
use crate::key::{Algorithm, KeyError, LogKey, SigningKey};
use crate::ocsp::Responder;
use crate::profile::Template;
use crate::role::Role;

impl Office {
    /// Makes or renews what the server needs. Gives the names of what was made.
    ///
    /// # Errors
    /// [`OfficeError`].
    pub async fn keep_own(
        &self,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<&'static str>, OfficeError> {
        let Some(server) = self.server_name() else {
            return Ok(Vec::new());
        };
        if !self.file("log.key").exists() {
            LogKey::generate()?.save(&self.file("log.key"), None)?;
        }
        let mut made = Vec::new();
        for (name, role) in OWN {
            self.finish(name)?;
            let held = Certificate::load(&self.file(&format!("{name}.crt"))).ok();
            let due = held.map(|cert| renewal_at(cert.not_before(), cert.not_after(), 0));
            if due.is_some_and(|due| due > now) {
                continue;
            }
            let party = Party::Station(server.clone());
            let key = SigningKey::generate(Algorithm::EcdsaP256)?;
            let template = Template::new(role, server.as_str(), key.spki_der(), now)
                .of_organization(&self.plan.authority.name)
                .for_party(party.clone());
            let order = (self.issuer_for(role, &party), template);
            for cert in self.issue(vec![order], actor, now).await? {
                self.put(name, &key, &cert)?;
                let file = format!("{name}.{}.crt", cert.serial_hex());
                write_public(&self.records().join(file), cert.pem().as_bytes())?;
            }
            made.push(name);
        }
        Ok(made)
    }

    /// One responder for each authority whose answers we can sign: the national one by its own
    /// OCSP certificate, a delegated one by itself, because a responder must be certified by the
    /// authority that it answers for (RFC 6960 section 4.2.2.2).
    ///
    /// # Errors
    /// [`OfficeError`].
    pub fn responders(&self) -> Result<Vec<Responder>, OfficeError> {
        let mut all = Vec::new();
        for name in self.issuer_names() {
            let (key, cert, issuer) = match name.as_str() {
                "ca" if self.file("ocsp.key").exists() => (
                    SigningKey::load(&self.file("ocsp.key"), None)?,
                    Certificate::load(&self.file("ocsp.crt"))?,
                    self.authority("ca")?,
                ),
                _ => match self.issuers.get(&name) {
                    Some(own) => {
                        let issuer = own.certificate();
                        (own.key().clone(), issuer.clone(), issuer.clone())
                    }
                    None => continue,
                },
            };
            match Responder::new(key, cert, issuer) {
                Ok(responder) => all.push(responder),
                Err(error) => {
                    tracing::error!(code = "TRAM-710", name, %error, "no OCSP answers");
                }
            }
        }
        Ok(all)
    }

    fn put(&self, name: &str, key: &SigningKey, cert: &Certificate) -> Result<(), OfficeError> {
        for end in ["key", "crt"] {
            let path = self.file(&format!("{name}.{end}{NEXT}"));
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed(&path, error));
                }
                _ => {}
            }
        }
        key.save(&self.file(&format!("{name}.key{NEXT}")), None)?;
        // Once the certificate lies there, the pair is whole and will be used.
        write_public(
            &self.file(&format!("{name}.crt{NEXT}")),
            cert.pem().as_bytes(),
        )?;
        self.finish(name)
    }

    fn finish(&self, name: &str) -> Result<(), OfficeError> {
        let next = |end: &str| self.file(&format!("{name}.{end}{NEXT}"));
        if !next("crt").exists() {
            return Ok(());
        }
        for end in ["key", "crt"] {
            let path = self.file(&format!("{name}.{end}"));
            match std::fs::rename(next(end), &path) {
                // Renamed before a stop.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path, error)),
                Ok(()) => {}
            }
        }
        let own = SigningKey::load(&self.file(&format!("{name}.key")), None)?;
        let cert = Certificate::load(&self.file(&format!("{name}.crt")))?;
        if own.spki_der() == cert.spki_der() {
            return Ok(());
        }
        Err(OfficeError::Key(KeyError::Malformed {
            file: self.file(&format!("{name}.key")).display().to_string(),
            reason: "not the key of the certificate beside it: remove both, new ones are made",
        }))
    }
}

/// Names of files and their roles.
const OWN: [(&str, Role); 3] = [
    ("api", Role::StationTls),
    ("evidence", Role::StationEvidence),
    ("ocsp", Role::Ocsp),
];
/// Ending of what is about to take a place.
const NEXT: &str = ".next";
