//! The ASN.1 of RFC 4998 appendix A (IMPLICIT TAGS).
//!
//! Owns: shapes only. Must not decide anything.

use der::asn1::{OctetString, SetOfVec};
use der::{Any, Sequence};
use spki::AlgorithmIdentifierOwned;

/// `EvidenceRecord`.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct Record {
    pub(super) version: u8,
    pub(super) digest_algorithms: Vec<AlgorithmIdentifierOwned>,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) crypto_infos: Option<Vec<Any>>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) encryption_info: Option<Vec<Any>>,
    pub(super) chains: Vec<Chain>,
}

/// `ArchiveTimeStampChain`.
pub(super) type Chain = Vec<Stamp>;

/// `ArchiveTimeStamp`; the token stays raw, it is parsed as the CMS object that it is.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct Stamp {
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) digest_algorithm: Option<AlgorithmIdentifierOwned>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) attributes: Option<SetOfVec<Any>>,
    #[asn1(
        context_specific = "2",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) tree: Option<Vec<List>>,
    pub(super) token: Any,
}

/// `PartialHashtree`.
pub(super) type List = Vec<OctetString>;
