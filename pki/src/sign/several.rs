//! One content, several signers: a CMS object taken apart into one object for each signer, and put
//! together again.
//!
//! Owns: the two directions. Everything else in this module knows exactly one signer; what has
//! several is judged signer by signer. Stock verifiers demand that all of them hold. Fails with
//! [`ParseError`] and [`SignError`]. Must not know: who must sign what.

use cms::signed_data::SignerInfo;
use der::asn1::SetOfVec;
use der::{Any, Encode};
use formats::limits;

use super::structure::{SignedDataRaw, open_content_info, wrap_content_info};
use super::{NotDer, ParseError, Parsed, SIGNED_DATA, SignError};

/// One object for each signer, in the order of the encoding; each is read by [`Parsed::parse`].
///
/// # Errors
/// [`ParseError`] for what is no SignedData or has no or too many signers.
pub fn split(cms: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    let whole: SignedDataRaw = open_content_info(cms, SIGNED_DATA)?;
    let signers = whole.signer_infos.as_slice();
    if !(1..=limits::TRUST_LIST_SIGNERS_MAX).contains(&signers.len()) {
        return Err(ParseError::SignerCount(signers.len()));
    }
    let mut parts = Vec::with_capacity(signers.len());
    for signer in signers {
        let one = SignedDataRaw {
            digest_algorithms: only(signer.digest_alg.clone())?,
            signer_infos: only(signer.clone())?,
            ..whole.clone()
        };
        parts.push(wrap_content_info(&one, SIGNED_DATA)?);
    }
    Ok(parts)
}

fn only<T: der::DerOrd>(value: T) -> Result<SetOfVec<T>, NotDer> {
    Ok(SetOfVec::try_from(vec![value])?)
}

/// Adds the signer of `more` to `cms`: both are over the same content, inside both.
///
/// # Errors
/// [`SignError::Parse`] for what does not parse, [`SignError::Refused`] for another content or a
/// signer that has signed already.
pub fn join(cms: &[u8], more: &[u8]) -> Result<Vec<u8>, SignError> {
    let refused = |why: &str| SignError::Refused(why.to_owned());
    Parsed::parse(more)?;
    let known = split(cms)?.len();
    if known >= limits::TRUST_LIST_SIGNERS_MAX {
        return Err(refused("there are as many signatures as there may be"));
    }
    let mut whole: SignedDataRaw = open_content_info(cms, SIGNED_DATA).map_err(ParseError::from)?;
    let other: SignedDataRaw = open_content_info(more, SIGNED_DATA).map_err(ParseError::from)?;
    if whole.encap_content_info != other.encap_content_info
        || whole.encap_content_info.econtent.is_none()
    {
        return Err(refused("the two signatures are over different contents"));
    }
    let mut signers: Vec<SignerInfo> = whole.signer_infos.into_vec();
    for signer in other.signer_infos.into_vec() {
        if signers.iter().any(|known| known.sid == signer.sid) {
            return Err(refused("this signer has signed already"));
        }
        signers.push(signer);
    }
    whole.signer_infos = SetOfVec::try_from(signers)?;
    let mut digests = whole.digest_algorithms.into_vec();
    for digest in other.digest_algorithms.into_vec() {
        if !digests.contains(&digest) {
            digests.push(digest);
        }
    }
    whole.digest_algorithms = SetOfVec::try_from(digests)?;
    let mut certificates: Vec<Any> = whole.certificates.unwrap_or_default();
    for one in other.certificates.unwrap_or_default() {
        if !certificates.iter().any(|known| same(known, &one)) {
            certificates.push(one);
        }
    }
    whole.certificates = Some(SetOfVec::try_from(certificates)?.into_vec());
    Ok(wrap_content_info(&whole, SIGNED_DATA)?)
}

fn same(one: &Any, other: &Any) -> bool {
    one.to_der().ok() == other.to_der().ok()
}
