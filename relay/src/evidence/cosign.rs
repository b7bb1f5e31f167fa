//! Gets cosignatures of the witnesses that the trust list names for the newest stamped checkpoint (the newest
//! signed one where no time-stamp authority is configured), in the background and at most once a second. Their lines go
//! into the note of the checkpoint that is kept, so that proofs rest on one that is stamped and witnessed.
//!
//! A witness is asked as c2sp.org/tlog-witness says: with the size that it cosigned last and the proof from there.
//! Owns who was asked what; fails by trying again, its absence delays nothing. Must not know why a witness
//! refuses; says it once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use formats::checkpoint::{Note, NoteSignature, SignedCheckpoint};
use formats::limits;
use formats::witness::{AddCheckpoint, VerifierKey, WitnessPolicy, read_answer};
use futures_util::future::join_all;
use pki::witness::{cosigned_at, with_lines, witnessed};
use reqwest::StatusCode;

use crate::alarm::{Contact, watch};
use crate::evidence::Head;
use crate::station::Core;

/// What operators see of it.
#[derive(Debug, Default)]
pub(crate) struct Witnessing {
    /// When enough witnesses cosigned last.
    pub(crate) contact: Contact,
    /// A witness holds less or more than it should; by its address.
    trouble: Mutex<BTreeMap<String, String>>,
}

impl Witnessing {
    /// What is wrong with witnesses, in words.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<String> = trouble
            .iter()
            .map(|(url, what)| format!("{url}: {what}"))
            .collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn note(&self, url: &str, what: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => drop(trouble.insert(url.to_owned(), what)),
            None => drop(trouble.remove(url)),
        }
    }
}

/// Why a witness gave no line.
#[derive(Debug, thiserror::Error)]
enum NotCosigned {
    #[error("not reached: {0}")]
    Http(#[from] reqwest::Error),
    #[error("answers {0}")]
    Status(StatusCode),
    #[error("its answer is not one: {0}")]
    Answer(String),
    #[error("no line of a witness that the trust list names")]
    NoLine,
    #[error("no proof from the size {0} that it cosigned last")]
    NoProof(u64),
    #[error("it remembers size {knows}, but has cosigned {signed}: its memory is an older copy")]
    Forgot { knows: u64, signed: u64 },
    #[error("it has cosigned size {0} of this log, which is not here")]
    Beyond(u64),
}

/// One witness's door.
struct Door {
    /// Its prefix.
    url: String,
    /// The size that it cosigned last, as far as known.
    last: u64,
    /// The newest note with its line.
    cosigned: Option<Note>,
}

/// Until the station stops.
pub(crate) async fn run(core: Arc<Core>) {
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(code = "TRAM-377", %error, "no witnesses: HTTP client");
            return;
        }
    };
    let doors = core.config.witness_urls.iter();
    let mut doors: Vec<Door> = doors
        .map(|url| Door {
            url: url.trim_end_matches('/').to_owned(),
            last: 0,
            cosigned: None,
        })
        .collect();
    core.witnessing.contact.expect(core.clock.reading());
    let mut done = 0;
    let mut failures: u32 = 0;
    loop {
        let longest = core.config.timing.stamp.max(PAUSE);
        let pause = PAUSE.saturating_mul(1 << failures.min(6)).min(longest);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = core.stop.cancelled() => return,
        }
        let Some(policy) = core.witnesses() else {
            if core.facts.first("no witnesses") {
                tracing::warn!(
                    code = "TRAM-377",
                    "the trust list names no witnesses: none is asked"
                );
            }
            continue;
        };
        core.facts.over("no witnesses");
        match round(&core, &client, &mut doors, &policy, &mut done).await {
            Ok(true) => {
                let now = core.clock.reading();
                core.witnessing.contact.hear(now, now.wall);
                failures = 0;
            }
            Ok(false) => failures = 0,
            Err(()) => {
                failures = failures.saturating_add(1);
                watch::look(&core);
            }
        }
    }
}

/// One round over all witnesses; true if enough of them have cosigned something new, an error if too few
/// have.
async fn round(
    core: &Core,
    client: &reqwest::Client,
    doors: &mut [Door],
    policy: &WitnessPolicy,
    done: &mut u64,
) -> Result<bool, ()> {
    if core.store.stating_stopped() {
        return Ok(false);
    }
    let Some((head, kept)) = candidate(core).await? else {
        return Ok(false);
    };
    let Ok(note) = kept.parsed() else {
        return Err(());
    };
    let size = note.checkpoint.size;
    if size <= *done || witnessed(&note, policy).is_ok() {
        return Ok(false);
    }
    let asked = doors
        .iter_mut()
        .map(|door| cosigned(core, client, door, &note, policy));
    let lines: Vec<NoteSignature> = join_all(asked)
        .await
        .into_iter()
        .filter_map(|(url, answer)| told(core, &url, answer))
        .collect();
    let note = with_lines(note, lines);
    let count = policy
        .keys
        .iter()
        .filter(|key| cosigned_at(&note, key).is_some())
        .count();
    if count == 0 {
        return Err(());
    }
    let signed = SignedCheckpoint {
        note: note.to_text(),
        ..kept
    };
    let witnesses = u32::try_from(count).unwrap_or(u32::MAX);
    if let Some(head) = head {
        // Without a time-stamp authority nobody else keeps it.
        let at = core.clock.now();
        let kept = core
            .store
            .keep_stamped(head.size, head.root, signed.clone(), at);
        kept.await.map_err(drop)?;
    }
    let kept = core.store.keep_cosigned(size, signed, witnesses).await;
    kept.map_err(drop)?;
    if witnessed(&note, policy).is_err() {
        return Err(());
    }
    *done = size;
    Ok(true)
}

