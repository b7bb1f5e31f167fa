//! A certificate's path in words, from the root down.
//!
//! Owns: the steps about certificates. Fails: never. Must not know: signatures over content.

use formats::time::Timestamp;

use super::words::{because, role_words};
use super::{Ground, Judgement};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::Certificate;
use crate::chain::path::{self, Question};
use crate::chain::store::Store;
use crate::chain::{ChainError, RevocationPolicy, VerifiedCert};
use crate::role::Role;

/// Judges a certificate; in its role when it has one, by RFC 5280 alone when it has none.
pub(super) fn certificate(
    judged: &mut Judgement,
    cert: &Certificate,
    along: &[Certificate],
    ground: &Ground,
    role: Option<Role>,
    at: Timestamp,
) {
    if ground.roots.contains(cert) && role.is_none_or(|role| role == Role::Root) {
        return anchor(judged, cert, at);
    }
    let role = role.or_else(|| cert.role().ok());
    match (role, ground.validator()) {
        (Some(role), Some(_)) => {
            in_role(judged, cert, along, ground, role, at);
        }
        (Some(_), None) => {
            judged.note(
                "the trust domain is not known: names and roles are not judged; give --domain",
                "không biết miền tin cậy: không xét tên và vai trò; hãy dùng --domain",
            );
            by_standard(judged, cert, along, ground, at);
        }
        (None, _) => {
            judged.note(
                "the certificate has no role of this network: judged by RFC 5280 alone",
                "chứng thư không có vai trò trong mạng: chỉ xét theo RFC 5280",
            );
            by_standard(judged, cert, along, ground, at);
        }
    }
}

/// A root among the anchors: believed because it is there; its own bytes and times still bind.
fn anchor(judged: &mut Judgement, cert: &Certificate, at: Timestamp) {
    let algorithm = SignatureAlgorithm::from_identifier(cert.x509().signature_algorithm());
    let signature = cert.x509().signature().as_bytes().unwrap_or_default();
    let good = match (algorithm, cert.public_key()) {
        (Ok(algorithm), Ok(key)) => key.verify(algorithm, cert.tbs_der(), signature).is_ok(),
        _ => false,
    };
    if !good {
        let subject = cert.subject();
        judged.fails(
            format!("{subject}: did not sign itself"),
            format!("{subject}: chữ ký của chính nó không đúng"),
        );
    }
    let (subject, not_before, not_after) = (cert.subject(), cert.not_before(), cert.not_after());
    if at.unix_s() < not_before.unix_s() {
        let error = ChainError::NotYetValid {
            subject,
            not_before,
            at,
        };
        failed(judged, cert, &error, at);
    } else if at.unix_s() > not_after.unix_s() {
        let error = ChainError::Expired {
            subject,
            not_after,
            at,
        };
        failed(judged, cert, &error, at);
    } else {
        judged.note(
            "it is one of the anchors: compare its SHA-256 with the one you were given",
            "đây là neo tin cậy: hãy đối chiếu SHA-256 với giá trị được giao",
        );
        chain(judged, std::slice::from_ref(cert), &Ground::default(), at);
    }
}

/// Judges a certificate in a role; gives it back when it is believed.
pub(super) fn in_role(
    judged: &mut Judgement,
    cert: &Certificate,
    along: &[Certificate],
    ground: &Ground,
    role: Role,
    at: Timestamp,
) -> Option<VerifiedCert> {
    let Some(validator) = ground.validator() else {
        judged.fails(
            "the trust domain is not known; give --domain",
            "không biết miền tin cậy; hãy dùng --domain",
        );
        return None;
    };
    match validator.verify_with(cert, along, role, at) {
        Ok(verified) => {
            chain(judged, verified.path(), ground, at);
            let (en, vi) = role_words(role);
            let party = verified
                .party()
                .map_or_else(|| "–".to_owned(), ToString::to_string);
            judged.holds_that(
                format!("role {role}: {en}; it names {party}"),
                format!("vai trò {role}: {vi}; tên {party}"),
            );
            Some(verified)
        }
        Err(error) => {
            failed(judged, cert, &error, at);
            None
        }
    }
}

