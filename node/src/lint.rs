//! All findings about a packet in a file, each with its rule, its source and what to do. Needs no station
//! and no directory: what only they know (whether a receiver exists, who is logged in) is intake's to say.
//!
//! Fails when the file cannot be read; a file that is no packet is a finding.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use formats::id::Digest;
use formats::time::Timestamp;
use pki::sign::HashAlgorithm;
use serde::Serialize;

use crate::body::{Body, TemporaryDirectory};
use crate::packet::{self, PacketError, ReadPacket};
use crate::view::{Finding, Level};

/// What was found in one packet.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `document`, `status`, or `unreadable`.
    pub kind: &'static str,
    /// Whether it may travel: no errors.
    pub acceptable: bool,
    /// Errors first, each in the order of the packet.
    pub findings: Vec<Finding>,
}

/// A packet that was read from a file, and what was found in it.
pub(crate) struct Read {
    pub(crate) report: Report,
    /// Nothing when the file is no packet.
    pub(crate) packet: Option<ReadPacket>,
    _scratch: Scratch,
}

/// Reads and judges a packet file. Blocking.
///
/// # Errors
/// Those of the disk.
pub fn file(path: &Path, now: Timestamp) -> io::Result<Report> {
    Ok(read(path, now)?.report)
}

/// Reads and judges a packet file and keeps what was read. Blocking.
pub(crate) fn read(path: &Path, now: Timestamp) -> io::Result<Read> {
    let scratch = Scratch::new()?;
    let tmp = TemporaryDirectory::open(&scratch.0)?;
    let length = fs::metadata(path)?.len();
    // The digest of the file is not asked for here.
    let body = Body::file(path.to_owned(), length, Digest::from_bytes([0; 32]));
    let error = |view| Finding::of(Level::Error, view);
    let (kind, findings, packet) = match packet::read(&body, HashAlgorithm::Sha256, &tmp) {
        Err(PacketError::Disk(error)) => return Err(error),
        Err(PacketError::Faults(faults)) => (
            "unreadable",
            faults.into_iter().map(error).collect::<Vec<_>>(),
            None,
        ),
        Ok(read) => {
            let found = packet::judge(&read.packet, now);
            let faults = found.faults.iter().map(packet::fault_view);
            let faults = faults.chain(read.faults.iter().cloned()).map(error);
            let warnings = found.warnings.iter().map(packet::warning_view);
            let warnings = warnings.map(|view| Finding::of(Level::Warning, view));
            let kind = match read.packet {
                formats::edxml::Packet::Document(_) => "document",
                formats::edxml::Packet::Status(_) => "status",
            };
            (kind, faults.chain(warnings).collect(), Some(read))
        }
    };
    let acceptable = !findings.iter().any(|one| one.level == Level::Error);
    Ok(Read {
        report: Report {
            kind,
            acceptable,
            findings,
        },
        packet,
        _scratch: scratch,
    })
}

/// A private folder for what is unzipped, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let name = format!("tram-{:032x}", rand::random::<u128>());
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind lies in the system's own temporary folder.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_318_262_114);

    fn report(text: &str) -> Report {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("packet.edxml");
        fs::write(&path, text).unwrap();
        file(&path, NOW).unwrap()
    }

    #[test]
    fn a_file_that_is_no_packet_is_a_finding_with_its_rule() {
        let found = report("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>");
        assert_eq!((found.kind, found.acceptable), ("unreadable", false));
        assert_eq!(found.findings[0].fault.code, "E-DOCTYPE");
    }

    #[test]
    fn every_finding_has_a_rule_a_source_and_a_fix_in_both_languages() {
        let found = report(
            "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"><edXMLEnvelope><edXMLHeader>\
             <MessageHeader><From><OrganId>???</OrganId></From><To><OrganId>H01</OrganId></To>\
             <Code><CodeNumber>x</CodeNumber></Code><Subject>MẬT</Subject></MessageHeader>\
             <TraceHeaderList><Bussiness><BussinessDocType>1</BussinessDocType></Bussiness>\
             </TraceHeaderList></edXMLHeader></edXMLEnvelope></edXML>",
        );
        assert_eq!(found.kind, "document");
        assert!(!found.acceptable && found.findings.len() > 8, "{found:?}");
        for one in &found.findings {
            let rule = one.rule.as_ref().unwrap();
            for phrase in [&rule.rule, &rule.source, &rule.fix, &one.fault.text] {
                assert!(!phrase.vi.is_empty() && !phrase.en.is_empty(), "{one:?}");
            }
        }
        let errors = |one: &&Finding| one.level == Level::Error;
        let first_warning = found.findings.iter().filter(errors).count();
        assert!(
            found.findings[..first_warning]
                .iter()
                .all(|one| errors(&one))
        );
        for code in ["N.Reason", "E-SECRET", "N.MessageHeader.DocumentId"] {
            assert!(
                found.findings.iter().any(|one| one.fault.code == code),
                "{code}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_the_disks_error() {
        assert!(file(Path::new("/nowhere/packet.edxml"), NOW).is_err());
    }
}
