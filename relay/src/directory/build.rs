//! Build: a snapshot from the folder. Trust list first, then the validator over it, then everything that
//! a record says, each judged by who may say it; caches are carried over from the last snapshot while
//! the trust behind them is the same.
//!
//! Fails only without a valid trust list; every other fault leaves its file out and names it. Must not
//! know how the directory is asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use formats::id::{AgencyCode, Digest};
use formats::record::{self, Record, StationKind, Subject, TrustList};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::{TrustStore, Validator};
use pki::record::{Beside, TrustPin};
use pki::role::Role;

use super::agencies::AgencyTable;
use super::folder::{Claim, Folder, Refused};
use super::freshness::Freshness;
use super::judge;
use super::lapse::Lapses;
use super::snapshot::{DirectoryError, Snapshot, StationEntry};
use crate::route::{Graph, Vertex};

impl Snapshot {
    pub(crate) fn build(
        folder: &Folder,
        pinned: &TrustPin,
        last: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, DirectoryError> {
        let mut refused: Vec<Refused> = folder.refused().collect();
        let authorities = authorities(folder);
        let beside = Beside {
            authorities: authorities.clone(),
            crls: folder.crls().cloned().collect(),
        };
        let trust = judge::trust_list(folder.claims(), pinned, &beside, &mut refused);
        let (trust, trust_signed) = trust.ok_or_else(|| DirectoryError::NoTrustList {
            refused: refused
                .iter()
                .map(|one| format!("{}: {}", one.file, one.reason))
                .collect(),
        })?;
        let (store, trust_digest) = trust_store(folder, &trust, authorities);
        let same = last.filter(|last| last.trust_digest == trust_digest);
        let validator = same.map_or_else(|| Validator::new(store), Self::validator);
        let freshness = Freshness::of(&validator, &trust);
        let mut snapshot = Self {
            validator,
            verdicts: same
                .map(|same| Arc::clone(&same.verdicts))
                .unwrap_or_default(),
            signers: same
                .map(|same| Arc::clone(&same.signers))
                .unwrap_or_default(),
            trust,
            trust_signed,
            trust_digest,
            agencies: AgencyTable::of(&[], None),
            attachments: HashMap::new(),
            delegations: HashMap::new(),
            stations: BTreeMap::new(),
            certificates: HashMap::new(),
            encryption: BTreeMap::new(),
            graph: Graph::default(),
            built: now,
            freshness,
            lapses: Lapses::default(),
            refused: vec![],
        };
        snapshot.index_certificates(folder);
        let (subjects, lapses) = judge::by_subject(folder.claims(), now, &mut refused);
        snapshot.lapses = lapses;
        let mut bundles = Vec::new();
        for (subject, claims) in subjects {
            snapshot.place(subject, claims, now, &mut bundles, &mut refused);
        }
        snapshot.agencies = AgencyTable::of(&bundles, last.map(|last| &last.agencies));
        refused.extend_from_slice(snapshot.agencies.refused());
        snapshot.draw_graph(&mut refused);
        refused.sort_by(|one, other| one.file.cmp(&other.file));
        snapshot.refused = refused;
        Ok(snapshot)
    }

    fn index_certificates(&mut self, folder: &Folder) {
        for known in folder.certificates() {
            self.certificates.insert(known.sha256, Arc::clone(known));
            if known.role != Some(Role::AgencyEncryption) {
                continue;
            }
            let code = known
                .dns_name
                .as_deref()
                .and_then(|name| AgencyCode::from_dns_name(name, &self.trust.trust_domain).ok());
            if let Some(code) = code {
                self.encryption
                    .entry(code)
                    .or_default()
                    .push(Arc::clone(known));
            }
        }
        for list in self.encryption.values_mut() {
            list.sort_by_key(|known| std::cmp::Reverse(known.not_before));
        }
    }

    fn place(
        &mut self,
        subject: Subject,
        claims: Vec<Arc<Claim>>,
        now: Timestamp,
        bundles: &mut Vec<Arc<Claim>>,
        refused: &mut Vec<Refused>,
    ) {
        match subject {
            // Judged before everything else.
            Subject::TrustList(_) => {}
            // Judged when they are asked for: there may be hundreds of thousands.
            Subject::Attachment(code) => {
                self.attachments.insert(code, claims);
            }
            Subject::Delegation(_, scope) => {
                self.delegations.entry(scope).or_default().extend(claims);
            }
            Subject::Agencies(_) | Subject::Station(_) => {
                for claim in claims {
                    match self.verdicts.verify(&claim, &self.validator, now) {
                        Ok(()) => {
                            if let Record::Station(station) = &claim.record {
                                self.adopt(station, &claim);
                            } else {
                                bundles.push(claim);
                            }
                            return;
                        }
                        Err(reason) => refused.push(Refused {
                            file: claim.file.clone(),
                            reason,
                        }),
                    }
                }
            }
        }
    }

    fn adopt(&mut self, station: &record::Station, claim: &Claim) {
        let entry = StationEntry {
            record: station.clone(),
            signed: Arc::clone(&claim.signed),
        };
        self.stations.insert(station.name.clone(), Arc::new(entry));
    }

    fn draw_graph(&mut self, refused: &mut Vec<Refused>) {
        let vertices: Vec<Vertex> = self
            .stations
            .values()
            .map(|station| Vertex {
                name: station.record.name.clone(),
                relay: station.record.kind == StationKind::Relay,
                home_relays: station.record.home_relays.clone(),
                neighbours: station.record.neighbours.clone(),
            })
            .collect();
        let (graph, one_sided) = Graph::build(&vertices);
        self.graph = graph;
        refused.extend(one_sided.into_iter().map(|(claims, of)| Refused {
            file: format!("{claims}"),
            reason: format!("names {of} as its neighbour, which does not name it back"),
        }));
    }
}

/// Issuing authorities that lie in the folder; believed only below a root of the trust list.
fn authorities(folder: &Folder) -> Vec<Certificate> {
    folder
        .certificates()
        .filter(|known| known.role == Some(Role::IssuingCa))
        .filter_map(|known| Certificate::parse(&known.der).ok())
        .collect()
}

/// Everything a verdict depends on, and a digest of it.
fn trust_store(
    folder: &Folder,
    trust: &TrustList,
    intermediates: Vec<Certificate>,
) -> (TrustStore, Digest) {
    let roots = trust
        .roots
        .iter()
        .filter_map(|der| Certificate::parse(der.as_bytes()).ok());
    let roots: Vec<Certificate> = roots.collect();
    let crls: Vec<_> = folder.crls().cloned().collect();
    let mut digests: Vec<Digest> = roots.iter().map(Certificate::sha256).collect();
    digests.extend(intermediates.iter().map(Certificate::sha256));
    digests.extend(crls.iter().map(|crl| Digest::of(crl.der())));
    digests.sort();
    let mut all = trust.trust_domain.as_str().as_bytes().to_vec();
    for digest in digests {
        all.extend_from_slice(digest.as_bytes());
    }
    let trust_domain = trust.trust_domain.clone();
    (
        TrustStore {
            trust_domain,
            roots,
            intermediates,
            crls,
            ocsp: Vec::new(),
        },
        Digest::of(&all),
    )
}