/// The line that a witness gave; what kept it from it is said once.
fn told(
    core: &Core,
    url: &str,
    answer: Result<NoteSignature, NotCosigned>,
) -> Option<NoteSignature> {
    let error = match answer {
        Ok(line) => {
            core.facts.over(&format!("witness {url}"));
            core.witnessing.note(url, None);
            return Some(line);
        }
        Err(error) => error,
    };
    if matches!(error, NotCosigned::Forgot { .. } | NotCosigned::Beyond(_)) {
        core.witnessing.note(url, Some(error.to_string()));
    }
    if core.facts.first(&format!("witness {url}: {error}")) {
        tracing::warn!(code = "TRAM-377", url, %error, "not cosigned");
    }
    None
}

/// The checkpoint to be cosigned, if there is one; with its head where it is not kept yet.
async fn candidate(core: &Core) -> Result<Option<(Option<Arc<Head>>, SignedCheckpoint)>, ()> {
    if !core.stampers.is_empty() {
        let stamped = core.store.stamped().await.map_err(drop)?;
        return Ok(stamped.map(|signed| (None, signed)));
    }
    let head = core.store.head().borrow().clone();
    let signed = head.signed.clone();
    Ok(Some((Some(head), signed)))
}

/// Asks one witness, a second time if it says that it is elsewhere than we thought.
async fn cosigned(
    core: &Core,
    client: &reqwest::Client,
    door: &mut Door,
    note: &Note,
    policy: &WitnessPolicy,
) -> (String, Result<NoteSignature, NotCosigned>) {
    let url = door.url.clone();
    let mut answer = Err(NotCosigned::NoLine);
    for _ in 0..2 {
        answer = match ask(core, client, door, note).await {
            Ok(Told::Lines(text)) => line_of(&text, note, policy),
            Ok(Told::Size(knows)) if knows > note.checkpoint.size => {
                Err(NotCosigned::Beyond(knows))
            }
            Ok(Told::Size(knows)) => {
                let signed = door
                    .cosigned
                    .as_ref()
                    .map_or(0, |note| note.checkpoint.size);
                let forgot = knows < signed;
                door.last = knows;
                if forgot {
                    remind(core, client, door).await;
                    return (url, Err(NotCosigned::Forgot { knows, signed }));
                }
                continue;
            }
            Err(error) => Err(error),
        };
        break;
    }
    if let Ok(line) = &answer {
        door.last = note.checkpoint.size;
        door.cosigned = Some(with_lines(note.clone(), vec![line.clone()]));
    }
    (url, answer)
}

/// Shows a witness what it has signed and does not remember; it stops then.
async fn remind(core: &Core, client: &reqwest::Client, door: &mut Door) {
    if let Some(note) = door.cosigned.clone() {
        let _refused = ask(core, client, door, &note).await;
    }
}

/// What a witness said.
enum Told {
    /// Signature lines.
    Lines(String),
    /// The size that it cosigned last.
    Size(u64),
}

async fn ask(
    core: &Core,
    client: &reqwest::Client,
    door: &Door,
    note: &Note,
) -> Result<Told, NotCosigned> {
    let (old, size) = (door.last.min(note.checkpoint.size), note.checkpoint.size);
    let Ok(Some(proof)) = core.store.consistency(old, size).await else {
        return Err(NotCosigned::NoProof(old));
    };
    let request = AddCheckpoint {
        old,
        proof,
        note: note.clone(),
    };
    let response = client
        .post(format!("{}/add-checkpoint", door.url))
        .header("content-type", "text/plain; charset=utf-8")
        .body(request.to_text())
        .send()
        .await?;
    let status = response.status();
    let text = text_of(response).await?;
    match status {
        StatusCode::OK => Ok(Told::Lines(text)),
        StatusCode::CONFLICT => {
            let size = text.strip_suffix('\n').and_then(|size| size.parse().ok());
            let size = size.filter(|size: &u64| *size != old);
            size.map(Told::Size)
                .ok_or_else(|| NotCosigned::Answer("another root at this size".to_owned()))
        }
        other => Err(NotCosigned::Status(other)),
    }
}

async fn text_of(mut response: reqwest::Response) -> Result<String, NotCosigned> {
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await? {
        // Bounded before it is kept: the witness is another party.
        if bytes.len() + part.len() > limits::NOTE_BYTES_MAX {
            return Err(NotCosigned::Answer("it is too long".to_owned()));
        }
        bytes.extend_from_slice(&part);
    }
    String::from_utf8(bytes).map_err(|error| NotCosigned::Answer(error.to_string()))
}

/// The line of a witness of the policy that holds. Others are left.
fn line_of(text: &str, note: &Note, policy: &WitnessPolicy) -> Result<NoteSignature, NotCosigned> {
    let lines = read_answer(text, note).map_err(|error| NotCosigned::Answer(error.to_string()))?;
    let holds = |line: &NoteSignature| {
        let alone = Note {
            checkpoint: note.checkpoint.clone(),
            signatures: vec![line.clone()],
        };
        policy
            .keys
            .iter()
            .any(|key: &VerifierKey| cosigned_at(&alone, key).is_some())
    };
    lines.into_iter().find(holds).ok_or(NotCosigned::NoLine)
}

/// Least time between two rounds.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a witness may take.
const TIMEOUT: Duration = Duration::from_secs(10);
