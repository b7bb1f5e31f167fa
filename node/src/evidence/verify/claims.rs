//! Who may speak, what logs say, and what receipts claim: the second half of checking a package.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use formats::checkpoint::SignedCheckpoint;
use formats::id::{AgencyCode, Digest, StationName};
use formats::limits;
use formats::proof::{Inclusion, Member, ProofReader};
use formats::receipt::{Proven, ReceiptBundle};
use formats::record::{Attachment, Delegation, Record, Station};
use formats::statement::Statement;
use formats::time::Timestamp;
use pki::note::verify_by_record;
use pki::role::Role;
use pki::sign::Parsed;

use super::document::{SealedHeader, hex_line};
use super::trust::Trust;
use super::{Level, Place, ReceiptLine, Report, level};
use crate::evidence::only_home_says;

/// A checkpoint whose signatures hold.
struct Head {
    signed: SignedCheckpoint,
    level: Level,
}

/// What verified records and checkpoints say.
#[derive(Default)]
pub(super) struct Claims {
    stations: Vec<Station>,
    attachments: Vec<Attachment>,
    delegations: Vec<Delegation>,
    heads: BTreeMap<u32, Head>,
    seen: BTreeSet<Digest>,
}

impl Claims {
    /// Takes the records that hold.
    pub(super) fn records(&mut self, trust: &Trust, report: &mut Report) {
        for (number, bytes) in &trust.records {
            let at = Place::of(&Member::Record(*number));
            let Some(record) = report.take(&at, trust.record(bytes)) else {
                continue;
            };
            let text = kind(&record);
            report.ok(&at, text.clone(), text);
            match record {
                Record::Attachment(one) => self.attachments.push(one),
                Record::Delegation(one) => self.delegations.push(one),
                Record::Station(one) => self.stations.push(one),
                Record::Agencies(_) | Record::TrustList(_) => {}
            }
        }
    }

    /// Keeps the checkpoints that hold.
    pub(super) fn checkpoints<R: Read + Seek>(
        &mut self,
        zip: &mut ProofReader<R>,
        trust: &Trust,
        report: &mut Report,
    ) {
        let numbers = zip.members().filter_map(|member| match member {
            Member::Note(number) => Some(*number),
            _ => None,
        });
        let numbers: Vec<u32> = numbers.collect();
        for number in numbers {
            let mut at = Place::member(format!("checkpoints/{number:04}"));
            let checked = self.checkpoint(zip, trust, number, &mut at);
            let Some((head, stamped)) = report.take(&at, checked) else {
                continue;
            };
            let words = head.level.phrase();
            let time = stamped.map_or_else(String::new, |time| format!(", {}", time.rfc3339()));
            report.ok(
                &at,
                format!("điểm kiểm tra {number}: {}{time}", words.vi),
                format!("checkpoint {number}: {}{time}", words.en),
            );
            self.heads.insert(number, head);
        }
    }

