//! Modules, tokens and sessions of PKCS#11.
//!
//! Owns: the loaded modules of the process, how a token is found by its address, the login, and
//! what one session does. Fails with [`TokenFault`]. Must not know: threads, certificates.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use cryptoki::types::{AuthPin, Ulong};
use zeroize::Zeroizing;

use super::{Answer, TokenFault, TokenUri, Work};

/// A module may be initialised once in a process (PKCS#11 2.40, section 5.4), so this, and only
/// this, is global.
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// The module of this path, loaded and initialised at its first use and then until the end.
pub(super) fn module(path: &Path) -> Result<Pkcs11, TokenFault> {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = modules.get(path) {
        return Ok(known.clone());
    }
    let told = |error: Error| TokenFault::Module(format!("{}: {error}", path.display()));
    let module = Pkcs11::new(path).map_err(told)?;
    let locking = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match module.initialize(locking) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(told(error)),
    }
    modules.insert(path.to_path_buf(), module.clone());
    Ok(module)
}

/// Everything that is needed to open the key again.
pub(super) struct Open {
    module: Pkcs11,
    uri: TokenUri,
    pin: Option<AuthPin>,
}

impl Open {
    pub(super) fn new(uri: &TokenUri, passphrase: Option<&str>) -> Result<Self, TokenFault> {
        let pin = match uri.pin_file() {
            Some(file) => Some(pin_of(&file)?),
            None => passphrase.map(|pin| AuthPin::from(pin.to_owned())),
        };
        Ok(Self {
            module: module(&uri.module)?,
            uri: uri.clone(),
            pin,
        })
    }

    /// A logged-in session with the private key found. `again`: after a loss.
    pub(super) fn session(&self, again: bool) -> Result<Session, TokenFault> {
        let session = self.login(again)?;
        let key = super::object::private_key(&session, &self.uri)?;
        Ok(Session { session, key })
    }

    /// A logged-in session for making a key.
    pub(super) fn without_key(&self) -> Result<cryptoki::session::Session, TokenFault> {
        self.login(false)
    }

    fn login(&self, again: bool) -> Result<cryptoki::session::Session, TokenFault> {
        let slot = self.slot()?;
        let session = self.module.open_rw_session(slot).map_err(refused)?;
        let about = self.module.get_token_info(slot).map_err(refused)?;
        if !about.login_required() && self.pin.is_none() {
            return Ok(session);
        }
        let Some(pin) = &self.pin else {
            return Err(TokenFault::NoPin);
        };
        match session.login(UserType::User, Some(pin)) {
            Ok(()) => Ok(session),
            // The login belongs to the process: another key of this token made it.
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(Error::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
                _,
            )) => Err(TokenFault::Pin),
            Err(error) if again => Err(TokenFault::Refused(format!("after a loss: {error}"))),
            Err(error) => Err(refused(error)),
        }
    }

    fn slot(&self) -> Result<Slot, TokenFault> {
        let mut found = None;
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        for slot in self.module.get_slots_with_token().map_err(refused)? {
            // A token that was pulled meanwhile is not the one.
            let Ok(about) = self.module.get_token_info(slot) else {
                continue;
            };
            let same = about.token_initialized()
                && fits(&self.uri.token, about.label())
                && fits(&self.uri.serial, about.serial_number())
                && fits(&self.uri.model, about.model())
                && fits(&self.uri.manufacturer, about.manufacturer_id());
            if same && found.replace(slot).is_some() {
                return Err(TokenFault::Ambiguous("token"));
            }
        }
        found.ok_or(TokenFault::NoToken)
    }
}

/// A session and the private key in it. Used by one thread at a time.
pub(super) struct Session {
    pub(super) session: cryptoki::session::Session,
    pub(super) key: ObjectHandle,
}

impl Session {
    /// Does one piece of work.
    pub(super) fn perform(&self, work: &Work) -> Answer {
        match work {
            Work::SignEcdsa { digest } => self.sign(&Mechanism::Ecdsa, digest),
            Work::SignPss { digest } => {
                let parameters = PkcsPssParams {
                    hash_alg: MechanismType::SHA256,
                    mgf: PkcsMgfType::MGF1_SHA256,
                    s_len: Ulong::from(32),
                };
                self.sign(&Mechanism::RsaPkcsPss(parameters), digest)
            }
            Work::Agree { point, bytes } => self.agree(point, *bytes),
        }
    }

    fn sign(&self, mechanism: &Mechanism<'_>, digest: &[u8]) -> Answer {
        self.session
            .sign(mechanism, self.key, digest)
            .map(Zeroizing::new)
            .map_err(refused)
    }

    /// The secret leaves the token as the value of a session object, because the key that it
    /// unwraps is used here; the private key stays.
    fn agree(&self, point: &[u8], bytes: usize) -> Answer {
        let length = Ulong::try_from(bytes).map_err(|error| TokenFault::Kind(error.to_string()))?;
        let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), point));
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Token(false),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::ValueLen(length),
        ];
        let derived = self.session.derive_key(&mechanism, self.key, &template);
        let derived = derived.map_err(refused)?;
        let value = self
            .session
            .get_attributes(derived, &[AttributeType::Value]);
        let removed = self.session.destroy_object(derived);
        let value = value.map_err(refused)?.into_iter().next();
        removed.map_err(refused)?;
        match value {
            Some(Attribute::Value(secret)) => Ok(Zeroizing::new(secret)),
            _ => Err(TokenFault::Refused(
                "the secret is not given out".to_owned(),
            )),
        }
    }
}

/// The token's own words.
pub(super) fn refused(error: Error) -> TokenFault {
    match error {
        Error::Pkcs11(
            RvError::TokenNotPresent | RvError::DeviceRemoved | RvError::TokenNotRecognized,
            _,
        ) => TokenFault::NoToken,
        other => TokenFault::Refused(other.to_string()),
    }
}

fn pin_of(file: &Path) -> Result<AuthPin, TokenFault> {
    let told = |reason: String| TokenFault::PinSource(format!("{}: {reason}", file.display()));
    let mut pin = Zeroizing::new(String::new());
    File::open(file)
        .and_then(|open| open.take(PIN_BYTES_MAX).read_to_string(&mut pin))
        .map_err(|error| told(error.to_string()))?;
    let pin = pin.trim_end_matches(['\r', '\n']);
    if pin.is_empty() {
        return Err(told("is empty".to_owned()));
    }
    Ok(AuthPin::from(pin.to_owned()))
}

/// PINs are at most 255 bytes in every token known.
const PIN_BYTES_MAX: u64 = 4096;
