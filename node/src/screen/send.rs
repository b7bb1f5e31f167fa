//! Gửi văn bản: a finished edXML packet, or a form with files.
//!
//! The form's token must come first, before any file is taken. Each form carries its own
//! Idempotency-Key, so a double click sends once. What is wrong is listed, and what was typed stays.

use askama::Template;
use axum::extract::{Multipart, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Redirect};

use super::day::Day;
use super::parts::{Choice, Frame, priority};
use super::words::{Words, fill};
use super::{Answer, Place, Reader, frame, html};
use crate::body::Body;
use crate::desk::{Draft, DraftFile, Submission};
use crate::door::Doors;
use crate::door::multipart::{FILES_MAX, file_part, next_part, spool_part, text_part};
use crate::door::params::Params;
use crate::door::problem::{Kind, Place as FaultPlace, Problem, said};
use crate::door::rest::documents::submitted;

/// Bytes of a text field: two thousand codes with names.
const FIELD_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Template)]
#[template(path = "send.html")]
pub(crate) struct SendPage {
    pub(crate) faults: Vec<FaultLine>,
    pub(crate) faults_head: String,
    pub(crate) form: Fields,
    pub(crate) frame: Frame,
    pub(crate) key: String,
    pub(crate) priorities: Vec<Choice>,
    pub(crate) w: &'static Words,
}

/// One thing to correct.
#[derive(Debug)]
pub(crate) struct FaultLine {
    pub(crate) path: String,
    pub(crate) text: String,
    /// What to do, if the rule says so.
    pub(crate) fix: String,
}

/// What was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) date: String,
    pub(crate) kind: String,
    pub(crate) notation: String,
    pub(crate) number: String,
    pub(crate) place: String,
    pub(crate) position: String,
    pub(crate) priority: u8,
    pub(crate) signer: String,
    pub(crate) subject: String,
    pub(crate) to: String,
}

impl Fields {
    /// Takes a field of the form; false for a name that is none.
    fn take(&mut self, name: &str, value: &str) -> bool {
        let value = value.trim().to_owned();
        match name {
            "date" => self.date = value,
            "notation" => self.notation = value,
            "number" => self.number = value,
            "place" => self.place = value,
            "position" => self.position = value,
            "priority" => self.priority = value.parse().unwrap_or(0),
            "signer" => self.signer = value,
            "subject" => self.subject = value,
            "to" => self.to = value,
            "type" => self.kind = value,
            _ => return false,
        }
        true
    }

    fn draft(&self, day: Day) -> Draft {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let codes = self
            .to
            .split(|letter: char| letter.is_whitespace() || ",;".contains(letter));
        Draft {
            to: codes
                .filter(|code| !code.is_empty())
                .map(str::to_owned)
                .collect(),
            number: self.number.clone(),
            notation: self.notation.clone(),
            promulgated: day.iso(),
            place: some(&self.place),
            type_name: self.kind.clone(),
            subject: self
                .subject
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            signer_name: self.signer.clone(),
            signer_position: some(&self.position),
            priority: Some(self.priority),
            ..Draft::default()
        }
    }
}

/// `GET /send?to=H01.36.04`
pub(crate) async fn show(State(doors): State<Doors>, reader: Reader, uri: Uri) -> Answer {
    let fields = Fields {
        date: Day::of(doors.desk().now()).vietnamese(),
        to: Params::of(&uri)?.text("to").unwrap_or_default(),
        kind: "Công văn".to_owned(),
        ..Fields::default()
    };
    html(&page(&doors, &reader, fields, Vec::new()).await?)
}

async fn page(
    doors: &Doors,
    reader: &Reader,
    form: Fields,
    faults: Vec<FaultLine>,
) -> Result<SendPage, Problem> {
    let w = reader.w;
    let (frame, _) = frame(doors, reader, Place::Outgoing, w.send_document).await?;
    // Decree 30/2020 knows 0 to 3; 4 is taken from packets only.
    let priorities = (0..=3).map(|code| Choice {
        chosen: code == form.priority,
        text: priority(w, code).to_owned(),
        value: code.to_string(),
    });
    Ok(SendPage {
        faults_head: fill(w.send_faults, &[("n", &faults.len().to_string())]),
        faults,
        priorities: priorities.collect(),
        form,
        frame,
        key: uuid::Uuid::now_v7().to_string(),
        w,
    })
}

/// What the form held.
#[derive(Debug, Default)]
struct Sent {
    fields: Fields,
    files: Vec<DraftFile>,
    key: String,
    packet: Option<Body>,
}

