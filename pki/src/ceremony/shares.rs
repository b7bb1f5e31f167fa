//! A secret divided among custodians: any `needed` of them open it, fewer know nothing.
//!
//! Owns: Shamir's scheme over GF(2^8) with the polynomial of AES, without tables and without
//! branches on secrets, and the form in which a share is printed: words of five letters that can
//! be read aloud, with two check words over everything. Four bytes of a digest are divided with the
//! secret, so shares that do not belong together are noticed. Fails with [`ShareError`]. Must not
//! know: what the secret opens.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand;
use formats::id::Digest;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Why shares are not made or not combined.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShareError {
    /// The check words do not fit what was typed.
    #[error("a word of this share is wrong: compare it with the paper letter by letter")]
    Check,
    /// The shares are not of one secret, or one of them was made up.
    #[error("these shares do not belong together")]
    Different,
    /// The text is not a share.
    #[error("not a share: {0}")]
    Form(&'static str),
    /// The numbers make no sense.
    #[error("{needed} of {of} is no division")]
    Numbers {
        /// How many would be needed.
        needed: u8,
        /// How many there would be.
        of: u8,
    },
    /// The system has no randomness.
    #[error("no randomness")]
    Random,
    /// Too few.
    #[error("{given} different shares are not enough: {needed} are needed")]
    TooFew {
        /// Different shares that were given.
        given: usize,
        /// How many are needed.
        needed: u8,
    },
}

/// One custodian's share.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    number: u8,
    needed: u8,
    of: u8,
    set: [u8; 4],
    bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of {})", self.number, self.of)
    }
}

impl Share {
    /// Its number, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// How many shares open the secret.
    #[must_use]
    pub fn needed(&self) -> u8 {
        self.needed
    }

    /// SHA-256 of the share: recognises it and tells nothing, for it holds 20 random bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_string().as_bytes())
    }

    fn head(&self) -> String {
        let (needed, of, number) = (self.needed, self.of, self.number);
        let set = crate::cert::hex(&self.set);
        format!("{MARK} {needed}-of-{of} share {number} set {set}")
    }

    fn check(&self) -> Vec<u8> {
        let mut all = Zeroizing::new(self.head().into_bytes());
        all.extend_from_slice(&self.bytes);
        let digest = Digest::of(&all);
        digest.as_bytes().iter().take(4).copied().collect()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = Zeroizing::new(words(&self.bytes));
        write!(f, "{}\n{}\n{}\n", self.head(), *body, words(&self.check()))
    }
}

impl FromStr for Share {
    type Err = ShareError;

    /// Upper case, line breaks and spaces do not matter; every letter does.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > SHARE_BYTES_MAX {
            return Err(ShareError::Form("too long"));
        }
        let lower = Zeroizing::new(text.to_lowercase());
        let mut parts = lower.split_whitespace();
        let mut expect = |word: &str| (parts.next() == Some(word)).then_some(());
        expect(&MARK.to_lowercase()).ok_or(ShareError::Form("it does not begin with its mark"))?;
        let head = ShareError::Form("its first line is incomplete");
        let mut next = || parts.next().ok_or_else(|| head.clone());
        let (needed, of) = next()?.split_once("-of-").ok_or_else(|| head.clone())?;
        let number = |text: &str| text.parse::<u8>().map_err(|_| head.clone());
        let (needed, of) = (number(needed)?, number(of)?);
        let _share = next()?;
        let own = number(next()?)?;
        let _set = next()?;
        let set = next()?;
        let set = (0..4).map(|at| set.get(at * 2..at * 2 + 2)?.parse_hex());
        let set: Vec<u8> = set.collect::<Option<_>>().ok_or_else(|| head.clone())?;
        let mut bytes = Zeroizing::new(Vec::new());
        for word in parts {
            bytes.extend(pair(word).ok_or(ShareError::Form("a word has no such letters"))?);
        }
        let body = bytes.len().checked_sub(4).ok_or_else(|| head.clone())?;
        let (body, check) = bytes.split_at(body);
        let share = Self {
            number: own,
            needed,
            of,
            set: <[u8; 4]>::try_from(set).map_err(|_| head)?,
            bytes: Zeroizing::new(body.to_vec()),
        };
        if share.check() == check {
            Ok(share)
        } else {
            Err(ShareError::Check)
        }
    }
}

trait ParseHex {
    fn parse_hex(&self) -> Option<u8>;
}

impl ParseHex for str {
    fn parse_hex(&self) -> Option<u8> {
        u8::from_str_radix(self, 16).ok()
    }
}

/// Divides a secret of an even number of bytes: a word says two.
///
/// # Errors
/// [`ShareError::Numbers`], [`ShareError::Random`], [`ShareError::Form`].
pub fn divide(secret: &[u8], needed: u8, of: u8) -> Result<Vec<Share>, ShareError> {
    if needed < 2 || needed > of || of > super::plan::SHARES_MAX {
        return Err(ShareError::Numbers { needed, of });
    }
    if !secret.len().is_multiple_of(2) {
        return Err(ShareError::Form("an odd number of bytes"));
    }
    let mut set = [0; 4];
    rand::fill(&mut set).map_err(|_| ShareError::Random)?;
    let mut whole = Zeroizing::new(secret.to_vec());
    whole.extend(digest_of(secret));
    let mut shares: Vec<Share> = (1..=of)
        .map(|number| Share {
            number,
            needed,
            of,
            set,
            bytes: Zeroizing::new(Vec::with_capacity(whole.len())),
        })
        .collect();
    let mut polynomial = Zeroizing::new(vec![0; usize::from(needed)]);
    for byte in whole.iter() {
        rand::fill(&mut polynomial).map_err(|_| ShareError::Random)?;
        if let Some(constant) = polynomial.first_mut() {
            *constant = *byte;
        }
        for share in &mut shares {
            share.bytes.push(value(&polynomial, share.number));
        }
    }
    Ok(shares)
}

