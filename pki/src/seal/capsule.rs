//! The capsule: one small CMS AuthEnvelopedData (RFC 5083) with the body's key and what proves it.
//!
//! Owns: the CMS structure, the CBOR inside, and who can open it. All recipients on one curve share
//! one KeyAgreeRecipientInfo with one ephemeral key and one RecipientEncryptedKey each, which stock
//! tools open. Kinds of RecipientInfo that we do not know are skipped when reading. RSA recipients
//! do not exist: the encryption role's key usage is keyAgreement alone. Fails with [`SealError`] or
//! [`OpenError`]. Must not know chunks.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use cms::content_info::CmsVersion;
use cms::enveloped_data::{
    EncryptedContentInfo, KeyAgreeRecipientIdentifier, KeyAgreeRecipientInfo,
    OriginatorIdentifierOrKey, OriginatorPublicKey, RecipientEncryptedKey, RecipientKeyIdentifier,
};
use der::asn1::{BitString, ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Sequence, Tag, TagNumber};
use spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use formats::cbor;
use formats::id::Digest;
use formats::{limits, oid};

use super::wrap::{self, Ephemeral};
use super::{CapsuleSecrets, OpenError, SealError, TAG_BYTES};
use crate::algorithm::{Curve, PublicKey};
use crate::cert::Certificate;
use crate::chain::VerifiedCert;
use crate::key::DecryptionKey;
use crate::role::Role;
use crate::sign::{CertificateNames, NotDer, open_content_info, wrap_content_info};

impl From<der::Error> for SealError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.into())
    }
}

impl From<cbor::Error> for OpenError {
    fn from(error: cbor::Error) -> Self {
        Self::Content(error.to_string())
    }
}

impl From<der::Error> for OpenError {
    fn from(error: der::Error) -> Self {
        Self::NotDer(error.into())
    }
}

/// What lies inside a capsule.
pub(super) struct Content {
    pub(super) ctx: Digest,
    pub(super) content_key: Zeroizing<[u8; 32]>,
    pub(super) secrets: CapsuleSecrets,
}

/// Makes a capsule.
///
/// # Errors
/// [`SealError`] as named.
pub(super) fn make(
    ctx: Digest,
    content_key: &[u8; 32],
    secrets: &CapsuleSecrets,
    recipients: &[VerifiedCert],
) -> Result<Vec<u8>, SealError> {
    let recipients = distinct(recipients)?;
    let mut plain = encode(ctx, content_key, secrets)?;
    let mut key = Zeroizing::new([0; 32]);
    wrap::random(key.as_mut_slice())?;
    let mut nonce = [0; NONCE_BYTES];
    wrap::random(&mut nonce)?;
    let cipher = UnboundKey::new(&AES_256_GCM, key.as_slice())
        .map_err(|_| SealError::Crypto("take a key"))?;
    // RFC 5083 section 2.2: without authenticated attributes the associated data is empty.
    let tag = LessSafeKey::new(cipher)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            plain.as_mut_slice(),
        )
        .map_err(|_| SealError::Crypto("encrypt a capsule"))?;
    let enveloped = AuthEnvelopedDataRaw {
        version: CmsVersion::V0,
        originator_info: None,
        recip_infos: SetOfVec::try_from(recipient_infos(&recipients, &key)?)?,
        content: EncryptedContentInfo {
            content_type: oid::CT_DATA,
            content_enc_alg: AlgorithmIdentifierOwned {
                oid: AES_256_GCM_ID,
                parameters: Some(Any::encode_from(&GcmParameters {
                    nonce: OctetString::new(nonce)?,
                    tag_bytes: TAG_BYTES_WRITTEN,
                })?),
            },
            encrypted_content: Some(OctetString::new(plain.as_slice())?),
        },
        auth_attrs: None,
        mac: OctetString::new(tag.as_ref())?,
        unauth_attrs: None,
    };
    let capsule = wrap_content_info(&enveloped, AUTH_ENVELOPED_DATA)?;
    if capsule.len() > capsule_bytes_max() {
        Err(SealError::TooLarge)
    } else {
        Ok(capsule)
    }
}

