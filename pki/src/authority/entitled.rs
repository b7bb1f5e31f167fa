//! Entitled: what a caller may ask for. A grant names exactly its certificates; a station renews its own; an
//! agency's wish carries the signature of its current key; a key is certified once.
//!
//! Fails with [`EnrolError`]. Must not know how anything is issued or published.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::id::{Digest, Party, StationName};
use formats::time::Timestamp;

use super::db::Tx;
use super::enrolment::EnrolError;
use super::grants::{GrantKind, Kept};
use super::inventory::keys_in;
use super::office::SERVER_LABEL;
use crate::chain::Validator;
use crate::enrol::Request;
use crate::profile::Template;
use crate::role::{NameKind, Role};
use crate::sign::{self, Content, Parsed};

/// A key stands for one party in one role, for ever; two requests with one key are refused too.
pub(super) async fn refuse_used_keys(
    tx: &mut Tx,
    requests: &[Request],
    orders: &[(String, Template)],
) -> Result<(), EnrolError> {
    let mut seen = BTreeSet::new();
    for (request, (_, template)) in requests.iter().zip(orders) {
        let key = Digest::of(&template.spki_der).to_string();
        let known = keys_in(tx, &key).await?;
        if known || !seen.insert(key) {
            return Err(EnrolError::KeyUsed {
                party: request.party.clone(),
                role: request.role,
            });
        }
    }
    Ok(())
}

/// Each role of the station once, both roles of each agency once, nothing else.
pub(super) fn exactly_granted(kept: &Kept, requests: &[Request]) -> Result<(), EnrolError> {
    let station = Party::Station(kept.allowed.station.clone());
    let own: &[Role] = match kept.allowed.kind {
        GrantKind::Equipment => &[Role::StationTls],
        GrantKind::Node | GrantKind::Relay => &[Role::StationTls, Role::StationEvidence],
    };
    let own = own.iter().map(|role| (*role, station.clone()));
    let mut wanted: BTreeSet<(Role, Party)> = own.collect();
    if kept.allowed.kind == GrantKind::Node {
        for agency in &kept.allowed.agencies {
            for role in [Role::AgencySignature, Role::AgencyEncryption] {
                wanted.insert((role, Party::Agency(agency.code.clone())));
            }
        }
    }
    for request in requests {
        let one = (request.role, request.party.clone());
        if !wanted.remove(&one) {
            let text = format!("{} for {} is not granted or asked twice", one.0, one.1);
            return Err(EnrolError::Wrong(text));
        }
    }
    match wanted.first() {
        Some((role, party)) => Err(EnrolError::Wrong(format!("{role} for {party} is missing"))),
        None => Ok(()),
    }
}

/// Whether the station may ask for this renewal.
pub(super) fn entitled(
    request: &Request,
    station: &StationName,
    validator: &Validator,
    now: Timestamp,
) -> Result<(), EnrolError> {
    let refuse = |reason| {
        Err(EnrolError::NotYours {
            party: request.party.clone(),
            role: request.role,
            reason,
        })
    };
    match (&request.party, request.role) {
        (Party::Station(name), Role::StationTls | Role::StationEvidence) if name == station => {
            Ok(())
        }
        (Party::Station(_), _) => refuse("a station renews its own TLS and evidence certificates"),
        (Party::Agency(_), role) if role.name_kind() != NameKind::Agency => {
            refuse("this role is no agency's")
        }
        (Party::Agency(_), _) => match proven(request, validator, now) {
            true => Ok(()),
            false => refuse("needs the signature of the agency's current key over the request"),
        },
    }
}

/// Whether the agency's current signature key signed this wish.
fn proven(request: &Request, validator: &Validator, now: Timestamp) -> bool {
    let Some(proof) = request
        .proof
        .as_ref()
        .and_then(|text| STANDARD.decode(text).ok())
    else {
        return false;
    };
    let Ok(parsed) = Parsed::parse(&proof) else {
        return false;
    };
    let statement = request.statement();
    parsed.embedded_certificates().iter().any(|cert| {
        let Ok(signer) = validator.verify(cert, Role::AgencySignature, now) else {
            return false;
        };
        let content = Content::Renewal(&statement);
        signer.party() == Some(&request.party)
            && sign::verify_detached(&proof, content, &signer).is_ok()
    })
}

/// Whether a name may be given to a station: the authority's own first label is nobody else's.
#[must_use]
pub fn may_be_station(name: &StationName) -> bool {
    let first = name.as_str().split('.').next().unwrap_or_default();
    first != SERVER_LABEL && !first.starts_with(&format!("{SERVER_LABEL}-"))
}