fn by_standard(
    judged: &mut Judgement,
    cert: &Certificate,
    along: &[Certificate],
    ground: &Ground,
    at: Timestamp,
) {
    let store = Store::new(
        ground.roots.clone(),
        ground.authorities.clone(),
        ground.crls.clone(),
    );
    let question = Question::strict(at, RevocationPolicy::NewestHeld);
    match path::build(&store, along, cert, &question) {
        Ok(path) => chain(judged, &path, ground, at),
        Err(error) => failed(judged, cert, &error, at),
    }
}

fn failed(judged: &mut Judgement, cert: &Certificate, error: &ChainError, at: Timestamp) {
    judged.note(
        format!(
            "{}: valid {} – {}, judged at {at}",
            cert.subject(),
            cert.not_before(),
            cert.not_after()
        ),
        format!(
            "{}: hiệu lực {} – {}, xét lúc {}",
            cert.subject(),
            cert.not_before().vietnam(),
            cert.not_after().vietnam(),
            at.vietnam()
        ),
    );
    judged.fails(error.to_string(), because(error));
}

/// Each certificate of a path that was believed, root first.
fn chain(judged: &mut Judgement, path: &[Certificate], ground: &Ground, at: Timestamp) {
    let mut issuer: Option<&Certificate> = None;
    for cert in path {
        let (from, until) = (cert.not_before(), cert.not_after());
        let times = format!("valid {from} – {until}, judged at {at}");
        let times_vi = format!(
            "hiệu lực {} – {}, xét lúc {}",
            from.vietnam(),
            until.vietnam(),
            at.vietnam()
        );
        match issuer {
            None => judged.holds_that(
                format!("anchor {}: {times}", cert.subject()),
                format!("neo tin cậy {}: {times_vi}", cert.subject()),
            ),
            Some(above) => {
                let id = cert.x509().signature_algorithm();
                let algorithm = SignatureAlgorithm::from_identifier(id);
                let algorithm = algorithm.map(|one| one.to_string()).unwrap_or_default();
                judged.holds_that(
                    format!(
                        "{}: signed by {} ({algorithm}), {times}",
                        cert.subject(),
                        above.subject()
                    ),
                    format!(
                        "{}: do {} ký ({algorithm}), {times_vi}",
                        cert.subject(),
                        above.subject()
                    ),
                );
                revocation(judged, cert, above, ground, at);
            }
        }
        issuer = Some(cert);
    }
}

/// What the lists held say; the validator has applied them already.
fn revocation(
    judged: &mut Judgement,
    cert: &Certificate,
    issuer: &Certificate,
    ground: &Ground,
    at: Timestamp,
) {
    let held = ground
        .crls
        .iter()
        .filter(|crl| crl.covers(cert) && crl.verify(issuer).is_ok());
    let Some(newest) = held.max_by_key(|crl| crl.this_update().unix_ms()) else {
        return judged.note(
            format!(
                "no revocation list of {} is here: revocation is not known",
                issuer.subject()
            ),
            format!(
                "không có danh sách thu hồi của {}: chưa rõ tình trạng thu hồi",
                issuer.subject()
            ),
        );
    };
    let next = newest.next_update();
    let until = next.map_or_else(|| "–".to_owned(), Timestamp::rfc3339);
    let until_vi = next.map_or_else(|| "–".to_owned(), Timestamp::vietnam);
    let (made, made_vi) = (newest.this_update(), newest.this_update().vietnam());
    match newest.entry(cert) {
        Some(entry) => judged.note(
            format!("revoked since {} ({:?}), which does not reach back to {at}", entry.at, entry.reason),
            format!("thu hồi từ {} ({:?}), không hồi tố đến {}", entry.at.vietnam(), entry.reason, at.vietnam()),
        ),
        None if newest.is_fresh(at, 0) => judged.holds_that(
            format!("not revoked by the list made {made}, next by {until}"),
            format!("không bị thu hồi theo danh sách lập lúc {made_vi}, bản sau {until_vi}"),
        ),
        None => judged.note(
            format!("not revoked by the newest list here, made {made}, which was due again by {until}"),
            format!("không bị thu hồi theo danh sách mới nhất ở đây, lập lúc {made_vi}, quá hạn từ {until_vi}"),
        ),
    }
}
