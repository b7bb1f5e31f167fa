//! Enrolment and renewal: who gets a certificate, and on what ground.
//!
//! Owns: the judgement of requests. A token spends itself on exactly the certificates that its
//! grant names; a station renews its own by its current TLS certificate; an agency's are renewed by
//! the signature of its current key. A key is certified once: whoever renews makes a new one. What
//! is decided is durable before anything is signed, and the same question gets the same answer.
//! Fails with [`EnrolError`], each with a stable code. Must not know HTTP.

use formats::id::{Digest, Party};
use formats::time::Timestamp;
use serde_json::{Value as Json, json};
use thiserror::Error;

use super::approvals::{self, ApprovalError, Outcome};
use super::audit::Actor;
use super::db::{DbError, Tx};
use super::entitled::{entitled, exactly_granted, refuse_used_keys};
use super::folder::write_public;
use super::grants::{self, GrantError};
use super::inventory::{InventoryError, issued_in, plan_in};
use super::office::{Office, OfficeError};
use crate::cert::Certificate;
use crate::chain::{Validator, VerifiedCert};
use crate::csr::{self, CsrError};
use crate::enrol::{Enrol, Issued, IssuedCertificate, Renew, Request};
use crate::issue::{Planned, Prepared};
use crate::profile::Template;
use crate::role::Role;

/// Why no certificates are given.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// The approvals.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The token.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A key that was certified before, for whomever.
    #[error("{party}, {role}: this key was certified before; make a new one")]
    KeyUsed {
        /// For whom it was asked.
        party: Party,
        /// In which role.
        role: Role,
    },
    /// The caller may not ask for this.
    #[error("{party}, {role}: {reason}")]
    NotYours {
        /// For whom it was asked.
        party: Party,
        /// In which role.
        role: Role,
        /// Why not.
        reason: &'static str,
    },
    /// Issuing failed.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// An approver refused.
    #[error("request {0} was refused by an approver")]
    Rejected(String),
    /// A request is unreadable or proves nothing.
    #[error("{party}, {role}: {source}")]
    Request {
        /// For whom it was asked.
        party: Party,
        /// In which role.
        role: Role,
        /// What is wrong.
        #[source]
        source: CsrError,
    },
    /// More persons must agree first.
    #[error("request {id} waits for approval: {have} of {needed} agreed")]
    Waiting {
        /// Which.
        id: String,
        /// How many agreed.
        have: u32,
        /// How many must.
        needed: u32,
    },
    /// Not the certificates that the grant names.
    #[error("the requests are not those of the grant: {0}")]
    Wrong(String),
}

impl EnrolError {
    /// Stable code and HTTP status.
    #[must_use]
    pub fn code(&self) -> (&'static str, u16) {
        match self {
            Self::Grant(GrantError::Unknown) => ("token_unknown", 401),
            Self::Grant(GrantError::Spent(_)) => ("token_spent", 409),
            Self::Grant(GrantError::Expired(_) | GrantError::Withdrawn(_)) => {
                ("token_expired", 410)
            }
            Self::KeyUsed { .. } => ("key_used", 409),
            Self::NotYours { .. } => ("not_yours", 403),
            Self::Request { .. } => ("request_invalid", 400),
            Self::Wrong(_) => ("requests_wrong", 400),
            Self::Rejected(_) => ("approval_refused", 403),
            Self::Waiting { .. } => ("waiting", 202),
            Self::Office(OfficeError::Issue { .. }) => ("profile_refused", 400),
            Self::Office(OfficeError::NoKey(_) | OfficeError::Ended { .. }) => {
                ("authority_unavailable", 503)
            }
            Self::Approval(_)
            | Self::Db(_)
            | Self::Grant(_)
            | Self::Inventory(_)
            | Self::Office(_) => ("internal", 500),
        }
    }
}

