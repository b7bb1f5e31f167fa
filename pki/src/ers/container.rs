//! ASiC containers with evidence records inside (ETSI EN 319 162-1 sections 4.3.4 and 4.4.5).
//!
//! Owns: finding the records and what each is over: in a simple container (ASiC-S) its one object, in an extended
//! one (ASiC-E) what its manifest names, with the digests there. The archive is foreign: its entries and their bytes
//! are limited, names that occur twice are refused. Records in XML (RFC 6283) are named, not read. Fails with
//! [`ContainerError`]; what does not hold is in the [`Verdict`]. Must not know signatures beside the records.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::hash::Hash;
use super::object::DataObject;
use super::report::Report;
use super::verify::Question;
use super::{ErsError, EvidenceRecord};

/// Why a container cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Two entries of one name: two readers would see two containers.
    #[error("the container has a name twice")]
    Duplicate,
    /// Too many or too large.
    #[error("the container has too many {0}")]
    Limit(&'static str),
    /// No evidence record inside.
    #[error("the container has no evidence record")]
    NoRecord,
    /// Not a zip archive.
    #[error("not a readable zip archive: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A damaged entry.
    #[error("an entry cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// How a container is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ASiC-S: one object.
    Simple,
    /// ASiC-E: objects that manifests name.
    Extended,
}

/// A container that was read.
#[derive(Debug)]
pub struct Container {
    kind: Kind,
    entries: BTreeMap<String, Vec<u8>>,
}

/// What was found in a container.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Each record that was read, by name.
    pub records: Vec<(String, Report)>,
    /// Records in XML, which are not read.
    pub unread: Vec<String>,
    /// What is wrong with the container itself: the record's name, and what.
    pub faults: Vec<(String, String)>,
}

impl Verdict {
    /// Whether every record that was read holds, and there is one.
    #[must_use]
    pub fn holds(&self) -> bool {
        let all = self.records.iter().all(|(_, report)| report.holds());
        self.faults.is_empty() && !self.records.is_empty() && all
    }
}

impl Container {
    /// Reads a container into memory. `name` is the file's, whose ending says the kind where the `mimetype` does not.
    ///
    /// # Errors
    /// [`ContainerError`] as named.
    pub fn open(name: &str, bytes: &[u8]) -> Result<Self, ContainerError> {
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes))?;
        if zip.len() > ENTRIES_MAX {
            return Err(ContainerError::Limit("entries"));
        }
        if zip.has_duplicate_names() {
            return Err(ContainerError::Duplicate);
        }
        let mut entries = BTreeMap::new();
        let mut left = BYTES_MAX;
        for index in 0..zip.len() {
            let entry = zip.by_index(index)?;
            if entry.is_dir() {
                continue;
            }
            let name = entry.name()?.into_owned();
            let mut content = Vec::new();
            let read = entry
                .take(left.saturating_add(1))
                .read_to_end(&mut content)?;
            left = u64::try_from(read)
                .ok()
                .and_then(|read| left.checked_sub(read))
                .ok_or(ContainerError::Limit("bytes"))?;
            if entries.insert(name, content).is_some() {
                return Err(ContainerError::Duplicate);
            }
        }
        let mime = entries.get("mimetype").map(Vec::as_slice);
        let kind = match mime {
            Some(b"application/vnd.etsi.asic-s+zip") => Kind::Simple,
            Some(b"application/vnd.etsi.asic-e+zip") => Kind::Extended,
            _ if name.ends_with(".asics") || name.ends_with(".scs") => Kind::Simple,
            _ => Kind::Extended,
        };
        Ok(Self { kind, entries })
    }

    /// Names of the records in DER.
    pub fn records(&self) -> impl Iterator<Item = &str> {
        self.named(".ers")
    }

    /// Names of the records in XML.
    pub fn xml_records(&self) -> impl Iterator<Item = &str> {
        self.named(".xml")
    }

    fn named(&self, ending: &str) -> impl Iterator<Item = &str> {
        let ending = ending.to_owned();
        self.entries.keys().map(String::as_str).filter(move |name| {
            let name = name.to_ascii_lowercase();
            name.strip_prefix("meta-inf/").is_some_and(|file| {
                file.contains("evidencerecord")
                    && !file.starts_with("asicevidencerecordmanifest")
                    && file.ends_with(&ending)
            })
        })
    }

    /// The bytes of an entry.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&[u8]> {
        self.entries.get(name).map(Vec::as_slice)
    }

    /// Verifies every record in DER.
    ///
    /// # Errors
    /// [`ContainerError::NoRecord`] when there is none of either kind.
    pub fn check(&self, question: &Question<'_>) -> Result<Verdict, ContainerError> {
        let mut verdict = Verdict {
            unread: self.xml_records().map(str::to_owned).collect(),
            ..Verdict::default()
        };
        for name in self.records() {
            match self.judged(name, question) {
                Ok(report) => verdict.records.push((name.to_owned(), report)),
                Err(fault) => verdict.faults.push((name.to_owned(), fault)),
            }
        }
        if verdict.records.is_empty() && verdict.faults.is_empty() && verdict.unread.is_empty() {
            return Err(ContainerError::NoRecord);
        }
        Ok(verdict)
    }

    fn judged(&self, name: &str, question: &Question<'_>) -> Result<Report, String> {
        let told = |error: ErsError| error.to_string();
        let bytes = self.entry(name).unwrap_or_default();
        let record = EvidenceRecord::parse(bytes).map_err(told)?;
        let hashes = record.hashes().map_err(told)?;
        let mut objects = Vec::new();
        for object in self.covered_by(name)? {
            let content = self
                .entry(&object)
                .ok_or_else(|| format!("{object} is not in the container"))?;
            objects.push(DataObject::of(object, content, &hashes));
        }
        question.ask(&record, &objects).map_err(told)
    }

    /// Names of the objects that a record is over.
    fn covered_by(&self, record: &str) -> Result<Vec<String>, String> {
        let mut found = None;
        for (name, content) in &self.entries {
            let lower = name.to_ascii_lowercase();
            if !lower.starts_with("meta-inf/asicevidencerecordmanifest") || !lower.ends_with(".xml")
            {
                continue;
            }
            let manifest = Manifest::read(content)
                .ok_or_else(|| format!("the manifest {name} cannot be read"))?;
            if manifest.record == record && found.replace((name, manifest)).is_some() {
                return Err("two manifests name this record".to_owned());
            }
        }
        let Some((name, manifest)) = found else {
            return self.alone();
        };
        for reference in &manifest.objects {
            let object = &reference.object;
            let content = self
                .entry(object)
                .ok_or_else(|| format!("{object} is named in {name} and not in the container"))?;
            if reference.hash.of(&[content]) != reference.value {
                return Err(format!("{object} has another digest than {name} says"));
            }
        }
        let objects = manifest.objects.into_iter();
        Ok(objects.map(|reference| reference.object).collect())
    }

    /// The one object of a simple container (section 4.3.3.2).
    fn alone(&self) -> Result<Vec<String>, String> {
        if self.kind == Kind::Extended {
            return Err("no ASiCEvidenceRecordManifest says what this record is over".to_owned());
        }
        let objects: Vec<String> = self
            .entries
            .keys()
            .filter(|name| *name != "mimetype" && !name.starts_with("META-INF/"))
            .cloned()
            .collect();
        match objects.as_slice() {
            [_] => Ok(objects),
            all => Err(format!("{} objects instead of one", all.len())),
        }
    }
}