/// Opens a capsule with the key of one recipient.
///
/// # Errors
/// [`OpenError`] as named.
pub(super) fn open(
    capsule: &[u8],
    key: &DecryptionKey,
    certificate: &Certificate,
) -> Result<Content, OpenError> {
    if key.spki_der() != certificate.spki_der() {
        return Err(OpenError::KeyMismatch);
    }
    if capsule.len() > capsule_bytes_max() {
        return Err(OpenError::NotDer(NotDer(format!(
            "a capsule of {} bytes",
            capsule.len()
        ))));
    }
    let enveloped: AuthEnvelopedDataRaw = open_content_info(capsule, AUTH_ENVELOPED_DATA)?;
    if enveloped.version != CmsVersion::V0
        || enveloped.originator_info.is_some()
        || enveloped.auth_attrs.is_some()
        || enveloped.unauth_attrs.is_some()
    {
        return Err(OpenError::Unsupported(
            "attributes or originator information",
        ));
    }
    let encrypted = read_encrypted(&enveloped.content, &enveloped.mac)?;
    let key = find_key(&enveloped.recip_infos, key, certificate)?;
    decode(&decrypt(encrypted, &key, &[])?)
}

pub(super) fn decrypt(
    (nonce, mut content): Encrypted,
    key: &[u8; 32],
    associated: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let unbound =
        UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| OpenError::Decryption)?;
    let plain = LessSafeKey::new(unbound)
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated),
            content.as_mut_slice(),
        )
        .map_err(|_| OpenError::Decryption)?
        .len();
    content.truncate(plain);
    Ok(content)
}

/// Nonce, and ciphertext with its tag behind it.
pub(super) type Encrypted = ([u8; NONCE_BYTES], Zeroizing<Vec<u8>>);

pub(super) fn read_encrypted(
    info: &EncryptedContentInfo,
    mac: &OctetString,
) -> Result<Encrypted, OpenError> {
    if info.content_type != oid::CT_DATA {
        return Err(OpenError::Unsupported("a content type other than id-data"));
    }
    let unsupported = OpenError::Unsupported("a content cipher other than AES-256-GCM");
    let algorithm = &info.content_enc_alg;
    let parameters = algorithm.parameters.as_ref();
    let parameters = parameters.filter(|_| algorithm.oid == AES_256_GCM_ID);
    let parameters: GcmParameters = parameters
        .and_then(|any| any.decode_as().ok())
        .ok_or(unsupported)?;
    let nonce: [u8; NONCE_BYTES] = parameters
        .nonce
        .as_bytes()
        .try_into()
        .map_err(|_| OpenError::Unsupported("a GCM nonce that is not 12 bytes"))?;
    // GCM accepts short tags; a capsule with one would be forgeable, so only the full tag is read.
    if parameters.tag_bytes != TAG_BYTES_WRITTEN || mac.as_bytes().len() != TAG_BYTES {
        return Err(OpenError::Unsupported("a GCM tag that is not 16 bytes"));
    }
    let encrypted = info.encrypted_content.as_ref();
    let encrypted = encrypted.ok_or(OpenError::Unsupported("a capsule without content"))?;
    Ok((
        nonce,
        Zeroizing::new([encrypted.as_bytes(), mac.as_bytes()].concat()),
    ))
}

/// Finds our entry among the recipients and unwraps the key in it.
fn find_key(
    recipients: &SetOfVec<Any>,
    key: &DecryptionKey,
    certificate: &Certificate,
) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    if recipients.len() > limits::RECIPIENTS_MAX {
        return Err(OpenError::Unsupported(
            "more recipients than an envelope may have",
        ));
    }
    let names = CertificateNames::of(certificate);
    for recipient in recipients
        .iter()
        .filter(|any| any.header().tag() == KEY_AGREE_TAG)
    {
        let sequence = Any::new(Tag::Sequence, recipient.value())?;
        let info = sequence.decode_as::<KeyAgreeRecipientInfo>()?;
        let ours = info
            .recipient_enc_keys
            .iter()
            .find(|entry| match &entry.rid {
                KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(pair) => {
                    *pair == names.issuer_and_serial
                }
                KeyAgreeRecipientIdentifier::RKeyId(id) => {
                    names.key_identifier.as_ref() == Some(&id.subject_key_identifier)
                }
            });
        if let Some(entry) = ours {
            return unwrap(&info, entry, key);
        }
    }
    Err(OpenError::NotForUs)
}