async fn read(doors: &Doors, reader: &Reader, mut form: Multipart) -> Result<Sent, Problem> {
    let mut sent = Sent::default();
    let mut checked = false;
    while let Some(field) = next_part(&mut form).await? {
        let name = field.name().unwrap_or("").to_owned();
        if !checked {
            if name != "csrf" {
                return Err(Problem::new(Kind::FormExpired));
            }
            reader.session.check(&text_part(field, 256).await?)?;
            checked = true;
        } else if field.file_name().is_some() {
            // A browser sends an empty file for a field that nothing was chosen in.
            if field.file_name() == Some("") {
                continue;
            }
            if name == "packet" {
                sent.packet = Some(spool_part(doors, field).await?);
            } else if sent.files.len() < FILES_MAX {
                sent.files.push(file_part(doors, field).await?);
            } else {
                return Err(Problem::new(Kind::TooLarge));
            }
        } else {
            let text = text_part(field, FIELD_BYTES_MAX).await?;
            if name == "key" {
                sent.key = text
                    .chars()
                    .filter(char::is_ascii_graphic)
                    .take(64)
                    .collect();
            } else {
                sent.fields.take(&name, &text);
            }
        }
    }
    if checked {
        Ok(sent)
    } else {
        Err(Problem::new(Kind::FormExpired))
    }
}

/// `POST /send`
pub(crate) async fn send(State(doors): State<Doors>, reader: Reader, form: Multipart) -> Answer {
    let sent = read(&doors, &reader, form).await?;
    let fields = sent.fields.clone();
    match submit(&doors, &reader, sent).await {
        Ok(id) => Ok(Redirect::to(&format!("/documents/{id}?sent=1")).into_response()),
        Err(problem) if problem.kind() == Kind::Internal => Err(problem),
        Err(problem) => {
            let faults = lines(&reader, &problem);
            let status = problem.kind().status();
            let page = page(&doors, &reader, fields, faults).await?;
            let mut response = html(&page)?;
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
    }
}

async fn submit(doors: &Doors, reader: &Reader, sent: Sent) -> Result<String, Problem> {
    let desk = doors.desk();
    let agency = &reader.caller.agency;
    let packet = match sent.packet {
        Some(packet) => packet,
        None => {
            let day = Day::parse(&sent.fields.date, desk.now()).ok_or_else(|| {
                let text = [("text", sent.fields.date.as_str())];
                Problem::new(Kind::InvalidParameter).detail(
                    fill(super::words::VI.date_wrong, &text),
                    fill(super::words::EN.date_wrong, &text),
                )
            })?;
            desk.compose(agency, sent.fields.draft(day), sent.files)
                .await?
        }
    };
    let submission = Submission {
        idempotency_key: (!sent.key.is_empty()).then(|| format!("screen-{}", sent.key)),
        ..Submission::of(packet)
    };
    Ok(submitted(doors, agency, submission).await?.id.to_string())
}

fn lines(reader: &Reader, problem: &Problem) -> Vec<FaultLine> {
    let lang = reader.lang;
    if problem.faults().is_empty() {
        let next = problem.kind().next(lang);
        let text = match problem.kind() {
            Kind::InvalidParameter => problem.text(lang),
            _ => format!("{}. {next}", problem.text(lang)),
        };
        return vec![FaultLine {
            path: String::new(),
            text,
            fix: String::new(),
        }];
    }
    let line = |fault: &crate::door::problem::Fault| FaultLine {
        path: match &fault.place {
            FaultPlace::Path(path) => path.clone(),
            FaultPlace::Parameter(_) | FaultPlace::Pointer(_) | FaultPlace::Whole => String::new(),
        },
        text: said(&fault.text, lang).to_owned(),
        fix: fault
            .rule()
            .map(|rule| said(&rule.fix, lang).to_owned())
            .unwrap_or_default(),
    };
    problem.faults().iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use formats::time::Timestamp;

    use super::*;

    #[test]
    fn recipients_are_read_from_lines_commas_and_spaces() {
        let fields = Fields {
            to: "H01.36.04\r\nH01.36.05, G05;A12".to_owned(),
            subject: "Về  việc\nhọp".to_owned(),
            ..Fields::default()
        };
        let draft = fields.draft(Day::of(Timestamp::from_unix_ms(0)));
        assert_eq!(draft.to, ["H01.36.04", "H01.36.05", "G05", "A12"]);
        assert_eq!(draft.subject, "Về việc họp");
        assert_eq!(draft.promulgated, "1970-01-01");
        assert_eq!(draft.place, None);
    }
}
