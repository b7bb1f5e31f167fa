//! Object identifiers, so that each stands in one place only.
//!
//! Ours lie under 1.3.6.1.4.1.32473.1 (the example arc of RFC 5612) until a number is registered;
//! the change is then made in this file. Arc 1 names content types, arc 2 roles (extended key
//! usages), arc 3 policies.

use const_oid::ObjectIdentifier;

/// Content type of a signed envelope header.
pub const CT_HEADER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1.1");
/// Content type of a signed checkpoint body.
pub const CT_CHECKPOINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1.2");
/// Content type of a signed record.
pub const CT_RECORD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1.3");
/// Content type of an agency's signed wish for new certificates.
pub const CT_RENEWAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1.4");
/// Content type of the transcript of a key ceremony, signed by the root that it made.
pub const CT_TRANSCRIPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1.5");

/// Role: the agency's key that documents are encrypted to.
pub const EKU_AGENCY_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.2.1");
/// Role: a station's TLS key.
pub const EKU_STATION_TLS: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.2.2");
/// Role: a station's evidence key (checkpoints, its record, receipts and control headers).
pub const EKU_STATION_EVIDENCE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.2.3");
/// Role: signs agency records.
pub const EKU_REGISTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.2.4");
/// Role: signs delegation records for a parent agency.
pub const EKU_DELEGATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.2.5");
/// Role: signs the trust list.
pub const EKU_TRUST_LIST: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.2.6");

/// Role: an agency's document signature (id-kp-documentSigning, RFC 9336).
pub const EKU_DOCUMENT_SIGNING: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.36");
/// Role: time-stamping (id-kp-timeStamping, RFC 3161 section 2.3).
pub const EKU_TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// Role: OCSP responses (id-kp-OCSPSigning, RFC 6960 section 4.2.2.2).
pub const EKU_OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// id-kp-serverAuth (RFC 5280 section 4.2.1.12); stands beside the station TLS role.
pub const EKU_SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// id-kp-clientAuth (RFC 5280 section 4.2.1.12); stands beside the station TLS role.
pub const EKU_CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// id-data (RFC 5652 section 4): packets and capsules.
pub const CT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// id-ct-TSTInfo (RFC 3161 section 2.4.2).
pub const CT_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Policy of our time-stamp tokens (TSAPolicyId, RFC 3161 section 2.4.2).
pub const POLICY_TIME_STAMP: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.3.1");
