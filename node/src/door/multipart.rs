//! Bodies as they come in: a whole packet, or a form with `metadata` and files. Streamed into spools.
//!
//! Nothing is held but small fields. Limits are those of the spool (packet), [`METADATA_BYTES_MAX`] and
//! [`FILES_MAX`]. Faults of the metadata are all listed, with JSON pointers.

use axum::body::Body as HttpBody;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use formats::id::Digest;
use formats::limits;

use super::Doors;
use super::problem::{Fault, Kind, Problem};
use crate::body::{Body, Spool};
use crate::desk::{Draft, DraftFile};

/// Bytes of the `metadata` field: a document's facts and some thousand recipients.
pub const METADATA_BYTES_MAX: usize = 256 * 1024;

/// Files of one form; the packet format allows as many attachments.
pub const FILES_MAX: usize = 200;

/// Streams a whole body into a spool.
pub async fn spool(doors: &Doors, body: HttpBody) -> Result<Body, Problem> {
    let mut spool = doors.desk().spool();
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            broken("kết nối bị ngắt giữa chừng", "the connection broke off").cause(error)
        })?;
        push(doors, &mut spool, &chunk)?;
    }
    Ok(spool.finish())
}

/// Takes the next bytes. What goes to the disk stops at the floor of free space that the store keeps:
/// uploads must not take the room in which commits are made.
fn push(doors: &Doors, spool: &mut Spool, bytes: &[u8]) -> Result<(), Problem> {
    if spool.in_file() && !doors.desk().station().store().bodies().has_room(0) {
        return Err(Problem::new(Kind::DiskFull).retry_after(60));
    }
    spool.push(bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => Problem::new(Kind::TooLarge),
        std::io::ErrorKind::StorageFull => Problem::new(Kind::DiskFull).retry_after(60),
        _ => Problem::new(Kind::Internal).cause(format!("spool: {error}")),
    })
}

fn broken(vi: &str, en: &str) -> Problem {
    Problem::new(Kind::InvalidBody).detail(vi, en)
}

fn malformed(error: &MultipartError) -> Problem {
    let text = error.body_text();
    broken(&format!("multipart: {text}"), &format!("multipart: {text}"))
}

/// Streams one part of a form into a spool.
pub async fn spool_part(doors: &Doors, field: Field<'_>) -> Result<Body, Problem> {
    spool_part_within(doors, field, u64::MAX).await
}

/// As [`spool_part`], of a part of at most so many bytes.
pub(crate) async fn spool_part_within(
    doors: &Doors,
    mut field: Field<'_>,
    bytes_max: u64,
) -> Result<Body, Problem> {
    let mut spool = doors.desk().spool();
    let mut bytes: u64 = 0;
    while let Some(chunk) = field.chunk().await.map_err(|error| malformed(&error))? {
        bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if bytes > bytes_max {
            return Err(Problem::new(Kind::TooLarge));
        }
        push(doors, &mut spool, &chunk)?;
    }
    Ok(spool.finish())
}

/// A short text field.
pub async fn text_part(mut field: Field<'_>, bytes_max: usize) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| malformed(&error))? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(Problem::new(Kind::TooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| broken("văn bản không phải UTF-8", "text is not UTF-8"))
}

/// Streams one file of a form into a spool, with the name and type that the form gave it.
pub async fn file_part(doors: &Doors, field: Field<'_>) -> Result<DraftFile, Problem> {
    let name = field.file_name().unwrap_or("").to_owned();
    let mime = field
        .content_type()
        .unwrap_or("application/octet-stream")
        .to_owned();
    let body = spool_part(doors, field).await?;
    Ok(DraftFile {
        name,
        mime,
        description: None,
        body,
    })
}

/// The next part of a form.
pub async fn next_part<'f>(form: &'f mut Multipart) -> Result<Option<Field<'f>>, Problem> {
    form.next_field().await.map_err(|error| malformed(&error))
}

/// A form as the REST door takes it.
#[derive(Debug)]
pub struct Form {
    /// The facts.
    pub draft: Draft,
    /// The files in order; the first is the main document.
    pub files: Vec<DraftFile>,
    /// Digest of the whole request, in an order of its own: what an Idempotency-Key is bound to.
    pub digest: Digest,
}

