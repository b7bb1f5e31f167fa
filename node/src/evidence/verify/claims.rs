//! Who may speak, what logs say, and what receipts claim: the second half of checking a package. Records
//! that come here were verified.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use formats::checkpoint::SignedCheckpoint;
use formats::id::{AgencyCode, Digest, EnvelopeId, Party, StationName};
use formats::proof::{Inclusion, Member, ProofReader};
use formats::receipt::{Proven, ReceiptBundle};
use formats::record::{Attachment, Delegation, Record, Station};
use formats::statement::{Event, Statement};
use formats::time::Timestamp;
use pki::note::{verify_by_record, verify_stamp};
use pki::role::Role;
use pki::sign::Parsed;

use super::{Report, Trust};

/// A header whose signature and commitment hold.
pub(super) struct SealedHeader {
    pub(super) id: EnvelopeId,
    pub(super) digest: Digest,
    pub(super) commitment: Option<Digest>,
    pub(super) sender: Party,
    pub(super) recipients: Vec<AgencyCode>,
}

/// What verified records and checkpoints say.
#[derive(Default)]
pub(super) struct Claims {
    stations: Vec<Station>,
    attachments: Vec<Attachment>,
    delegations: Vec<Delegation>,
    checkpoints: BTreeMap<u32, SignedCheckpoint>,
}

impl Claims {
    pub(super) fn add(&mut self, record: Record) {
        match record {
            Record::Attachment(one) => self.attachments.push(one),
            Record::Delegation(one) => self.delegations.push(one),
            Record::Station(one) => self.stations.push(one),
            Record::Agencies(_) | Record::TrustList(_) => {}
        }
    }

    /// Keeps the checkpoints that hold.
    pub(super) fn checkpoints<R: Read + Seek>(
        &mut self,
        zip: &mut ProofReader<R>,
        trust: &Trust,
        report: &mut Report,
    ) {
        let numbers: Vec<u32> = zip
            .members()
            .filter_map(|member| match member {
                Member::Note(number) => Some(*number),
                _ => None,
            })
            .collect();
        for number in numbers {
            let what = format!("checkpoint {number}");
            let checked = self.checkpoint(zip, trust, number);
            let Some((signed, stamped)) = report.take(&what, checked) else {
                continue;
            };
            let level = stamped.map_or_else(
                || "signed".to_owned(),
                |time| format!("stamped {}", time.rfc3339()),
            );
            report.ok(
                format!("điểm kiểm tra {number}: {level}"),
                format!("{what}: {level}"),
            );
            self.checkpoints.insert(number, signed);
        }
    }