/// Puts a secret together again. More shares than needed are checked as well.
///
/// # Errors
/// [`ShareError::Different`], [`ShareError::TooFew`].
pub fn combine(shares: &[Share]) -> Result<Zeroizing<Vec<u8>>, ShareError> {
    let first = shares.first().ok_or(ShareError::TooFew {
        given: 0,
        needed: 2,
    })?;
    let mut different: Vec<&Share> = Vec::new();
    for share in shares {
        let same_secret = (share.needed, share.of, share.set, share.bytes.len())
            == (first.needed, first.of, first.set, first.bytes.len());
        if !same_secret || share.number == 0 || share.number > share.of {
            return Err(ShareError::Different);
        }
        match different.iter().find(|known| known.number == share.number) {
            None => different.push(share),
            Some(known) if *known == share => {}
            Some(_) => return Err(ShareError::Different),
        }
    }
    if different.len() < usize::from(first.needed) {
        return Err(ShareError::TooFew {
            given: different.len(),
            needed: first.needed,
        });
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(first.bytes.len()));
    for at in 0..first.bytes.len() {
        whole.push(constant(&different, at).ok_or(ShareError::Different)?);
    }
    let end = whole.len().checked_sub(4).ok_or(ShareError::Different)?;
    let (secret, check) = whole.split_at(end);
    if digest_of(secret) == check {
        Ok(Zeroizing::new(secret.to_vec()))
    } else {
        Err(ShareError::Different)
    }
}

/// The secret as a passphrase: its words joined by hyphens.
#[must_use]
pub fn passphrase(secret: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(words(secret).replace(' ', "-"))
}

/// The value of a polynomial (constant first) at `x`, by Horner's rule.
fn value(polynomial: &[u8], x: u8) -> u8 {
    polynomial
        .iter()
        .rev()
        .fold(0, |sum, coefficient| times(sum, x) ^ coefficient)
}

/// The value at zero of the polynomial through these shares (Lagrange).
fn constant(shares: &[&Share], at: usize) -> Option<u8> {
    let mut sum = 0;
    for share in shares {
        let mut factor = 1;
        for other in shares.iter().filter(|other| other.number != share.number) {
            // x_j / (x_j - x_i), and minus is exclusive or.
            factor = times(
                factor,
                times(other.number, inverse(other.number ^ share.number)),
            );
        }
        sum ^= times(*share.bytes.get(at)?, factor);
    }
    Some(sum)
}

/// Product in GF(2^8) modulo x^8+x^4+x^3+x+1, in a time that does not depend on the factors.
fn times(mut a: u8, b: u8) -> u8 {
    let mut product = 0;
    for bit in 0..8 {
        product ^= a & 0_u8.wrapping_sub((b >> bit) & 1);
        a = (a << 1) ^ (0x1b & 0_u8.wrapping_sub(a >> 7));
    }
    product
}

/// The inverse is the power 254; that of zero is zero and never asked for.
fn inverse(a: u8) -> u8 {
    let mut power = a;
    for _ in 0..6 {
        power = times(times(power, power), a);
    }
    times(power, power)
}

fn digest_of(secret: &[u8]) -> Vec<u8> {
    let mut marked = b"tram-share-1".to_vec();
    marked.extend_from_slice(secret);
    let digest = Digest::of(&marked);
    marked.zeroize();
    digest.as_bytes().iter().take(4).copied().collect()
}

/// Two bytes a word, consonants and vowels in turn.
fn words(bytes: &[u8]) -> String {
    let letter = |set: &[u8], value: u16| {
        let at = usize::from(value) & (set.len().wrapping_sub(1));
        char::from(set.get(at).copied().unwrap_or_default())
    };
    let mut all = String::new();
    for two in bytes.chunks(2) {
        let high = two.first().copied().unwrap_or_default();
        let low = two.get(1).copied().unwrap_or_default();
        let value = u16::from_be_bytes([high, low]);
        if !all.is_empty() {
            all.push(' ');
        }
        all.push(letter(CONSONANTS, value >> 12));
        all.push(letter(VOWELS, value >> 10));
        all.push(letter(CONSONANTS, value >> 6));
        all.push(letter(VOWELS, value >> 4));
        all.push(letter(CONSONANTS, value));
    }
    all
}

fn pair(word: &str) -> Option<[u8; 2]> {
    let letters: &[u8; 5] = word.as_bytes().try_into().ok()?;
    let mut value: u16 = 0;
    for (letter, (set, bits)) in letters.iter().zip([
        (CONSONANTS, 4),
        (VOWELS, 2),
        (CONSONANTS, 4),
        (VOWELS, 2),
        (CONSONANTS, 4),
    ]) {
        let at = set.iter().position(|known| known == letter)?;
        value = (value << bits) | u16::try_from(at).ok()?;
    }
    Some(value.to_be_bytes())
}

const CONSONANTS: &[u8] = b"bdfghjklmnprstvz";
const VOWELS: &[u8] = b"aiou";
const MARK: &str = "TRAM-SHARE-1";
/// A share has about 130 characters.
const SHARE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests;
