//! The rules between the certificates of a path (RFC 5280 sections 6.1.3 to 6.1.5), each by itself.
//!
//! Owns: validity, signatures, who may be an issuer, path lengths, name constraints, policies and
//! purposes along a path with the root first. Fails with [`ChainError`]. Must not know: how paths
//! are found, revocation, our roles.

use const_oid::ObjectIdentifier;
use formats::time::Timestamp;

use super::ChainError;
use super::names::{Budget, Constraints};
use super::path::{Anchor, AnchorExtensions, Question};
use super::policy::{PolicyInput, PolicyState};
use super::structure;
use crate::algorithm::SignatureAlgorithm;
use crate::cert::Certificate;

/// A trust anchor, as far as the question lets its certificate bind (RFC 5280 section 6.1.1 (d),
/// RFC 5937).
pub(super) fn check_anchor(root: &Certificate, question: &Question) -> Result<(), ChainError> {
    match question.anchor.extensions {
        AnchorExtensions::Demanded => check_issuer(root, question)?,
        AnchorExtensions::Ignored => {}
        AnchorExtensions::WhereGiven => {
            structure::check(root, question.criticality)?;
            if root.extensions().basic_constraints.is_some() {
                check_issuer(root, question)?;
            }
            check_signs_certificates(root)?;
        }
    }
    match question.anchor.validity_binds {
        true => check_validity(root, question.at),
        false => Ok(()),
    }
}

/// Section 6.1.4 (k) and (n).
pub(super) fn check_authority(issuer: &Certificate, question: &Question) -> Result<(), ChainError> {
    check_issuer(issuer, question)?;
    check_validity(issuer, question.at)
}

fn check_issuer(issuer: &Certificate, question: &Question) -> Result<(), ChainError> {
    structure::check(issuer, question.criticality)?;
    if !issuer.extensions().is_authority() {
        return Err(ChainError::Structure {
            subject: issuer.subject(),
            reason: "issuer is not an authority",
            rule: "RFC 5280 section 6.1.4 (k)",
        });
    }
    check_signs_certificates(issuer)
}

fn check_signs_certificates(issuer: &Certificate) -> Result<(), ChainError> {
    let usage = issuer.extensions().key_usage.as_ref();
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(ChainError::Structure {
            subject: issuer.subject(),
            reason: "issuer has no keyCertSign key usage",
            rule: "RFC 5280 section 6.1.4 (n)",
        });
    }
    Ok(())
}

pub(super) fn check_validity(cert: &Certificate, at: Timestamp) -> Result<(), ChainError> {
    // Whole seconds: notAfter is inclusive to the end of its second (section 4.1.2.5).
    if at.unix_s() < cert.not_before().unix_s() {
        let (subject, not_before) = (cert.subject(), cert.not_before());
        return Err(ChainError::NotYetValid {
            subject,
            not_before,
            at,
        });
    }
    if at.unix_s() > cert.not_after().unix_s() {
        let (subject, not_after) = (cert.subject(), cert.not_after());
        return Err(ChainError::Expired {
            subject,
            not_after,
            at,
        });
    }
    Ok(())
}

pub(super) fn check_signature(cert: &Certificate, issuer: &Certificate) -> Result<(), ChainError> {
    let failed = |source| ChainError::Signature {
        subject: cert.subject(),
        source,
    };
    let algorithm =
        SignatureAlgorithm::from_identifier(cert.x509().signature_algorithm()).map_err(failed)?;
    let key = issuer
        .public_key()
        .map_err(|source| ChainError::Certificate {
            subject: issuer.subject(),
            source,
        })?;
    let signature = cert
        .x509()
        .signature()
        .as_bytes()
        .ok_or_else(|| ChainError::Structure {
            subject: cert.subject(),
            reason: "unused bits in the signature",
            rule: "RFC 5280 section 4.1.1.3",
        })?;
    key.verify(algorithm, cert.tbs_der(), signature)
        .map_err(failed)
}

/// pathLenConstraint and our own limit; self-issued authorities do not count (section 6.1.4 (l),
/// (m)).
pub(super) fn check_lengths(
    path: &[Certificate],
    depth_max: usize,
    anchor: Anchor,
) -> Result<(), ChainError> {
    let mut left = depth_max;
    let Some((_, authorities)) = path.split_last() else {
        return Ok(());
    };
    for (place, authority) in authorities.iter().enumerate() {
        if place > 0 && !authority.is_self_issued() {
            left = left.checked_sub(1).ok_or_else(|| ChainError::Depth {
                subject: authority.subject(),
            })?;
        }
        if place == 0 && !anchor.binds() {
            continue;
        }
        let own = authority.extensions().basic_constraints.as_ref();
        if let Some(own) = own.and_then(|known| known.value.path_len_constraint) {
            left = left.min(usize::from(own));
        }
    }
    Ok(())
}

/// Name constraints of each authority bind all below it; self-issued authorities are exempt, the
/// end certificate never (section 6.1.3 (b), (c)).
pub(super) fn check_names(path: &[Certificate], anchor: Anchor) -> Result<(), ChainError> {
    let mut constraints = Constraints::default();
    let mut budget = Budget::new();
    let last = path.len().saturating_sub(1);
    for (place, cert) in path.iter().enumerate() {
        let failed = |source| ChainError::Name {
            subject: cert.subject(),
            source,
        };
        if place == last || !cert.is_self_issued() {
            constraints.check(cert, &mut budget).map_err(failed)?;
        }
        if place != last
            && (place != 0 || anchor.binds())
            && let Some(own) = &cert.extensions().name_constraints
        {
            constraints.add(&own.value).map_err(failed)?;
        }
    }
    Ok(())
}

pub(super) fn check_policies(
    path: &[Certificate],
    input: &PolicyInput,
    anchor: Anchor,
) -> Result<(), ChainError> {
    let mut state = PolicyState::new(path.len().saturating_sub(1), input);
    let last = path.len().saturating_sub(1);
    if let Some(root) = path.first()
        && anchor.binds()
    {
        state.anchor(root).map_err(|()| ChainError::Policy {
            subject: root.subject(),
        })?;
    }
    for (place, cert) in path.iter().enumerate().skip(1) {
        let refused = |()| ChainError::Policy {
            subject: cert.subject(),
        };
        state.certificate(cert, place == last).map_err(refused)?;
    }
    let end = path.last().map(Certificate::subject).unwrap_or_default();
    state
        .finish()
        .map_err(|()| ChainError::Policy { subject: end })
}

/// Each certificate that has extended key usages must allow the purpose.
pub(super) fn check_purpose(
    path: &[Certificate],
    purpose: ObjectIdentifier,
    anchor: Anchor,
) -> Result<(), ChainError> {
    let free = usize::from(!anchor.binds());
    for cert in path.iter().skip(free) {
        let Some(usage) = &cert.extensions().extended_key_usage else {
            continue;
        };
        let allowed = &usage.value.0;
        if !allowed
            .iter()
            .any(|oid| *oid == purpose || *oid == ANY_PURPOSE)
        {
            let subject = cert.subject();
            return Err(ChainError::Structure {
                subject,
                reason: "purpose is not allowed",
                rule: "RFC 5280 section 4.2.1.12",
            });
        }
    }
    Ok(())
}

/// A path whose first certificate binds like every other.
pub(super) const FROM_ROOT: Anchor = Anchor {
    validity_binds: true,
    extensions: AnchorExtensions::Demanded,
};

const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
