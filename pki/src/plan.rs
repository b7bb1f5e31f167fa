//! `plan.toml`: what an authority is to set up, reviewed before it is done.
//!
//! Owns: the file's form and every rule that can be checked before the first key is made. Fails
//! with [`PlanError`] listing all problems at once, each with the fix. Must not know: keys,
//! issuing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use formats::id::{AgencyCode, Digest, StationName, TrustDomain};
use formats::record::{Address, StationKind};
use formats::text::alias_key;
use serde::Deserialize;
use thiserror::Error;

/// Why a plan cannot be carried out.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("plan {file}")]
    File {
        /// Path of the plan.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the TOML that it should be.
    #[error("plan {file}: {reason}")]
    Form {
        /// Path of the plan.
        file: String,
        /// What is wrong and where.
        reason: String,
    },
    /// Rules are broken.
    #[error("plan has {} problem(s):\n{}", .0.len(), .0.join("\n"))]
    Problems(Vec<String>),
}

/// A plan that passed every check.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The authority.
    pub authority: Authority,
    /// Time-stamping authority.
    pub tsa: Tsa,
    /// Stations by name.
    pub stations: BTreeMap<StationName, Station>,
    /// Agencies by code.
    pub agencies: BTreeMap<AgencyCode, Agency>,
    /// SHA-256 of the file: what the review was about.
    pub digest: Digest,
    /// The file itself.
    pub text: String,
}

/// `[authority]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Name of whoever runs it; organizationName of the authorities.
    pub name: String,
    /// The DNS name below which everything is named.
    pub trust_domain: TrustDomain,
    /// Provinces or ministries with an authority of their own.
    #[serde(default)]
    pub delegated: Vec<Delegated>,
    /// Name of the registry's certificate; `registry-1.<trust domain>` by default.
    pub registry: Option<StationName>,
    /// Name of the trust list's certificate; `trust-list.<trust domain>` by default.
    pub trust_list: Option<StationName>,
}

/// `[[authority.delegated]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegated {
    /// Its agencies are this one and all below.
    pub code: AgencyCode,
    /// Name of whoever runs it.
    pub name: Option<String>,
}

/// `[tsa]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tsa {
    /// Name of its certificate.
    pub name: StationName,
    /// Where it answers, for stations' configuration.
    pub url: String,
}

/// `[[station]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Its name.
    pub name: StationName,
    /// Relay or node.
    pub kind: StationKind,
    /// Where it listens; a node that only dials out has none.
    pub address: Option<String>,
    /// Relays that a node keeps links to.
    #[serde(default)]
    pub home_relays: Vec<StationName>,
    /// Stations that it keeps links to besides: relays, or for a node other nodes that name it back
    /// (direct exchange).
    #[serde(default)]
    pub neighbours: Vec<StationName>,
    /// Data centre.
    pub site: Option<String>,
}

/// `[[agency]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agency {
    /// Canonical code.
    pub code: AgencyCode,
    /// Name in Vietnamese.
    pub name: String,
    /// Other codes and names that people write for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The agency above it.
    pub parent: Option<AgencyCode>,
    /// Its home station; an agency may be listed before it has one.
    pub station: Option<StationName>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    authority: Authority,
    tsa: Tsa,
    #[serde(default, rename = "station")]
    stations: Vec<Station>,
    #[serde(default, rename = "agency")]
    agencies: Vec<Agency>,
}