    fn checkpoint<R: Read + Seek>(
        &self,
        zip: &mut ProofReader<R>,
        trust: &Trust,
        number: u32,
        at: &mut Place,
    ) -> Result<(Head, Option<Timestamp>), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut read = |member| zip.read(&member).map_err(|error| text(&error));
        let note = read(Member::Note(number))?;
        let note = String::from_utf8(note).map_err(|error| text(&error))?;
        let cms = read(Member::CheckpointSignature(number))?;
        let body = read(Member::CheckpointBody(number))?;
        let has_token = zip.has(&Member::Token(number));
        let token = match has_token {
            true => Some(
                zip.read(&Member::Token(number))
                    .map_err(|error| text(&error))?,
            ),
            false => None,
        };
        let signed = SignedCheckpoint { note, cms, token };
        let parsed = signed.parsed().map_err(|error| text(&error))?;
        let origin = &parsed.checkpoint.origin;
        at.station = Some(origin.station().to_string());
        if parsed.checkpoint.body().as_bytes() != body {
            return Err("note and body differ".to_owned());
        }
        let cms = Parsed::parse(&signed.cms).map_err(|error| text(&error))?;
        let stamped = match &signed.token {
            Some(token) => Some(trust.stamp(token, cms.signature_value())?),
            None => None,
        };
        let said = cms.signing_time().ok_or("no signing time")?;
        let evidence = trust.signer_of(&cms, Role::StationEvidence, stamped.unwrap_or(said))?;
        let sha256 = evidence.certificate().sha256();
        // A record of another epoch of the log names the same keys.
        let named =
            |one: &&Station| one.name == *origin.station() && one.evidence_sha256.contains(&sha256);
        let mut why = "no record of the station names this certificate".to_owned();
        for station in self.stations.iter().filter(named) {
            match verify_by_record(&signed, station, &evidence) {
                Ok(_) => {
                    let level = level(&parsed, stamped.is_some());
                    return Ok((Head { signed, level }, stamped));
                }
                Err(error) => why = text(&error),
            }
        }
        Err(why)
    }

    /// Checks every receipt.
    pub(super) fn receipts<R: Read + Seek>(
        &mut self,
        zip: &mut ProofReader<R>,
        headers: &[SealedHeader],
        report: &mut Report,
    ) {
        let numbers = zip.members().filter_map(|member| match member {
            Member::Statement(number) => Some(*number),
            _ => None,
        });
        let numbers: Vec<u32> = numbers.collect();
        for number in numbers {
            let mut at = Place {
                statement: Some(number),
                ..Place::member(format!("receipts/{number:04}"))
            };
            let checked = self.receipt(zip, headers, number, &mut at);
            let Some((statement, level)) = report.take(&at, checked) else {
                continue;
            };
            let line = ReceiptLine {
                number,
                event: statement.event.name().to_owned(),
                recipient: statement.recipient.to_string(),
                time: statement.time,
                station: statement.station.to_string(),
                reason: statement.reason.map(|reason| reason.code().to_owned()),
                level,
            };
            let why = line
                .reason
                .as_ref()
                .map_or_else(String::new, |why| format!(" ({why})"));
            let text = format!(
                "{}{why} {} {} {} [{}]",
                line.event,
                line.recipient,
                line.time.rfc3339(),
                line.station,
                level.code()
            );
            report.ok(
                &at,
                format!("biên nhận {number}: {text}"),
                format!("receipt {number}: {text}"),
            );
            report.receipts.push(line);
        }
    }

    fn receipt<R: Read + Seek>(
        &mut self,
        zip: &mut ProofReader<R>,
        headers: &[SealedHeader],
        number: u32,
        at: &mut Place,
    ) -> Result<(Statement, Level), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut read = |member| zip.read(&member).map_err(|error| text(&error));
        let bytes = read(Member::Statement(number))?;
        let salt = hex_line(&read(Member::StatementSalt(number))?)?;
        let place = read(Member::Inclusion(number))?;
        let place = std::str::from_utf8(&place).ok().and_then(Inclusion::parse);
        let place = place.ok_or("inclusion.txt is malformed")?;
        at.index = Some(place.index);
        let head = self
            .heads
            .get(&place.checkpoint)
            .ok_or("its checkpoint is missing or does not hold")?;
        let note = head.signed.parsed().map_err(|error| text(&error))?;
        let origin = &note.checkpoint.origin;
        at.station = Some(origin.station().to_string());
        if note.checkpoint.size != place.size {
            return Err("its checkpoint is of another size".to_owned());
        }
        let proven = Proven {
            statement: bytes,
            salt: *salt.as_bytes(),
            index: place.index,
            path: place.path,
        };
        let leaf = proven.leaf_hash();
        let bundle = ReceiptBundle {
            proven: vec![proven],
            checkpoint: head.signed.clone(),
        };
        let mut statements = bundle.statements().map_err(|error| text(&error))?;
        let statement = statements.pop().ok_or("no statement")?;
        if origin.station() != &statement.station {
            return Err("its checkpoint is of another station".to_owned());
        }
        let level = head.level;
        self.speaks_of_ours(&statement, headers)?;
        if !self.seen.insert(leaf) {
            return Err("the same statement stands in the package twice".to_owned());
        }
        Ok((statement, level))
    }

    fn speaks_of_ours(
        &self,
        statement: &Statement,
        headers: &[SealedHeader],
    ) -> Result<(), String> {
        let header = headers
            .iter()
            .find(|header| header.id == statement.envelope);
        let header = header.ok_or("speaks of another envelope")?;
        let recipient = statement.recipient.agency().ok_or("speaks of no agency")?;
        let agrees = header.digest == statement.header_digest
            && header.commitment == statement.commitment
            && header.sender == statement.sender
            && header.recipients.contains(recipient);
        if !agrees {
            return Err("does not agree with the header".to_owned());
        }
        // A station whose agency moved away could otherwise speak for ever by dating back.
        if statement.time < header.created.minus_ms(limits::CREATED_AHEAD_MS_MAX) {
            return Err("is dated before the envelope was made".to_owned());
        }
        if only_home_says(statement.event)
            && !self.is_home(recipient, &statement.station, statement.time)
        {
            return Err(format!(
                "{} is not the home station of {recipient}",
                statement.station
            ));
        }
        Ok(())
    }

    /// Whether this is the station that the agency's newest attachment of that time names; by the nearest
    /// delegation its parent's.
    fn is_home(&self, agency: &AgencyCode, station: &StationName, at: Timestamp) -> bool {
        if let Some(home) = self.attached(agency, at) {
            return home == station;
        }
        let reaching = |one: &&Delegation| {
            agency.is_within(&one.scope) && one.from <= at && at < one.not_after
        };
        self.delegations
            .iter()
            .filter(reaching)
            .max_by_key(|one| (one.scope.as_str().len(), one.sequence))
            .is_some_and(|one| self.attached(&one.parent, at) == Some(station))
    }

    fn attached(&self, agency: &AgencyCode, at: Timestamp) -> Option<&StationName> {
        self.attachments
            .iter()
            .filter(|one| one.agency == *agency && one.from <= at && at < one.not_after)
            .max_by_key(|one| one.sequence)
            .map(|one| &one.station)
    }
}

fn kind(record: &Record) -> String {
    match record {
        Record::Agencies(bundle) => format!("agencies {}", bundle.bundle),
        Record::Attachment(one) => format!("attachment {} → {}", one.agency, one.station),
        Record::Delegation(one) => format!("delegation {} → {}", one.scope, one.parent),
        Record::Station(station) => format!("station {}", station.name),
        Record::TrustList(list) => format!("trust list {}", list.trust_domain),
    }
}