impl Office {
    /// Spends a token.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn enrol(
        &self,
        asked: &Enrol,
        from: &str,
        now: Timestamp,
    ) -> Result<Issued, EnrolError> {
        let digest = Digest::of(&serde_json::to_vec(&asked.requests).unwrap_or_default());
        let mut tx = self.inventory.db.write().await?;
        let kept = grants::bind(&mut tx, &asked.token, &digest, now).await?;
        if let Some(answer) = &kept.answer {
            let damaged = |_| GrantError::Damaged(kept.id.clone());
            let answer: Issued = serde_json::from_str(answer).map_err(damaged)?;
            self.publish(&certificates_of(&answer)?)?;
            return Ok(answer);
        }
        // A refusal from here to the commit leaves the token as it was.
        exactly_granted(&kept, &asked.requests)?;
        let orders = self.orders(&asked.requests, now)?;
        refuse_used_keys(&mut tx, &asked.requests, &orders).await?;
        let actor = Actor {
            who: format!("grant {} for {}", kept.id, kept.allowed.station),
            from: from.to_owned(),
        };
        let outcome = self
            .approved(&mut tx, &asked.requests, &orders, &actor, now)
            .await?;
        if let Some(waits) = outcome {
            // The token stays bound to these requests, and the question to the approvers is kept.
            tx.commit().await?;
            return Err(waits);
        }
        let (names, prepared) = self.lint(orders, now)?;
        let planned = plan_in(&mut tx, prepared, &actor, now).await?;
        tx.commit().await?;

        let certs = self.sign(&names, planned, now)?;
        let answer = self.answer(&asked.requests, &certs)?;
        let text = serde_json::to_string(&answer).unwrap_or_default();
        let mut tx = self.inventory.db.write().await?;
        issued_in(&mut tx, &certs, &actor, now).await?;
        grants::answered(&mut tx, &kept.id, &text).await?;
        tx.commit().await?;
        self.publish(&certs)?;
        Ok(answer)
    }

    /// Why these certificates are not given yet, if their profiles need more persons to agree.
    async fn approved(
        &self,
        tx: &mut Tx,
        requests: &[Request],
        orders: &[(String, Template)],
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Option<EnrolError>, EnrolError> {
        let mut needed = 1;
        let mut asked = Vec::with_capacity(requests.len());
        for (request, (name, template)) in requests.iter().zip(orders) {
            let issuer = self.issuer(name, now)?;
            needed = needed.max(u32::from(issuer.profiles().of(request.role).approvals()));
            asked.push(json!({
                "role": request.role.as_str(), "name": request.party.to_string(), "issuer": name,
                "key_sha256": Digest::of(&template.spki_der).to_string(),
            }));
        }
        if needed < 2 {
            return Ok(None);
        }
        let body = Json::Array(asked);
        let hash = Digest::of(body.to_string().as_bytes());
        let outcome = approvals::judge(tx, self, &hash, (body, needed), actor, now).await?;
        Ok(match outcome {
            Outcome::Approved => None,
            Outcome::Rejected(id) => Some(EnrolError::Rejected(id)),
            Outcome::Waiting { id, have, needed } => Some(EnrolError::Waiting { id, have, needed }),
        })
    }

    /// Issues one certificate for a request at the console, after the approvals that its profile
    /// needs.
    ///
    /// # Errors
    /// [`EnrolError::Waiting`], [`EnrolError::Rejected`], [`EnrolError::Office`].
    pub async fn issue_asked(
        &self,
        request: &Request,
        order: (String, Template),
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Certificate, EnrolError> {
        let orders = [order];
        let mut tx = self.inventory.db.write().await?;
        let requests = std::slice::from_ref(request);
        let waits = self
            .approved(&mut tx, requests, &orders, actor, now)
            .await?;
        tx.commit().await?;
        if let Some(waits) = waits {
            return Err(waits);
        }
        let certs = self.issue(orders.to_vec(), actor, now).await?;
        let cert = certs.into_iter().next();
        cert.ok_or_else(|| EnrolError::Wrong("nothing was issued".to_owned()))
    }

    /// Gives successors of current certificates to a station that showed its own.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn renew(
        &self,
        asked: &Renew,
        station: &VerifiedCert,
        validator: &Validator,
        from: &str,
        now: Timestamp,
    ) -> Result<Issued, EnrolError> {
        let Some(Party::Station(name)) = station.party() else {
            return Err(EnrolError::Wrong("the caller is no station".to_owned()));
        };
        if asked.requests.is_empty() || asked.requests.len() > REQUESTS_MAX {
            return Err(EnrolError::Wrong(format!(
                "give 1 to {REQUESTS_MAX} requests"
            )));
        }
        for request in &asked.requests {
            entitled(request, name, validator, now)?;
        }
        let actor = Actor {
            who: name.to_string(),
            from: from.to_owned(),
        };
        if let Some(known) = self.answered_before(&asked.requests, now).await? {
            self.publish(&known)?;
            return self
                .answer(&asked.requests, &known)
                .map_err(EnrolError::from);
        }
        let orders = self.orders(&asked.requests, now)?;
        let mut tx = self.inventory.db.write().await?;
        refuse_used_keys(&mut tx, &asked.requests, &orders).await?;
        let (names, prepared) = self.lint(orders, now)?;
        let planned = plan_in(&mut tx, prepared, &actor, now).await?;
        tx.commit().await?;
        let certs = self.sign(&names, planned, now)?;
        self.inventory.issued(&certs, &actor, now).await?;
        self.publish(&certs)?;
        Ok(self.answer(&asked.requests, &certs)?)
    }

    /// Templates in the order of the requests, with the authority that issues each.
    fn orders(
        &self,
        requests: &[Request],
        now: Timestamp,
    ) -> Result<Vec<(String, Template)>, EnrolError> {
        let order = |request: &Request| {
            let (role, party) = (request.role, &request.party);
            let spki = csr::requested_key(request.csr.as_bytes());
            let spki = spki.map_err(|source| EnrolError::Request {
                party: party.clone(),
                role,
                source,
            })?;
            let mut template =
                Template::new(role, &party.to_string(), &spki, now).for_party(party.clone());
            if let Some(name) = self.organization(party) {
                template = template.of_organization(&name);
            }
            Ok((self.issuer_for(role, party), template))
        };
        requests.iter().map(order).collect()
    }

    fn organization(&self, party: &Party) -> Option<String> {
        match party {
            Party::Agency(code) => self.plan.agencies.get(code).map(|one| one.name.clone()),
            Party::Station(_) => None,
        }
    }

    fn lint(
        &self,
        orders: Vec<(String, Template)>,
        now: Timestamp,
    ) -> Result<(Vec<String>, Vec<Prepared>), EnrolError> {
        let mut names = Vec::with_capacity(orders.len());
        let mut prepared = Vec::with_capacity(orders.len());
        for (name, template) in orders {
            prepared.push(self.prepare(&name, template, now)?);
            names.push(name);
        }
        Ok((names, prepared))
    }

    fn sign(
        &self,
        names: &[String],
        planned: Vec<Planned>,
        now: Timestamp,
    ) -> Result<Vec<Certificate>, EnrolError> {
        let mut certs = Vec::with_capacity(planned.len());
        for (name, planned) in names.iter().zip(planned) {
            let signed = self.issuer(name, now)?.sign(planned);
            certs.push(signed.map_err(|source| OfficeError::Issue {
                who: name.clone(),
                source,
            })?);
        }
        Ok(certs)
    }

    /// Certificates that were signed for exactly these keys, names and roles: the answer was lost.
    async fn answered_before(
        &self,
        requests: &[Request],
        now: Timestamp,
    ) -> Result<Option<Vec<Certificate>>, EnrolError> {
        let mut certs = Vec::with_capacity(requests.len());
        for (request, (_, template)) in requests.iter().zip(self.orders(requests, now)?) {
            let (name, role) = (request.party.to_string(), request.role);
            let key = Digest::of(&template.spki_der).to_string();
            match self
                .inventory
                .certificate_for_key(&key, &name, role)
                .await?
            {
                Some(cert) => certs.push(cert),
                None => return Ok(None),
            }
        }
        Ok(Some(certs))
    }

    fn answer(&self, requests: &[Request], certs: &[Certificate]) -> Result<Issued, OfficeError> {
        let certificates = requests
            .iter()
            .zip(certs)
            .map(|(request, cert)| IssuedCertificate {
                role: request.role,
                party: request.party.clone(),
                certificate: cert.pem(),
            });
        let pem = |certs: &[Certificate]| certs.iter().map(Certificate::pem).collect();
        let pin = self.trust_pin()?;
        Ok(Issued {
            certificates: certificates.collect(),
            authorities: pem(&self.authorities()?),
            trust_list: pem(pin.signers()),
            trust_list_needed: Some(pin.needed()),
        })
    }

    fn publish(&self, certs: &[Certificate]) -> Result<(), OfficeError> {
        for cert in certs {
            let (role, party) = (cert.role()?, cert.party(self.domain())?);
            let file = format!("{party}.{role}.{}.crt", cert.serial_hex());
            write_public(&self.records().join(file), cert.pem().as_bytes())?;
        }
        Ok(())
    }
}

fn certificates_of(answer: &Issued) -> Result<Vec<Certificate>, OfficeError> {
    let certs = answer.certificates.iter();
    let certs = certs.map(|one| Certificate::from_pem(one.certificate.as_bytes()));
    Ok(certs.collect::<Result<_, _>>()?)
}

/// Most certificates of one renewal: a node with a hundred agencies asks in parts.
const REQUESTS_MAX: usize = 64;
