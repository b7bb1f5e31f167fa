//! Addresses of keys in PKCS#11 tokens (RFC 7512).
//!
//! Owns: [`TokenUri`], one line `pkcs11:token=…;object=…?module-path=…&pin-source=file:…`. Every
//! attribute that narrows the choice is understood; an attribute that is not understood is refused
//! and named, because leaving it out would find another key than was meant. A PIN inside the
//! address (`pin-value`) is refused: addresses are shown and logged. Fails with [`UriError`].
//! Must not know: PKCS#11 itself.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

#[cfg(not(feature = "pkcs11"))]
use super::{KeyError, TokenFault};

/// Why a line is not the address of a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UriError {
    /// An attribute that is not understood.
    #[error("attribute {0:?} of the PKCS#11 address is not understood here")]
    Attribute(String),
    /// Bad percent-encoding, not UTF-8, or empty.
    #[error("value of {0:?} in the PKCS#11 address is not understood")]
    Encoding(String),
    /// Not one line that begins with `pkcs11:`.
    #[error("not one line pkcs11:token=…;object=…?module-path=…")]
    Form,
    /// Something that must be there.
    #[error("PKCS#11 address without {0}")]
    Missing(&'static str),
    /// The PIN stands in the address.
    #[error("a PIN does not belong into the address: write pin-source=file:PATH")]
    PinValue,
    /// An attribute stands twice.
    #[error("attribute {0:?} stands twice in the PKCS#11 address")]
    Twice(String),
}

/// Where a key is in which token. Shown with everything but the PIN, which it does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUri {
    pub(super) token: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) object: Option<String>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) module: PathBuf,
    pin_source: Option<String>,
    base: PathBuf,
}

impl TokenUri {
    /// Reads one line. A PIN file with a relative path lies in `base`, the folder of the key file.
    ///
    /// # Errors
    /// [`UriError`] as named.
    pub fn parse(line: &str, base: &Path) -> Result<Self, UriError> {
        let rest = line.strip_prefix(SCHEME).ok_or(UriError::Form)?;
        if line.len() > URI_BYTES_MAX || line.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(UriError::Form);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut found = Self {
            token: None,
            manufacturer: None,
            model: None,
            serial: None,
            object: None,
            id: None,
            module: PathBuf::new(),
            pin_source: None,
            base: base.to_path_buf(),
        };
        let mut module = None;
        for (name, value) in attributes(path, ';')? {
            match name {
                "token" => once(&mut found.token, name, text(name, &value)?)?,
                "manufacturer" => once(&mut found.manufacturer, name, text(name, &value)?)?,
                "model" => once(&mut found.model, name, text(name, &value)?)?,
                "serial" => once(&mut found.serial, name, text(name, &value)?)?,
                "object" => once(&mut found.object, name, text(name, &value)?)?,
                "id" => once(&mut found.id, name, value)?,
                "type" if value == b"private" => {}
                other => return Err(UriError::Attribute(other.to_owned())),
            }
        }
        for (name, value) in attributes(query, '&')? {
            match name {
                "module-path" => once(&mut module, name, PathBuf::from(text(name, &value)?))?,
                "pin-source" => once(&mut found.pin_source, name, text(name, &value)?)?,
                "pin-value" => return Err(UriError::PinValue),
                other => return Err(UriError::Attribute(other.to_owned())),
            }
        }
        found.module = module.ok_or(UriError::Missing("module-path"))?;
        found.check()?;
        Ok(found)
    }

    fn check(&self) -> Result<(), UriError> {
        if self.token.is_none() && self.serial.is_none() {
            return Err(UriError::Missing("token or serial"));
        }
        if self.object.is_none() && self.id.is_none() {
            return Err(UriError::Missing("object or id"));
        }
        // A module is code that runs in this process: it is never searched for.
        if !self.module.is_absolute() {
            return Err(UriError::Encoding("module-path".to_owned()));
        }
        match &self.pin_source {
            Some(source) if !source.starts_with(FILE_SCHEME) => {
                Err(UriError::Encoding("pin-source".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The same token with another key in it.
    #[must_use]
    pub fn with_object(&self, label: &str) -> Self {
        Self {
            object: Some(label.to_owned()),
            id: None,
            ..self.clone()
        }
    }

    /// The file that holds the PIN.
    #[must_use]
    pub fn pin_file(&self) -> Option<PathBuf> {
        let path = self.pin_source.as_deref()?.strip_prefix(FILE_SCHEME)?;
        // `file:///path` has an empty host.
        let path = match path.strip_prefix("//") {
            Some(absolute) if absolute.starts_with('/') => absolute,
            _ => path,
        };
        Some(self.base.join(path))
    }

    /// The same address for a key file in another folder: a relative PIN file becomes absolute.
    #[cfg(feature = "pkcs11")]
    pub(super) fn seen_from(&self, folder: &Path) -> Self {
        let moved = self.pin_file().filter(|_| self.base != folder);
        let pin_source = moved
            .and_then(|file| Some(format!("{FILE_SCHEME}{}", file.to_str()?)))
            .or_else(|| self.pin_source.clone());
        Self {
            pin_source,
            base: folder.to_path_buf(),
            ..self.clone()
        }
    }

    /// The address for error texts: which key in which token.
    #[must_use]
    pub fn shown(&self) -> String {
        let whole = self.to_string();
        whole
            .split_once('?')
            .map_or_else(|| whole.clone(), |(path, _)| path.to_owned())
    }

    #[cfg(not(feature = "pkcs11"))]
    pub(super) fn unsupported(&self) -> KeyError {
        KeyError::Token {
            key: self.shown(),
            fault: TokenFault::Unsupported,
        }
    }
}

impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("token", &self.token),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("serial", &self.serial),
            ("object", &self.object),
        ];
        f.write_str(SCHEME)?;
        let mut mark = "";
        for (name, value) in texts {
            if let Some(value) = value {
                write!(f, "{mark}{name}=")?;
                escape(f, value.as_bytes(), false)?;
                mark = ";";
            }
        }
        if let Some(id) = &self.id {
            write!(f, "{mark}id=")?;
            escape(f, id, true)?;
        }
        f.write_str("?module-path=")?;
        escape(f, self.module.as_os_str().as_encoded_bytes(), false)?;
        if let Some(source) = &self.pin_source {
            f.write_str("&pin-source=")?;
            escape(f, source.as_bytes(), false)?;
        }
        Ok(())
    }
}

fn attributes(part: &str, mark: char) -> Result<Vec<(&str, Vec<u8>)>, UriError> {
    part.split(mark)
        .filter(|one| !one.is_empty())
        .map(|one| {
            let (name, value) = one.split_once('=').ok_or(UriError::Form)?;
            let value = unescape(value).ok_or_else(|| UriError::Encoding(name.to_owned()))?;
            if value.is_empty() {
                return Err(UriError::Encoding(name.to_owned()));
            }
            Ok((name, value))
        })
        .collect()
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), UriError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(UriError::Twice(name.to_owned())),
    }
}

