//! The keys of a ceremony: made once, found again by a resumed run.
//!
//! Owns: the order *note that it is about to be made, make it durable, note that it was made*, so
//! that after a crash at any point the same key is taken up again or was never used. Must not
//! know: certificates.

use std::path::PathBuf;

use formats::id::Digest;
use pki::ceremony::plan::{Authority, KeyPlace};
use pki::ceremony::transcript::Step;
use pki::key::{KeyError, SigningKey, TokenFault, TokenUri};
use zeroize::Zeroizing;

use super::super::Failure;
use super::super::failure::Next;
use super::run::Hall;
use super::shares;

impl Hall {
    /// The key of an authority: made now, or the one that was made before.
    pub(super) fn key(&mut self, one: &Authority) -> Result<SigningKey, Failure> {
        let name = key_file(one);
        let path = self.dir.join(&name);
        let made = self.book.steps().find_map(|step| match step {
            Step::KeyMade {
                name, spki_sha256, ..
            } if *name == one.file => Some(spki_sha256.clone()),
            _ => None,
        });
        if path.exists() {
            let key = self.open(one, &path)?;
            let spki = Digest::of(key.spki_der()).to_string();
            match made {
                Some(known) if known != spki => {
                    return Err(Failure::new(
                        format!("{name} holds another key than the one that was made"),
                        "bring the right file back; do not go on with this one",
                    ));
                }
                Some(_) => {}
                None => self.note_key(one, &name, spki)?,
            }
            return Ok(key);
        }
        if made.is_some() {
            return Err(Failure::new(
                format!("the key file {name} is not here"),
                "bring it back from where it is kept and run the same command again",
            ));
        }
        let key = self.make(one)?;
        self.note_key(one, &name, Digest::of(key.spki_der()).to_string())?;
        Ok(key)
    }

    fn note_key(
        &mut self,
        one: &Authority,
        file: &str,
        spki_sha256: String,
    ) -> Result<(), Failure> {
        let sha256 = self.digest(file)?;
        self.note(Step::KeyMade {
            name: one.file.clone(),
            spki_sha256,
            file: file.to_owned(),
            sha256,
        })
    }

    fn open(&self, one: &Authority, path: &std::path::Path) -> Result<SigningKey, Failure> {
        let step = "give the passphrase of this key and run the same command again";
        let passphrase = match &one.place {
            KeyPlace::Token(uri) => self.pin(one, uri)?,
            KeyPlace::File | KeyPlace::Elsewhere => Some(self.known(one)?),
        };
        SigningKey::load(path, passphrase.as_deref().map(String::as_str)).next(step)
    }

    fn known(&self, one: &Authority) -> Result<Zeroizing<String>, Failure> {
        let here = self
            .plan
            .shares
            .filter(|_| one.subtrees.is_empty())
            .and_then(|plan| shares::still_here(&self.shares_folder(), plan));
        match here {
            Some(found) => Ok(found),
            None => self.passphrases.known(&one.file),
        }
    }

    /// The PIN where the address names no file for it.
    fn pin(&self, one: &Authority, uri: &TokenUri) -> Result<Option<Zeroizing<String>>, Failure> {
        if uri.pin_file().is_some() {
            return Ok(None);
        }
        self.passphrases.known(&one.file).map(Some)
    }

    fn make(&mut self, one: &Authority) -> Result<SigningKey, Failure> {
        let step = "look at what it says and run the same command again";
        let begun = self
            .book
            .steps()
            .any(|step| matches!(step, Step::KeyPlanned { name, .. } if *name == one.file));
        if !begun {
            self.note(Step::KeyPlanned {
                name: one.file.clone(),
                algorithm: one.algorithm_word.clone(),
                place: one.place.word(),
            })?;
        }
        let path = self.dir.join(key_file(one));
        match &one.place {
            KeyPlace::Token(uri) => {
                let pin = self.pin(one, uri)?;
                let pin = pin.as_deref().map(String::as_str);
                let made = SigningKey::generate_in_token(uri, pin, one.algorithm);
                let key = match made {
                    // A run that stopped between the token and the key file made it.
                    Err(KeyError::Token {
                        fault: TokenFault::Exists,
                        ..
                    }) if begun => SigningKey::from_token(uri, pin),
                    other => other,
                };
                let key = key.next(
                    "choose another object= in the plan, or look at the token, and start again",
                )?;
                key.save(&path, None).next(step)?;
                Ok(key)
            }
            KeyPlace::File | KeyPlace::Elsewhere => {
                let passphrase = self.fresh(one)?;
                let key = SigningKey::generate(one.algorithm).next(step)?;
                key.save(&path, Some(&passphrase)).next(step)?;
                Ok(key)
            }
        }
    }

    fn fresh(&mut self, one: &Authority) -> Result<Zeroizing<String>, Failure> {
        let Some(plan) = self.plan.shares.filter(|_| one.subtrees.is_empty()) else {
            return self.passphrases.fresh(&one.file);
        };
        let (passphrase, sha256) = shares::make(&self.shares_folder(), plan)?;
        self.note(Step::SharesMade {
            needed: plan.needed,
            of: plan.of,
            sha256,
        })?;
        Ok(passphrase)
    }

    fn shares_folder(&self) -> PathBuf {
        self.dir.join(SHARES)
    }
}

/// Where the key file of an authority lies; the root's apart, because it leaves.
fn key_file(one: &Authority) -> String {
    if one.subtrees.is_empty() {
        format!("{ROOT}/{}.key", one.file)
    } else {
        format!("authority/{}.key", one.file)
    }
}

/// Folder of the root key.
pub(super) const ROOT: &str = "root";
/// Folder of the shares until they are printed.
pub(super) const SHARES: &str = "shares";
