//! Key objects in a token: found, made, and their public halves read.
//!
//! Owns: the attribute templates. What is made here is private, sensitive and never extractable.
//! Fails with [`TokenFault`]. Must not know: threads, logins.

use aws_lc_rs::rand;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::types::Ulong;
use der::asn1::{BitString, ObjectIdentifier, OctetString, UintRef};
use der::{Any, Decode, Encode};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::session::{Session, refused};
use super::{TokenFault, TokenUri};
use crate::algorithm::Curve;

/// What kind of key is made.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// ECDH on this curve.
    Agree(Curve),
    /// ECDSA on this curve.
    Sign(Curve),
    /// RSA of 3072 bits.
    SignRsa,
}

/// The one private key of this address.
pub(super) fn private_key(
    session: &cryptoki::session::Session,
    uri: &TokenUri,
) -> Result<ObjectHandle, TokenFault> {
    let found = session
        .find_objects(&named(uri, ObjectClass::PRIVATE_KEY))
        .map_err(refused)?;
    match found.as_slice() {
        [] => Err(TokenFault::NoKey),
        [one] => Ok(*one),
        _ => Err(TokenFault::Ambiguous("key")),
    }
}

fn named(uri: &TokenUri, class: ObjectClass) -> Vec<Attribute> {
    let mut wanted = vec![Attribute::Class(class)];
    if let Some(label) = &uri.object {
        wanted.push(Attribute::Label(label.clone().into_bytes()));
    }
    if let Some(id) = &uri.id {
        wanted.push(Attribute::Id(id.clone()));
    }
    wanted
}

/// Makes a key pair under this address.
pub(super) fn generate(
    session: &cryptoki::session::Session,
    uri: &TokenUri,
    kind: Kind,
) -> Result<(), TokenFault> {
    match private_key(session, uri) {
        Err(TokenFault::NoKey) => {}
        Ok(_) | Err(TokenFault::Ambiguous(_)) => return Err(TokenFault::Exists),
        Err(other) => return Err(other),
    }
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| TokenFault::Refused("no randomness".to_owned()))?;
    let id = uri.id.clone().unwrap_or_else(|| id.to_vec());
    let label = uri.object.clone().unwrap_or_default().into_bytes();
    let mut public = vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Label(label.clone()),
        Attribute::Id(id.clone()),
    ];
    let mut private = vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Label(label),
        Attribute::Id(id),
    ];
    let mechanism = match kind {
        Kind::SignRsa => {
            public.push(Attribute::ModulusBits(Ulong::from(3072)));
            public.push(Attribute::PublicExponent(vec![1, 0, 1]));
            Mechanism::RsaPkcsKeyPairGen
        }
        Kind::Agree(curve) | Kind::Sign(curve) => {
            let oid = curve_oid(curve).to_der();
            public.push(Attribute::EcParams(oid.map_err(encoding)?));
            Mechanism::EccKeyPairGen
        }
    };
    // Said in both directions, because tokens fill in what is left out with yes.
    let signs = !matches!(kind, Kind::Agree(_));
    public.extend([Attribute::Verify(signs), Attribute::Encrypt(false)]);
    private.extend([Attribute::Sign(signs), Attribute::Derive(!signs)]);
    private.extend([Attribute::Decrypt(false), Attribute::Unwrap(false)]);
    session
        .generate_key_pair(&mechanism, &public, &private)
        .map(drop)
        .map_err(|error| match error {
            Error::Pkcs11(RvError::MechanismInvalid | RvError::CurveNotSupported, _) => {
                TokenFault::Kind(format!("the token cannot make such keys ({error})"))
            }
            other => refused(other),
        })
}

/// SubjectPublicKeyInfo of the private key: from the private object where it says enough (RSA
/// always does), from the public object beside it otherwise.
pub(super) fn public_key(open: &Session) -> Result<Vec<u8>, TokenFault> {
    let wanted = [
        AttributeType::Modulus,
        AttributeType::PublicExponent,
        AttributeType::EcParams,
        AttributeType::EcPoint,
    ];
    let read = |object| {
        open.session
            .get_attributes(object, &wanted)
            .map_err(refused)
    };
    if let Some(spki) = assemble(&read(open.key)?)? {
        return Ok(spki);
    }
    let names = open
        .session
        .get_attributes(open.key, &[AttributeType::Id, AttributeType::Label])
        .map_err(refused)?;
    let mut template = vec![Attribute::Class(ObjectClass::PUBLIC_KEY)];
    template.extend(names.into_iter().filter(|name| match name {
        Attribute::Id(bytes) | Attribute::Label(bytes) => !bytes.is_empty(),
        _ => false,
    }));
    let beside = open.session.find_objects(&template).map_err(refused)?;
    match beside.as_slice() {
        [one] => assemble(&read(*one)?)?,
        [] => None,
        _ => return Err(TokenFault::Ambiguous("public key")),
    }
    .ok_or_else(|| TokenFault::Kind("the token does not show its public key".to_owned()))
}

fn assemble(attributes: &[Attribute]) -> Result<Option<Vec<u8>>, TokenFault> {
    let (mut modulus, mut exponent, mut params, mut point) = (None, None, None, None);
    for attribute in attributes {
        match attribute {
            Attribute::Modulus(bytes) if !bytes.is_empty() => modulus = Some(bytes),
            Attribute::PublicExponent(bytes) if !bytes.is_empty() => exponent = Some(bytes),
            Attribute::EcParams(bytes) if !bytes.is_empty() => params = Some(bytes),
            Attribute::EcPoint(bytes) if !bytes.is_empty() => point = Some(bytes),
            _ => {}
        }
    }
    let built = match (modulus, exponent, params, point) {
        (Some(modulus), Some(exponent), _, _) => rsa(modulus, exponent),
        (_, _, Some(params), Some(point)) => elliptic(params, point),
        _ => return Ok(None),
    };
    built.map(Some).map_err(encoding)
}

/// RSAPublicKey (RFC 8017 A.1.1) under rsaEncryption.
fn rsa(modulus: &[u8], exponent: &[u8]) -> der::Result<Vec<u8>> {
    let mut numbers = UintRef::new(modulus)?.to_der()?;
    numbers.extend(UintRef::new(exponent)?.to_der()?);
    let key = Any::new(der::Tag::Sequence, numbers)?.to_der()?;
    let algorithm = AlgorithmIdentifierOwned {
        oid: RSA_ENCRYPTION,
        parameters: Some(Any::null()),
    };
    spki(algorithm, &key)
}

fn elliptic(params: &[u8], point: &[u8]) -> der::Result<Vec<u8>> {
    // The standard wants the point as a DER OCTET STRING; some tokens give it bare.
    let point = OctetString::from_der(point)
        .map_or_else(|_| point.to_vec(), |wrapped| wrapped.as_bytes().to_vec());
    let algorithm = AlgorithmIdentifierOwned {
        oid: EC_PUBLIC_KEY,
        parameters: Some(Any::from_der(params)?),
    };
    spki(algorithm, &point)
}

fn spki(algorithm: AlgorithmIdentifierOwned, key: &[u8]) -> der::Result<Vec<u8>> {
    SubjectPublicKeyInfoOwned {
        algorithm,
        subject_public_key: BitString::from_bytes(key)?,
    }
    .to_der()
}

fn curve_oid(curve: Curve) -> ObjectIdentifier {
    match curve {
        Curve::P256 => CURVE_P256,
        Curve::P384 => CURVE_P384,
    }
}

fn encoding(error: der::Error) -> TokenFault {
    TokenFault::Kind(format!("public key: {error}"))
}

const CURVE_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const CURVE_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