fn text(name: &str, value: &[u8]) -> Result<String, UriError> {
    String::from_utf8(value.to_vec()).map_err(|_| UriError::Encoding(name.to_owned()))
}

fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

fn escape(f: &mut fmt::Formatter<'_>, bytes: &[u8], all: bool) -> fmt::Result {
    for byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/:".contains(byte);
        if plain && !all {
            f.write_char(char::from(*byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// What every address begins with.
pub(super) const SCHEME: &str = "pkcs11:";
const FILE_SCHEME: &str = "file:";
/// Four labels of 32 bytes, percent-encoded, and two paths are well below.
const URI_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<TokenUri, UriError> {
        TokenUri::parse(line, Path::new("/keys"))
    }

    #[test]
    fn an_address_is_read_and_written_again_as_it_means() {
        let line = "pkcs11:token=G%E1%BB%91c%201;serial=0a1b;object=root;id=%01%FF;type=private\
                    ?module-path=/usr/lib/m.so&pin-source=file:pin.txt";
        let uri = parse(line).unwrap();
        assert_eq!(uri.token.as_deref(), Some("Gốc 1"));
        assert_eq!(uri.id.as_deref(), Some(&[1, 255][..]));
        assert_eq!(uri.pin_file(), Some(PathBuf::from("/keys/pin.txt")));
        assert_eq!(parse(&uri.to_string()), Ok(uri.clone()));
        assert!(!uri.shown().contains("pin"), "{}", uri.shown());
        let absolute = line.replace("file:pin.txt", "file:///run/pin");
        let uri = parse(&absolute).unwrap();
        assert_eq!(uri.pin_file(), Some(PathBuf::from("/run/pin")));
    }

    #[test]
    fn what_is_not_understood_is_refused_and_named() {
        let unknown = |name: &str| UriError::Attribute(name.to_owned());
        let encoding = |name: &str| UriError::Encoding(name.to_owned());
        let all = |path: &str, query: &str| parse(&format!("pkcs11:{path}?{query}"));
        let module = "module-path=/m.so";
        assert!(all("token=t;object=o", module).is_ok());
        let paths = [
            ("token=t;object=o\n", UriError::Form),
            ("token;object=o", UriError::Form),
            ("object=o", UriError::Missing("token or serial")),
            ("token=t", UriError::Missing("object or id")),
            ("token=t;token=u;object=o", UriError::Twice("token".into())),
            ("token=t;slot-id=3;object=o", unknown("slot-id")),
            ("token=t;object=o;type=cert", unknown("type")),
            ("token=%zz;object=o", encoding("token")),
            ("token=%FF;object=o", encoding("token")),
            ("token=%4;object=o", encoding("token")),
            ("token=;object=o", encoding("token")),
        ];
        for (path, error) in paths {
            assert_eq!(all(path, module), Err(error), "{path}");
        }
        let queries = [
            ("", UriError::Missing("module-path")),
            ("module-path=/m.so&pin-value=1234", UriError::PinValue),
            ("module-name=m", unknown("module-name")),
            ("module-path=m.so", encoding("module-path")),
            ("module-path=/m.so&pin-source=|cat", encoding("pin-source")),
        ];
        for (query, error) in queries {
            assert_eq!(all("token=t;object=o", query), Err(error), "{query}");
        }
        assert_eq!(parse("http://x"), Err(UriError::Form));
        let long = format!("token={};object=o", "t".repeat(5000));
        assert_eq!(all(&long, module), Err(UriError::Form));
    }
}