/// Reads a form: `metadata` once, any other part with a file name is a file.
pub async fn form(doors: &Doors, mut form: Multipart) -> Result<Form, Problem> {
    let mut metadata = None;
    let mut files: Vec<DraftFile> = Vec::new();
    while let Some(field) = next_part(&mut form).await? {
        // No packet could hold more; without this a form could be as large as all its files may be.
        if files.iter().map(|file| file.body.bytes()).sum::<u64>() > limits::PACKET_BYTES_MAX {
            return Err(Problem::new(Kind::TooLarge));
        }
        if field.name() == Some("metadata") && metadata.is_none() {
            metadata = Some(text_part(field, METADATA_BYTES_MAX).await?);
        } else if field.file_name().is_some_and(|name| !name.is_empty()) {
            if files.len() == FILES_MAX {
                return Err(Problem::new(Kind::TooLarge));
            }
            files.push(file_part(doors, field).await?);
        } else {
            let name: String = field.name().unwrap_or("").chars().take(64).collect();
            return Err(broken(
                &format!("phần “{name}” không dùng được: chỉ nhận metadata và tệp có tên"),
                &format!("part “{name}” is not known: only metadata and named files are"),
            ));
        }
    }
    let metadata = metadata.ok_or_else(|| {
        broken(
            "thiếu phần metadata (JSON)",
            "the part metadata (JSON) is missing",
        )
    })?;
    let value: Value = serde_json::from_str(&metadata).map_err(|error| {
        let place = format!("{}:{}", error.line(), error.column());
        broken(
            &format!("metadata không phải JSON đúng (dòng:cột {place})"),
            &format!("metadata is not well-formed JSON (line:column {place})"),
        )
    })?;
    let digest = request_digest(&value, &files);
    Ok(Form {
        draft: draft(&value)?,
        files,
        digest,
    })
}

/// Digest over the metadata in canonical form (members sorted) and every file's name, type and bytes.
fn request_digest(metadata: &Value, files: &[DraftFile]) -> Digest {
    // serde_json keeps the members of an object sorted.
    let mut text = format!("tram-form-1\n{metadata}\n");
    for file in files {
        let name = Digest::of(file.name.as_bytes());
        text.push_str(&format!("{name} {} {}\n", file.mime, file.body.digest()));
    }
    Digest::of(text.as_bytes())
}

/// Kind of a member of `metadata`.
#[derive(Clone, Copy)]
enum Shape {
    Flag,
    Number,
    Text,
    Texts,
}

/// Every member of `metadata`: name, shape, whether it must be there.
const MEMBERS: &[(&str, Shape, bool)] = &[
    ("due", Shape::Text, false),
    ("local_id", Shape::Text, false),
    ("notation", Shape::Text, true),
    ("number", Shape::Text, true),
    ("paper_follows", Shape::Flag, false),
    ("place", Shape::Text, false),
    ("priority", Shape::Number, false),
    ("promulgated", Shape::Text, true),
    ("signer_competence", Shape::Text, false),
    ("signer_name", Shape::Text, true),
    ("signer_position", Shape::Text, false),
    ("subject", Shape::Text, true),
    ("summary", Shape::Text, false),
    ("to", Shape::Texts, true),
    ("to_places", Shape::Texts, false),
    ("type_class", Shape::Number, false),
    ("type_detail", Shape::Number, false),
    ("type_name", Shape::Text, true),
];

/// Reads `metadata`, with every fault.
pub fn draft(metadata: &Value) -> Result<Draft, Problem> {
    let Some(members) = metadata.as_object() else {
        let fault = Fault::pointer("", "phải là một đối tượng JSON", "must be a JSON object");
        return Err(Problem::new(Kind::InvalidBody).errors(vec![fault]));
    };
    let faults = faults(members);
    if !faults.is_empty() {
        return Err(Problem::new(Kind::InvalidBody).errors(faults));
    }
    serde_json::from_value(metadata.clone()).map_err(|error| {
        Problem::new(Kind::InvalidBody)
            .detail(format!("metadata: {error}"), format!("metadata: {error}"))
    })
}