struct Reference {
    object: String,
    hash: Hash,
    value: Vec<u8>,
}

/// `ASiCManifest` of a record.
struct Manifest {
    record: String,
    objects: Vec<Reference>,
}

impl Manifest {
    /// Reads the four elements that count; entities and document types are not read at all.
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.len() > MANIFEST_BYTES_MAX {
            return None;
        }
        let mut reader = Reader::from_str(text);
        let (mut record, mut objects) = (None, Vec::new());
        let (mut object, mut hash) = (None, None);
        let mut value: Option<String> = None;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                    "SigReference" if record.is_none() => record = Some(uri(&tag)?),
                    "SigReference" => return None,
                    "DataObjectReference" => object = Some(uri(&tag)?),
                    "DigestMethod" => hash = Some(method(&tag)?),
                    "DigestValue" => value = Some(String::new()),
                    _ => {}
                },
                Event::Text(part) => {
                    if let Some(value) = &mut value {
                        value.push_str(&part);
                    }
                }
                Event::End(tag) if tag.local_name().as_ref() == "DigestValue" => {
                    let digits: String = value.take()?.split_whitespace().collect();
                    objects.push(Reference {
                        object: object.take()?,
                        hash: hash.take()?,
                        value: base64(&digits)?,
                    });
                }
                Event::End(tag)
                    if tag.local_name().as_ref() == "DataObjectReference" && object.is_some() =>
                {
                    return None;
                }
                Event::DocType(_) | Event::GeneralRef(_) | Event::CData(_) => return None,
                Event::Eof => break,
                _ => {}
            }
        }
        if objects.is_empty() {
            return None;
        }
        Some(Self {
            record: record?,
            objects,
        })
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).ok()??;
    Some(found.value.into_owned())
}

/// A reference with its percent escapes taken away (RFC 3986 section 2.1).
fn uri(tag: &BytesStart<'_>) -> Option<String> {
    let written = attribute(tag, "URI")?;
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn method(tag: &BytesStart<'_>) -> Option<Hash> {
    Some(match attribute(tag, "Algorithm")?.as_str() {
        "http://www.w3.org/2001/04/xmldsig-more#sha224" => Hash::Sha224,
        "http://www.w3.org/2001/04/xmlenc#sha256" => Hash::Sha256,
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Hash::Sha384,
        "http://www.w3.org/2001/04/xmlenc#sha512" => Hash::Sha512,
        "http://www.w3.org/2007/05/xmldsig-more#sha3-256" => Hash::Sha3_256,
        "http://www.w3.org/2007/05/xmldsig-more#sha3-384" => Hash::Sha3_384,
        "http://www.w3.org/2007/05/xmldsig-more#sha3-512" => Hash::Sha3_512,
        _ => return None,
    })
}

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Containers of today hold some dozen files.
const ENTRIES_MAX: usize = 4_096;
/// All entries together, uncompressed.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