fn unwrap(
    info: &KeyAgreeRecipientInfo,
    entry: &RecipientEncryptedKey,
    key: &DecryptionKey,
) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let curve = key.curve();
    if info.version != CmsVersion::V3 || info.key_enc_alg != key_agreement(curve)? {
        return Err(OpenError::Unsupported(
            "a key agreement other than ECDH with AES-256 wrap",
        ));
    }
    let OriginatorIdentifierOrKey::OriginatorKey(originator) = &info.originator else {
        return Err(OpenError::Unsupported("a static originator key"));
    };
    if !is_ec_key(&originator.algorithm, curve) {
        return Err(OpenError::Unsupported(
            "an originator key that is not on the recipient's curve",
        ));
    }
    let point = originator
        .public_key
        .as_bytes()
        .filter(|point| point.len() == curve.point_bytes() && point.first() == Some(&UNCOMPRESSED));
    let point = point.ok_or(OpenError::Unsupported(
        "an originator point that is not uncompressed",
    ))?;
    let secret = key.agree(point).map_err(|_| OpenError::Decryption)?;
    let material = info.ukm.as_ref().map(OctetString::as_bytes);
    let kek = wrap::derive(curve, &secret, material).ok_or(OpenError::Decryption)?;
    wrap::unwrap_under(&kek, entry.enc_key.as_bytes()).ok_or(OpenError::Decryption)
}

/// RFC 5753 section 3.1.1: parameters absent, NULL or the curve.
fn is_ec_key(algorithm: &AlgorithmIdentifierOwned, curve: Curve) -> bool {
    let named = match curve {
        Curve::P256 => SECP256R1,
        Curve::P384 => SECP384R1,
    };
    let fits = algorithm.parameters.as_ref().is_none_or(|parameters| {
        parameters.is_null() || parameters.decode_as::<ObjectIdentifier>() == Ok(named)
    });
    algorithm.oid == EC_PUBLIC_KEY && fits
}

/// A recipient with what its entry needs.
struct Recipient {
    names: CertificateNames,
    key: PublicKey,
}

fn distinct(certificates: &[VerifiedCert]) -> Result<Vec<Recipient>, SealError> {
    if certificates.is_empty() || certificates.len() > limits::RECIPIENTS_MAX {
        return Err(SealError::RecipientCount(certificates.len()));
    }
    let mut seen: Vec<Digest> = Vec::with_capacity(certificates.len());
    let mut recipients = Vec::with_capacity(certificates.len());
    for verified in certificates {
        let certificate = verified.certificate();
        let sha256 = certificate.sha256();
        if seen.contains(&sha256) {
            continue;
        }
        seen.push(sha256);
        let key = PublicKey::from_spki(certificate.spki_der())
            .map_err(|_| SealError::Recipient(sha256))?;
        let on_curve = Curve::ALL.iter().any(|curve| curve.kind() == key.kind());
        if verified.role() != Role::AgencyEncryption || !on_curve {
            return Err(SealError::Recipient(sha256));
        }
        recipients.push(Recipient {
            names: CertificateNames::of(certificate),
            key,
        });
    }
    Ok(recipients)
}

fn recipient_infos(recipients: &[Recipient], key: &[u8; 32]) -> Result<Vec<Any>, SealError> {
    let mut infos = Vec::new();
    for curve in Curve::ALL {
        let on_curve = recipients
            .iter()
            .filter(|recipient| recipient.key.kind() == curve.kind());
        let on_curve: Vec<&Recipient> = on_curve.collect();
        if !on_curve.is_empty() {
            infos.push(key_agree(curve, &on_curve, key)?);
        }
    }
    Ok(infos)
}

fn key_agree(curve: Curve, to: &[&Recipient], key: &[u8; 32]) -> Result<Any, SealError> {
    let ephemeral = Ephemeral::generate(curve)?;
    let mut entries = Vec::with_capacity(to.len());
    for recipient in to {
        let rid = match &recipient.names.key_identifier {
            Some(id) => KeyAgreeRecipientIdentifier::RKeyId(RecipientKeyIdentifier {
                subject_key_identifier: id.clone(),
                date: None,
                other: None,
            }),
            None => KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(
                recipient.names.issuer_and_serial.clone(),
            ),
        };
        let enc_key = OctetString::new(ephemeral.wrap(recipient.key.raw(), key)?)?;
        entries.push(RecipientEncryptedKey { rid, enc_key });
    }
    let info = KeyAgreeRecipientInfo {
        version: CmsVersion::V3,
        originator: OriginatorIdentifierOrKey::OriginatorKey(OriginatorPublicKey {
            algorithm: AlgorithmIdentifierOwned {
                oid: EC_PUBLIC_KEY,
                parameters: None,
            },
            public_key: BitString::from_bytes(ephemeral.point())?,
        }),
        ukm: None,
        key_enc_alg: key_agreement(curve)?,
        recipient_enc_keys: entries,
    };
    let sequence = Any::encode_from(&info)?;
    Ok(Any::new(KEY_AGREE_TAG, sequence.value())?)
}