    fn checkpoint<R: Read + Seek>(
        &self,
        zip: &mut ProofReader<R>,
        trust: &Trust,
        number: u32,
    ) -> Result<(SignedCheckpoint, Option<Timestamp>), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let note = zip
            .read(&Member::Note(number))
            .map_err(|error| text(&error))?;
        let note = String::from_utf8(note).map_err(|error| text(&error))?;
        let cms = zip
            .read(&Member::CheckpointSignature(number))
            .map_err(|error| text(&error))?;
        let body = zip
            .read(&Member::CheckpointBody(number))
            .map_err(|error| text(&error))?;
        let token = match zip.has(&Member::Token(number)) {
            true => Some(
                zip.read(&Member::Token(number))
                    .map_err(|error| text(&error))?,
            ),
            false => None,
        };
        let signed = SignedCheckpoint { note, cms, token };
        let parsed = signed.parsed().map_err(|error| text(&error))?;
        if parsed.checkpoint.body().as_bytes() != body {
            return Err("note and body differ".to_owned());
        }
        let origin = &parsed.checkpoint.origin;
        let station = self
            .stations
            .iter()
            .find(|station| station.log_origin == *origin)
            // A record of another epoch names the same keys.
            .or_else(|| {
                let mut stations = self.stations.iter();
                stations.find(|station| station.name == *origin.station())
            })
            .ok_or_else(|| format!("no station record names log {origin}"))?;
        let cms = Parsed::parse(&signed.cms).map_err(|error| text(&error))?;
        let evidence = station
            .evidence_sha256
            .iter()
            .filter_map(|digest| trust.signer(digest, Role::StationEvidence).ok())
            .find(|signer| cms.signer_matches(signer.certificate()))
            .ok_or("signed by a certificate that the station's record does not name")?;
        verify_by_record(&signed, station, &evidence).map_err(|error| text(&error))?;
        let latest = Timestamp::from_unix_ms(i64::MAX);
        let stamp =
            verify_stamp(&signed, &trust.validator, latest).map_err(|error| text(&error))?;
        Ok((signed, stamp.map(|stamp| stamp.time)))
    }

    /// Checks every receipt; gives how many hold.
    pub(super) fn receipts<R: Read + Seek>(
        &self,
        zip: &mut ProofReader<R>,
        headers: &[SealedHeader],
        report: &mut Report,
    ) -> usize {
        let numbers: Vec<u32> = zip
            .members()
            .filter_map(|member| match member {
                Member::Statement(number) => Some(*number),
                _ => None,
            })
            .collect();
        let mut good = 0;
        for number in numbers {
            let checked = self.receipt(zip, headers, number);
            let Some(statement) = report.take(&format!("receipt {number}"), checked) else {
                continue;
            };
            let text = format!(
                "{} {} {} {}",
                statement.event.name(),
                statement.recipient,
                statement.time.rfc3339(),
                statement.station
            );
            report.ok(
                format!("biên nhận {number}: {text}"),
                format!("receipt {number}: {text}"),
            );
            good += 1;
        }
        good
    }

    fn receipt<R: Read + Seek>(
        &self,
        zip: &mut ProofReader<R>,
        headers: &[SealedHeader],
        number: u32,
    ) -> Result<Statement, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let statement = zip
            .read(&Member::Statement(number))
            .map_err(|error| text(&error))?;
        let salt = zip
            .read(&Member::StatementSalt(number))
            .map_err(|error| text(&error))?;
        let salt = std::str::from_utf8(&salt).map_err(|error| text(&error))?;
        let salt: Digest = salt
            .trim_end()
            .parse()
            .map_err(|_| "salt is malformed".to_owned())?;
        let place = zip
            .read(&Member::Inclusion(number))
            .map_err(|error| text(&error))?;
        let place = std::str::from_utf8(&place).ok().and_then(Inclusion::parse);
        let place = place.ok_or("inclusion.txt is malformed")?;
        let checkpoint = self
            .checkpoints
            .get(&place.checkpoint)
            .ok_or("its checkpoint is missing or does not hold")?;
        let bundle = ReceiptBundle {
            proven: vec![Proven {
                statement,
                salt: *salt.as_bytes(),
                index: place.index,
                path: place.path,
            }],
            checkpoint: checkpoint.clone(),
        };
        let mut statements = bundle.statements().map_err(|error| text(&error))?;
        let statement = statements.pop().ok_or("no statement")?;
        let note = checkpoint.parsed().map_err(|error| text(&error))?;
        if note.checkpoint.origin.station() != &statement.station
            || note.checkpoint.size != place.size
        {
            return Err("its checkpoint is of another station or size".to_owned());
        }
        self.speaks_of_ours(&statement, headers)?;
        Ok(statement)
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

    /// Whether this is the station that the agency's newest attachment of that time names; by a
    /// delegation its parent's.
    fn is_home(&self, agency: &AgencyCode, station: &StationName, at: Timestamp) -> bool {
        if let Some(home) = self.attached(agency, at) {
            return home == station;
        }
        self.delegations
            .iter()
            .filter(|one| agency.is_within(&one.scope) && one.from <= at)
            .any(|one| self.attached(&one.parent, at) == Some(station))
    }

    fn attached(&self, agency: &AgencyCode, at: Timestamp) -> Option<&StationName> {
        self.attachments
            .iter()
            .filter(|one| one.agency == *agency && one.from <= at)
            .max_by_key(|one| (one.from, one.sequence))
            .map(|one| &one.station)
    }
}

/// Final facts are the home station's to state (architecture 9).
fn only_home_says(event: Event) -> bool {
    match event {
        Event::ContentConsignment
        | Event::ContentConsignmentFailure
        | Event::ContentHandover
        | Event::ContentHandoverFailure
        | Event::Expired
        | Event::Opened
        | Event::Recalled => true,
        Event::RelayAcceptance
        | Event::RelayFailure
        | Event::RelayRejection
        | Event::SubmissionAcceptance
        | Event::SubmissionRejection => false,
    }
}
