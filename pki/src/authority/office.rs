//! The office: an authority's folder opened for work: its keys, its plan, its inventory.
//!
//! Owns: which authority issues for whom, issuing in the order *lint → durable plan → signature →
//! durable note*, revocation lists, and the public files. Commands and the server work through it,
//! also beside each other. Fails with [`OfficeError`]. Must not know HTTP.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use formats::id::{Digest, Party, StationName, TrustDomain};
use formats::time::Timestamp;
use thiserror::Error;

use super::audit::Actor;
use super::folder::{self, write_public};
use super::inventory::{Inventory, InventoryError};
use super::log::LogSigner;
pub use super::settings::{ClockSettings, ForeignSettings, Settings};
use crate::cert::{CertError, Certificate};
use crate::issue::{CRL_VALID_MS, CrlTemplate, IssueError, Issuer, Prepared};
use crate::key::{KeyError, LogKey, SigningKey};
use crate::ledger::Ledger;
use crate::plan::{Plan, PlanError};
use crate::profile::{Profiles, TableError, Template};
use crate::record::PinError;
use crate::revoke::{Crl, CrlError};
use crate::role::Role;

/// Why the office cannot do what is asked.
#[derive(Debug, Error)]
pub enum OfficeError {
    /// A certificate file is damaged.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// A list file is damaged.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// An authority whose time is over signs nothing.
    #[error("authority {name} ended at {not_after}: its certificate must be renewed first")]
    Ended {
        /// Which.
        name: String,
        /// End of its validity.
        not_after: Timestamp,
    },
    /// A file cannot be read or written.
    #[error("{file}")]
    File {
        /// Its path.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A certificate was refused or could not be signed.
    #[error("{who}: {source}")]
    Issue {
        /// For whom.
        who: String,
        /// Why.
        #[source]
        source: IssueError,
    },
    /// A key file is damaged or its token is away.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key of an authority is not here.
    #[error(
        "the key of authority {0} is not here: bring authority/{0}.key or run this where it is"
    )]
    NoKey(String),
    /// The pinned signers of the trust list.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The plan that the folder was made from.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// `authority/profiles.toml`, the operator's own.
    #[error(transparent)]
    Profiles(#[from] TableError),
    /// `authority/authority.toml`.
    #[error("{file}: {reason}")]
    Settings {
        /// Its path.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

/// The open folder.
#[derive(Debug)]
pub struct Office {
    /// The folder that `init` made.
    pub dir: PathBuf,
    /// The plan that it was made from.
    pub plan: Plan,
    /// Authorities whose keys are here, by file name: `root`, `ca`, `ca-H01`.
    pub issuers: BTreeMap<String, Issuer>,
    /// Everything that was issued.
    pub inventory: Inventory,
}

impl Office {
    /// Opens a folder made by `init`. A ledger file of an earlier version is taken over once.
    ///
    /// # Errors
    /// [`OfficeError`].
    pub async fn open(dir: &Path, now: Timestamp) -> Result<Self, OfficeError> {
        let home = dir.join("authority");
        let plan = Plan::load(&home.join("plan.toml"))?;
        let inventory = open_inventory(dir).await?;
        let mut office = Self {
            dir: dir.to_path_buf(),
            plan,
            issuers: BTreeMap::new(),
            inventory,
        };
        let profiles = load_profiles(&home)?;
        let passphrase = Settings::load(dir)?.passphrase(dir)?;
        let passphrase = passphrase.as_deref().map(String::as_str);
        for name in office.issuer_names() {
            // The root's key is normally elsewhere; what is absent cannot sign, and says so later.
            if home.join(format!("{name}.key")).exists() {
                let issuer = load_issuer(&home, &name, passphrase, office.domain())?;
                let issuer = issuer.with_profiles(profiles.clone());
                office.issuers.insert(name, issuer);
            }
        }
        office.take_over(now).await?;
        Ok(office)
    }

    /// A new office over an empty folder, before any key is made.
    ///
    /// # Errors
    /// [`OfficeError::Inventory`].
    pub async fn found(dir: &Path, plan: Plan) -> Result<Self, OfficeError> {
        let inventory = open_inventory(dir).await?;
        Ok(Self {
            dir: dir.to_path_buf(),
            plan,
            issuers: BTreeMap::new(),
            inventory,
        })
    }

    /// The trust domain.
    #[must_use]
    pub fn domain(&self) -> &TrustDomain {
        &self.plan.authority.trust_domain
    }

    /// Root, national authority and delegated ones, as their files are called.
    #[must_use]
    pub fn issuer_names(&self) -> Vec<String> {
        let delegated = self.plan.authority.delegated.iter();
        let delegated = delegated.map(|one| format!("ca-{}", one.code));
        ["root".to_owned(), "ca".to_owned()]
            .into_iter()
            .chain(delegated)
            .collect()
    }

    /// The certificate of an authority, whether its key is here or not.
    ///
    /// # Errors
    /// [`OfficeError::Certificate`].
    pub fn authority(&self, name: &str) -> Result<Certificate, OfficeError> {
        Ok(Certificate::load(&self.file(&format!("{name}.crt")))?)
    }

    /// Every authority's certificate: the issuing ones first, then the root.
    ///
    /// # Errors
    /// [`OfficeError::Certificate`].
    pub fn authorities(&self) -> Result<Vec<Certificate>, OfficeError> {
        let mut names = self.issuer_names();
        names.rotate_left(1);
        names.iter().map(|name| self.authority(name)).collect()
    }

    /// A file of the authority's own folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join("authority").join(name)
    }

    /// The folder of public files.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.dir.join("records")
    }

    /// The name of the authority that certifies this party: the delegated one whose codes or
    /// names it lies in, for roles that may be delegated; the national one otherwise.
    #[must_use]
    pub fn issuer_for(&self, role: Role, party: &Party) -> String {
        let delegated = match party {
            Party::Agency(code) => self.plan.delegated_for(code),
            Party::Station(name) => self.plan.authority.delegated.iter().find(|one| {
                let below = format!(".{}", one.code.dns_name(self.domain()));
                name.as_str().ends_with(&below)
            }),
        };
        match delegated {
            Some(one) if role.may_be_delegated() => format!("ca-{}", one.code),
            _ => "ca".to_owned(),
        }
    }

    /// An authority whose key is here and whose time is not over.
    ///
    /// # Errors
    /// [`OfficeError::NoKey`], [`OfficeError::Ended`].
    pub fn issuer(&self, name: &str, now: Timestamp) -> Result<&Issuer, OfficeError> {
        let issuer = self.issuers.get(name);
        let issuer = issuer.ok_or_else(|| OfficeError::NoKey(name.to_owned()))?;
        let not_after = issuer.certificate().not_after();
        if not_after <= now {
            let name = name.to_owned();
            return Err(OfficeError::Ended { name, not_after });
        }
        Ok(issuer)
    }

    /// Lints what is asked for. A certificate never outlives its authority nor its profile: its end
    /// is brought forward.
    ///
    /// # Errors
    /// [`OfficeError::Issue`] naming for whom, [`OfficeError::NoKey`], [`OfficeError::Ended`].
    pub fn prepare(
        &self,
        name: &str,
        template: Template,
        now: Timestamp,
    ) -> Result<Prepared, OfficeError> {
        let who = template.party.as_ref();
        let who = who.map_or_else(|| template.common_name.clone(), Party::to_string);
        let issuer = self.issuer(name, now)?;
        let prepared = issuer.prepare(issuer.limited(template));
        prepared.map_err(|source| OfficeError::Issue { who, source })
    }

    /// Prepares, plans and signs; certificates come back in the order of the orders.
    ///
    /// # Errors
    /// [`OfficeError`]; what was planned and not signed stays in the inventory as that.
    pub async fn issue(
        &self,
        orders: Vec<(String, Template)>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<Certificate>, OfficeError> {
        let mut names = Vec::with_capacity(orders.len());
        let mut prepared = Vec::with_capacity(orders.len());
        for (name, template) in orders {
            prepared.push(self.prepare(&name, template, now)?);
            names.push(name);
        }
        let planned = self.inventory.plan(prepared, actor, now).await?;
        let mut certs = Vec::with_capacity(planned.len());
        for (name, planned) in names.iter().zip(planned) {
            let signed = self.issuer(name, now)?.sign(planned);
            certs.push(signed.map_err(|source| OfficeError::Issue {
                who: name.clone(),
                source,
            })?);
        }
        self.inventory.issued(&certs, actor, now).await?;
        Ok(certs)
    }

    /// Signs and publishes the list of every authority whose key is here; an ended authority's last
    /// list stays.
    ///
    /// # Errors
    /// [`OfficeError`]; lists that were written stay.
    pub async fn publish_crls(
        &self,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<(String, Crl)>, OfficeError> {
        let mut made = Vec::new();
        for (name, issuer) in &self.issuers {
            if issuer.certificate().not_after() <= now {
                continue;
            }
            let next = self.inventory.next_crl(issuer.certificate(), actor, now);
            let (number, entries) = next.await?;
            let this_update = now.floor_s();
            let template = CrlTemplate {
                number,
                this_update,
                next_update: this_update.plus_ms(CRL_VALID_MS),
                entries,
            };
            let crl = issuer
                .sign_crl(&template)
                .map_err(|source| OfficeError::Issue {
                    who: format!("{name}.crl"),
                    source,
                })?;
            write_public(&self.records().join(format!("{name}.crl")), crl.der())?;
            if name == "ca" {
                write_public(&self.file("crl.der"), crl.der())?;
            }
            made.push((name.clone(), crl));
        }
        Ok(made)
    }

    /// Name under which the authority's own server is certified.
    #[must_use]
    pub fn server_name(&self) -> Option<StationName> {
        StationName::parse(&format!("{SERVER_LABEL}-1.{}", self.domain())).ok()
    }

    /// Who signs the log of certificates, if the keys are here.
    ///
    /// # Errors
    /// [`OfficeError::Key`], [`OfficeError::Certificate`].
    pub fn log_signer(&self) -> Result<Option<LogSigner>, OfficeError> {
        let Some(name) = self.server_name().filter(|_| self.file("log.key").exists()) else {
            return Ok(None);
        };
        Ok(Some(LogSigner {
            station: name,
            log_key: LogKey::load(&self.file("log.key"), None)?,
            evidence: (
                SigningKey::load(&self.file("evidence.key"), None)?,
                Certificate::load(&self.file("evidence.crt"))?,
            ),
        }))
    }

    /// What an administrator should know before anybody else notices.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut all = Vec::new();
        let own = ["api", "evidence", "ocsp", "registry", "trust-list", "tsa"].map(str::to_owned);
        for name in self.issuer_names().into_iter().chain(own) {
            let Ok(cert) = Certificate::load(&self.file(&format!("{name}.crt"))) else {
                continue;
            };
            let end = cert.not_after();
            if end <= now {
                all.push(format!(
                    "{name} ended at {end} (đã hết hạn {})",
                    end.vietnam()
                ));
                continue;
            }
            let left_days = end.unix_ms().saturating_sub(now.unix_ms()) / DAY_MS;
            let role = cert.role().ok();
            // An authority is warned of as long as what it issues would be cut short.
            let horizon = if role.is_some_and(Role::is_authority) {
                365
            } else {
                30
            };
            if left_days < horizon {
                all.push(format!(
                    "{name} ends at {end}, in {left_days} days (sắp hết hạn, còn {left_days} ngày)"
                ));
            }
        }
        all
    }

    async fn take_over(&self, now: Timestamp) -> Result<(), OfficeError> {
        let path = self.file("ledger.jsonl");
        if !path.exists() {
            return Ok(());
        }
        let ledger = Ledger::open(&path).map_err(InventoryError::from)?;
        let mut known: HashMap<Digest, Certificate> = HashMap::new();
        for folder in [self.dir.join("authority"), self.records()] {
            for cert in folder::certificates(&folder)? {
                known.insert(cert.sha256(), cert);
            }
        }
        let actor = Actor::itself();
        self.inventory
            .take_over(&ledger, &known, &actor, now)
            .await?;
        let done = self.file("ledger.taken-over.jsonl");
        std::fs::rename(&path, &done).map_err(|source| folder::failed(&path, source))
    }
}

async fn open_inventory(dir: &Path) -> Result<Inventory, OfficeError> {
    let own = dir.join("authority/authority.db").display().to_string();
    let place = Settings::load(dir)?.database.unwrap_or(own);
    Ok(Inventory::open(&place).await?)
}

/// The operator's profiles over the built-in ones; the file need not be there.
fn load_profiles(home: &Path) -> Result<Profiles, OfficeError> {
    let file = home.join("profiles.toml");
    if file.exists() {
        Ok(Profiles::load(&file)?)
    } else {
        Ok(Profiles::built_in().clone())
    }
}

fn load_issuer(
    home: &Path,
    name: &str,
    passphrase: Option<&str>,
    domain: &TrustDomain,
) -> Result<Issuer, OfficeError> {
    let cert = Certificate::load(&home.join(format!("{name}.crt")))?;
    let key = home.join(format!("{name}.key"));
    // A passphrase opens what is encrypted; a plain key needs none.
    let key = match SigningKey::load(&key, None) {
        Err(KeyError::Encrypted(_)) if passphrase.is_some() => SigningKey::load(&key, passphrase)?,
        loaded => loaded?,
    };
    Issuer::new(cert, key, domain.clone()).map_err(|source| OfficeError::Issue {
        who: name.to_owned(),
        source,
    })
}

/// First label of the authority's own server. No station is ever certified under it, so that no
/// station can pass for the authority.
pub const SERVER_LABEL: &str = "authority";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