fn key_agreement(curve: Curve) -> Result<AlgorithmIdentifierOwned, der::Error> {
    let parameters = Some(Any::encode_from(&wrap::aes_wrap())?);
    Ok(AlgorithmIdentifierOwned {
        oid: curve.scheme(),
        parameters,
    })
}

/// CBOR array: version, ctx, content key, salt, packet size, packet digest, signature, case id or
/// null.
fn encode(
    ctx: Digest,
    content_key: &[u8; 32],
    secrets: &CapsuleSecrets,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let case_fits = secrets
        .case_id
        .as_ref()
        .is_none_or(|id| id.chars().count() <= CASE_ID_CHARS_MAX);
    if secrets.packet_signature.len() > limits::SIGNATURE_BYTES_MAX
        || secrets.packet_bytes > limits::PACKET_BYTES_MAX
        || !case_fits
    {
        return Err(SealError::TooLarge);
    }
    let mut writer = cbor::Writer::new();
    writer
        .array(FIELDS)
        .uint(VERSION)
        .bytes(ctx.as_bytes())
        .bytes(content_key)
        .bytes(&secrets.salt)
        .uint(secrets.packet_bytes)
        .bytes(secrets.packet_digest.as_bytes())
        .bytes(&secrets.packet_signature);
    match &secrets.case_id {
        Some(case_id) => writer.text(case_id),
        None => writer.null(),
    };
    Ok(Zeroizing::new(writer.finish()))
}

fn decode(plain: &[u8]) -> Result<Content, OpenError> {
    let mut reader = cbor::Reader::new(plain);
    reader.array_exact(FIELDS, "capsule")?;
    let version = reader.uint("capsule version")?;
    if version != VERSION {
        return Err(OpenError::Content(format!("version {version}")));
    }
    let ctx = reader.digest("capsule ctx")?;
    let content_key = Zeroizing::new(reader.fixed::<32>("content key")?);
    let salt = reader.fixed::<32>("salt")?;
    let packet_bytes = reader.uint("packet size")?;
    let packet_digest = reader.digest("packet digest")?;
    let packet_signature = reader
        .bytes(limits::SIGNATURE_BYTES_MAX, "packet signature")?
        .to_vec();
    let case_id = if reader.take_null() {
        None
    } else {
        Some(reader.text(CASE_ID_CHARS_MAX * 4, "case id")?.to_owned())
    };
    reader.finish()?;
    let secrets = CapsuleSecrets {
        salt,
        packet_bytes,
        packet_digest,
        packet_signature,
        case_id,
    };
    Ok(Content {
        ctx,
        content_key,
        secrets,
    })
}

fn capsule_bytes_max() -> usize {
    usize::try_from(limits::CAPSULE_BYTES_MAX).unwrap_or(usize::MAX)
}

/// `AuthEnvelopedData` of RFC 5083 section 2.1; recipients stay raw so that unknown kinds are
/// skipped.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct AuthEnvelopedDataRaw {
    version: CmsVersion,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    originator_info: Option<Vec<Any>>,
    pub(super) recip_infos: SetOfVec<Any>,
    content: EncryptedContentInfo,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    auth_attrs: Option<SetOfVec<Any>>,
    pub(super) mac: OctetString,
    #[asn1(
        context_specific = "2",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) unauth_attrs: Option<SetOfVec<Any>>,
}

/// `GCMParameters` of RFC 5084 section 3.2.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct GcmParameters {
    pub(super) nonce: OctetString,
    #[asn1(default = "tag_bytes_default")]
    pub(super) tag_bytes: u8,
}

const fn tag_bytes_default() -> u8 {
    12
}

const AES_256_GCM_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46");
const AUTH_ENVELOPED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// KeyAgreeRecipientInfo is `[1] IMPLICIT` in the CHOICE RecipientInfo (RFC 5652 section 6.2).
const KEY_AGREE_TAG: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(1),
};
const NONCE_BYTES: usize = 12;
const UNCOMPRESSED: u8 = 0x04;
const TAG_BYTES_WRITTEN: u8 = 16;
const VERSION: u64 = 1;
const FIELDS: usize = 8;
/// Case numbers of one-stop shops have about 30 characters.
const CASE_ID_CHARS_MAX: usize = 64;
