//! Names of object identifiers that people meet.
//!
//! Owns: the list; what is not in it is shown by its number. Fails: not at all.

use der::asn1::ObjectIdentifier;
use formats::oid;

/// The number with its name, if it has one here.
pub(super) fn named(id: ObjectIdentifier) -> String {
    let ours = OURS
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, name)| *name);
    let text = id.to_string();
    let name = ours.or_else(|| {
        let found = NAMES.iter().find(|(known, _)| *known == text);
        found.map(|(_, name)| *name)
    });
    match name {
        Some(name) => format!("{name} ({text})"),
        None => text,
    }
}

const OURS: [(ObjectIdentifier, &str); 16] = [
    (oid::CT_HEADER, "Tram envelope header"),
    (oid::CT_CHECKPOINT, "Tram checkpoint"),
    (oid::CT_RECORD, "Tram record"),
    (oid::CT_RENEWAL, "Tram renewal request"),
    (oid::CT_TRANSCRIPT, "Tram ceremony transcript"),
    (oid::CT_DATA, "data"),
    (oid::CT_TST_INFO, "TSTInfo, time-stamp"),
    (oid::EKU_AGENCY_ENCRYPTION, "agency encryption"),
    (oid::EKU_DELEGATE, "delegate"),
    (oid::EKU_DOCUMENT_SIGNING, "document signing"),
    (oid::EKU_OCSP_SIGNING, "OCSP signing"),
    (oid::EKU_REGISTRY, "registry"),
    (oid::EKU_STATION_EVIDENCE, "station evidence"),
    (oid::EKU_STATION_TLS, "station TLS"),
    (oid::EKU_TIME_STAMPING, "time-stamping"),
    (oid::EKU_TRUST_LIST, "trust list"),
];

const NAMES: [(&str, &str); 64] = [
    ("1.2.840.113549.1.7.2", "signedData"),
    ("1.2.840.113549.1.7.3", "envelopedData"),
    ("1.2.840.113549.1.7.5", "digestedData"),
    ("1.2.840.113549.1.7.6", "encryptedData"),
    ("1.2.840.113549.1.9.16.1.2", "authData"),
    ("1.2.840.113549.1.9.16.1.9", "compressedData"),
    ("1.2.840.113549.1.9.16.1.23", "authEnvelopedData"),
    ("1.3.6.1.5.5.7.16.8", "TimeStampedData"),
    ("1.3.6.1.4.1.311.2.1.4", "Microsoft code signing"),
    ("1.2.840.113549.1.9.3", "content-type"),
    ("1.2.840.113549.1.9.4", "message-digest"),
    ("1.2.840.113549.1.9.5", "signing-time"),
    ("1.2.840.113549.1.9.15", "S/MIME capabilities"),
    ("1.2.840.113549.1.9.16.2.12", "signing-certificate"),
    ("1.2.840.113549.1.9.16.2.47", "signing-certificate-v2"),
    ("1.2.840.113549.1.9.16.2.14", "signature-time-stamp"),
    ("1.2.840.113549.1.9.16.2.15", "signature-policy"),
    ("1.2.840.113549.1.9.52", "CMS algorithm protection"),
    ("1.2.840.113583.1.1.8", "Adobe revocation data"),
    ("1.3.14.3.2.26", "SHA-1"),
    ("1.2.840.113549.2.5", "MD5"),
    ("1.2.840.113549.2.9", "HMAC-SHA-256"),
    ("2.16.840.1.101.3.4.2.1", "SHA-256"),
    ("2.16.840.1.101.3.4.2.2", "SHA-384"),
    ("2.16.840.1.101.3.4.2.3", "SHA-512"),
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.5", "RSA with SHA-1"),
    ("1.2.840.113549.1.1.7", "RSA-OAEP"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.113549.1.1.11", "RSA with SHA-256"),
    ("1.2.840.113549.1.1.12", "RSA with SHA-384"),
    ("1.2.840.113549.1.1.13", "RSA with SHA-512"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.10045.2.1", "elliptic curve key"),
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    ("1.3.132.0.35", "P-521"),
    ("1.2.840.10045.4.1", "ECDSA with SHA-1"),
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256"),
    ("1.2.840.10045.4.3.3", "ECDSA with SHA-384"),
    ("1.2.840.10045.4.3.4", "ECDSA with SHA-512"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.3.132.1.11.1", "ECDH with SHA-256 KDF"),
    ("1.3.132.1.11.2", "ECDH with SHA-384 KDF"),
    ("1.3.133.16.840.63.0.2", "ECDH with SHA-1 KDF"),
    ("2.16.840.1.101.3.4.1.2", "AES-128-CBC"),
    ("2.16.840.1.101.3.4.1.6", "AES-128-GCM"),
    ("2.16.840.1.101.3.4.1.42", "AES-256-CBC"),
    ("2.16.840.1.101.3.4.1.45", "AES-256 key wrap"),
    ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
    ("1.2.840.113549.3.7", "3DES-CBC"),
    ("1.2.840.113549.1.5.12", "PBKDF2"),
    ("1.2.840.113549.1.5.13", "PBES2"),
    ("1.2.840.113549.1.12.1.3", "PBE with SHA-1 and 3DES"),
    ("1.2.840.113549.1.12.1.6", "PBE with SHA-1 and RC2-40"),
    ("1.2.840.113549.1.12.10.1.1", "key bag"),
    ("1.2.840.113549.1.12.10.1.2", "encrypted key bag"),
    ("1.2.840.113549.1.12.10.1.3", "certificate bag"),
    ("1.2.840.113549.1.12.10.1.4", "CRL bag"),
    ("1.2.840.113549.1.12.10.1.5", "secret bag"),
    ("1.3.6.1.5.5.7.48.1.1", "basic OCSP response"),
    ("2.5.29.37.0", "any extended key usage"),
];