fn faults(members: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, shape, needed) in MEMBERS {
        let pointer = format!("/{name}");
        let mut say = |vi: &str, en: &str| {
            faults.push(Fault::pointer(
                &pointer,
                format!("{name}: {vi}"),
                format!("{name}: {en}"),
            ));
        };
        match members.get(*name) {
            None | Some(Value::Null) if *needed => say("bắt buộc có", "is required"),
            None | Some(Value::Null) => {}
            Some(value) => match shape {
                Shape::Flag if value.is_boolean() => {}
                Shape::Flag => say("phải là true hoặc false", "must be true or false"),
                Shape::Number if value.as_u64().is_some_and(|number| number <= 255) => {}
                Shape::Number => say("phải là số từ 0 đến 255", "must be a number from 0 to 255"),
                Shape::Text if value.is_string() => {}
                Shape::Text => say("phải là chuỗi", "must be a string"),
                Shape::Texts => match value.as_array() {
                    Some(items) if *needed && items.is_empty() => {
                        say("phải có ít nhất một", "must have at least one");
                    }
                    Some(items) if items.iter().all(Value::is_string) => {}
                    _ => say("phải là danh sách chuỗi", "must be a list of strings"),
                },
            },
        }
    }
    for name in members.keys() {
        if !MEMBERS.iter().any(|(known, _, _)| known == name) {
            let name: String = name.chars().take(64).collect();
            let escaped = name.replace('~', "~0").replace('/', "~1");
            faults.push(Fault::pointer(
                &format!("/{escaped}"),
                format!("{name}: không có trường này"),
                format!("{name}: no such member"),
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::door::problem::Place;

    fn good() -> Value {
        json!({
            "to": ["H01.36.04"], "number": "12", "notation": "SNV-VP", "promulgated": "2026-11-22",
            "type_name": "Công văn", "subject": "Về việc", "signer_name": "Trần Văn Minh",
            "priority": 1, "paper_follows": false, "due": null
        })
    }

    #[test]
    fn a_full_description_is_read() {
        let draft = draft(&good()).unwrap();
        assert_eq!(draft.to, ["H01.36.04"]);
        assert_eq!(draft.priority, Some(1));
        assert_eq!(draft.due, None);
    }

    #[test]
    fn every_fault_is_listed_with_its_pointer() {
        let mut bad = good();
        bad["number"] = json!(12);
        bad["to"] = json!([]);
        bad["a/b"] = json!(1);
        bad.as_object_mut().unwrap().remove("subject");
        bad["paper_follows"] = json!("yes");
        let problem = draft(&bad).unwrap_err();
        let mut pointers: Vec<_> = problem
            .faults()
            .iter()
            .map(|fault| match &fault.place {
                Place::Pointer(pointer) => pointer.as_str(),
                _ => "?",
            })
            .collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            ["/a~1b", "/number", "/paper_follows", "/subject", "/to"]
        );
        assert!(draft(&json!([1])).is_err());
    }

    #[test]
    fn the_digest_sees_every_part_and_not_the_order_of_members() {
        let file = |name: &str, bytes: &'static [u8]| DraftFile {
            name: name.to_owned(),
            mime: "text/plain".to_owned(),
            description: None,
            body: Body::memory(bytes),
        };
        let one = request_digest(&good(), &[file("a", b"1"), file("b", b"2")]);
        let text: Value = serde_json::from_str(&good().to_string()).unwrap();
        assert_eq!(
            one,
            request_digest(&text, &[file("a", b"1"), file("b", b"2")])
        );
        assert_ne!(
            one,
            request_digest(&good(), &[file("b", b"2"), file("a", b"1")])
        );
        assert_ne!(
            one,
            request_digest(&good(), &[file("a", b"1"), file("b", b"3")])
        );
        let mut other = good();
        other["subject"] = json!("khác");
        assert_ne!(
            one,
            request_digest(&other, &[file("a", b"1"), file("b", b"2")])
        );
    }
}