impl Plan {
    /// Reads and checks a plan.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, text),
            Err(source) => Err(PlanError::File { file, source }),
        }
    }

    /// Checks a plan's text; `file` is for error texts.
    ///
    /// # Errors
    /// [`PlanError::Form`] or [`PlanError::Problems`].
    pub fn parse(file: &str, text: String) -> Result<Self, PlanError> {
        let parsed: File = toml::from_str(&text).map_err(|error| PlanError::Form {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
        let mut problems = Vec::new();
        let mut plan = Self {
            digest: Digest::of(text.as_bytes()),
            text,
            authority: parsed.authority,
            tsa: parsed.tsa,
            stations: BTreeMap::new(),
            agencies: BTreeMap::new(),
        };
        for station in parsed.stations {
            if let Some(twice) = plan.stations.insert(station.name.clone(), station) {
                problems.push(format!("station {} stands twice: remove one", twice.name));
            }
        }
        for agency in parsed.agencies {
            if let Some(twice) = plan.agencies.insert(agency.code.clone(), agency) {
                problems.push(format!("agency {} stands twice: remove one", twice.code));
            }
        }
        plan.check_names(&mut problems);
        plan.check_stations(&mut problems);
        plan.check_agencies(&mut problems);
        if problems.is_empty() {
            Ok(plan)
        } else {
            Err(PlanError::Problems(problems))
        }
    }

    fn check_names(&self, problems: &mut Vec<String>) {
        let domain = &self.authority.trust_domain;
        let services = [
            &self.tsa.name,
            &self.registry_name(),
            &self.trust_list_name(),
        ]
        .map(Clone::clone);
        let mut seen = BTreeSet::new();
        for name in self.stations.keys().chain(&services) {
            if !name.is_below(domain) {
                problems.push(format!("{name} is not below {domain}: append .{domain}"));
            }
            if !seen.insert(name) {
                problems.push(format!("the name {name} is used twice: choose another"));
            }
        }
        let mut codes = BTreeSet::new();
        for delegated in &self.authority.delegated {
            if !codes.insert(&delegated.code) {
                problems.push(format!(
                    "delegated {} stands twice: remove one",
                    delegated.code
                ));
            }
        }
    }

    fn check_stations(&self, problems: &mut Vec<String>) {
        for station in self.stations.values() {
            let name = &station.name;
            match (&station.address, station.kind) {
                (None, StationKind::Relay) => {
                    problems.push(format!("relay {name} has no address: add address"));
                }
                (Some(address), _) if address.parse::<Address>().is_err() => problems.push(
                    format!("station {name}: {address:?} is no address: write host:port"),
                ),
                _ => {}
            }
            for other in &station.home_relays {
                match self.stations.get(other) {
                    Some(known) if known.kind == StationKind::Relay && other != name => {}
                    _ => problems.push(format!(
                        "station {name} names {other}, which is not another relay of this plan"
                    )),
                }
            }
            self.check_neighbours(station, problems);
            if station.kind == StationKind::Relay && !station.home_relays.is_empty() {
                problems.push(format!("relay {name} has home_relays: use neighbours"));
            }
        }
    }

    /// A neighbour is a relay, or for a node another node that says the same: both must name each
    /// other before anybody routes over the pair (architecture 9), and one of the two is dialled.
    fn check_neighbours(&self, station: &Station, problems: &mut Vec<String>) {
        let name = &station.name;
        for other in &station.neighbours {
            match self.stations.get(other) {
                Some(known) if known.kind == StationKind::Relay && other != name => {}
                Some(known) if station.kind == StationKind::Node && other != name => {
                    if !known.neighbours.contains(name) {
                        problems.push(format!(
                            "node {name} names node {other}, which does not name it back: add {name} \
                             to its neighbours"
                        ));
                    }
                    // The smaller name dials the larger.
                    if name < other && known.address.is_none() {
                        problems.push(format!(
                            "node {name} cannot reach its neighbour {other}: give {other} an address"
                        ));
                    }
                }
                _ => problems.push(format!(
                    "station {name} names {other}, which is not another relay of this plan"
                )),
            }
        }
    }

    fn check_agencies(&self, problems: &mut Vec<String>) {
        let mut aliases: BTreeMap<String, &AgencyCode> = BTreeMap::new();
        for agency in self.agencies.values() {
            let code = &agency.code;
            match agency
                .station
                .as_ref()
                .map(|name| (name, self.stations.get(name)))
            {
                Some((name, None)) => problems.push(format!(
                    "agency {code}: station {name} is not in the plan: add it"
                )),
                Some((name, Some(station))) if station.kind == StationKind::Relay => {
                    problems.push(format!("agency {code}: {name} is a relay: name a node"))
                }
                _ => {}
            }
            if agency.parent.as_ref().is_some_and(|parent| parent == code) {
                problems.push(format!("agency {code} is its own parent"));
            }
            for alias in &agency.aliases {
                if let Some(other) = aliases.insert(alias_key(alias), code) {
                    problems.push(format!("alias {alias:?} is of {other} and of {code}"));
                }
            }
        }
    }

    /// Name of the registry's certificate.
    #[must_use]
    pub fn registry_name(&self) -> StationName {
        self.service_name(self.authority.registry.as_ref(), "registry-1")
    }

    /// Name of the trust list's certificate.
    #[must_use]
    pub fn trust_list_name(&self) -> StationName {
        self.service_name(self.authority.trust_list.as_ref(), "trust-list")
    }

    fn service_name(&self, given: Option<&StationName>, label: &str) -> StationName {
        let name = format!("{label}.{}", self.authority.trust_domain);
        // A trust domain too long for this label is too long for every station; the TSA's given
        // name stands in and is then reported as used twice.
        let own = StationName::parse(&name).unwrap_or_else(|_| self.tsa.name.clone());
        given.cloned().unwrap_or(own)
    }

    /// The delegated authority that certifies this agency, if any: the one with the longest code.
    #[must_use]
    pub fn delegated_for(&self, code: &AgencyCode) -> Option<&Delegated> {
        self.authority
            .delegated
            .iter()
            .filter(|delegated| *code == delegated.code || code.is_within(&delegated.code))
            .max_by_key(|delegated| delegated.code.as_str().len())
    }
}

#[cfg(test)]
mod tests;
