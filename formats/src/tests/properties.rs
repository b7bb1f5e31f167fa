//! Properties: what is written reads back; no bytes, however broken, make a decoder panic; and a
//! value that is read is written as the very bytes it was read from.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

use super::samples;
use crate::body::{BodyHasher, Layout, body_digest_of};
use crate::checkpoint::{Checkpoint, LogOrigin, Note, NoteSignature, SignedCheckpoint};
use crate::event::ReasonRule;
use crate::frame::{Control, Offer, PeerLimits, Transfer, Versions};
use crate::header::{Class, Context, Header, Priority};
use crate::id::{AgencyCode, Digest, EnvelopeId, OldAgencyCode, Party, StationName, TrustDomain};
use crate::merkle;
use crate::reason::Reason;
use crate::receipt::{Proven, ReceiptBundle};
use crate::record::{Address, NoteKey, Record};
use crate::statement::{Event, LogOpened, Statement};
use crate::time::Timestamp;

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn agency() -> impl Strategy<Value = AgencyCode> {
    "[A-Z][0-9]{2}(\\.[0-9A-Z]{1,5}){0,4}".prop_map(|text| AgencyCode::parse(&text).unwrap())
}

fn station() -> impl Strategy<Value = StationName> {
    "[a-z]{1,8}-[a-z0-9]{1,8}(\\.[a-z0-9]{1,10}){0,4}"
        .prop_map(|text| StationName::parse(&text).unwrap())
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..253_402_300_799_999_i64).prop_map(Timestamp::from_unix_ms)
}

fn envelope() -> impl Strategy<Value = EnvelopeId> {
    (time(), any::<[u8; 10]>()).prop_map(|(time, random)| EnvelopeId::new(time, &random))
}

fn reason() -> impl Strategy<Value = Reason> {
    proptest::sample::select(Reason::ALL.to_vec())
}

fn context() -> impl Strategy<Value = Context> {
    let who = (
        agency(),
        station(),
        proptest::collection::btree_set(agency(), 1..20),
    );
    let what = (
        envelope(),
        0..5_u64,
        0..100_000_000_000_000_i64,
        1..2_592_000_000_i64,
    );
    let bound = (
        digest(),
        digest(),
        proptest::option::of(envelope()),
        any::<bool>(),
    );
    (who, what, bound, "[^\\x00-\\x1f\\x7f-\\u{9f}]{1,64}").prop_map(
        |(
            (sender, home, recipients),
            (id, priority, created, life),
            (signer, sum, old, st),
            alias,
        )| {
            let first = recipients.first().unwrap().clone();
            let created = Timestamp::from_unix_ms(created);
            Context {
                id,
                class: if st { Class::Status } else { Class::Document },
                sender: Party::Agency(sender),
                sender_station: home,
                recipients: recipients.into_iter().rev().map(Party::Agency).collect(),
                priority: Priority::from_number(priority).unwrap(),
                created,
                expires: created.plus_ms(life),
                signer,
                commitment: Some(sum),
                supersedes: old.filter(|old| *old != id),
                addressed_as: if st { vec![] } else { vec![(first, alias)] },
            }
        },
    )
}

fn statement() -> impl Strategy<Value = Statement> {
    let who = (
        agency(),
        agency(),
        station(),
        proptest::option::of(station()),
    );
    let what = (
        proptest::sample::select(Event::ALL.to_vec()),
        envelope(),
        time(),
        reason(),
    );
    let sums = (
        digest(),
        proptest::option::of(digest()),
        digest(),
        any::<bool>(),
    );
    (who, what, sums).prop_map(
        |((sender, recipient, station, next_station), (event, envelope, time, why), sums)| {
            Statement {
                event,
                envelope,
                header_digest: sums.0,
                commitment: sums.1,
                sender: sender.into(),
                recipient: recipient.into(),
                time,
                station,
                next_station,
                reason: match event.reason() {
                    ReasonRule::Free => sums.3,
                    ReasonRule::Needed => true,
                    ReasonRule::None => false,
                }
                .then_some(why),
                prev: sums.2,
                clock_unsure: sums.3,
            }
        },
    )
}

fn note() -> impl Strategy<Value = Note> {
    let line = (
        "[!-*,-~]{1,40}",
        any::<[u8; 4]>(),
        proptest::collection::vec(any::<u8>(), 1..80),
    );
    let lines = proptest::collection::vec(line, 1..5);
    (station(), any::<u32>(), any::<u64>(), digest(), lines).prop_map(
        |(station, epoch, size, root, lines)| Note {
            checkpoint: Checkpoint {
                origin: LogOrigin::new(station, epoch),
                size,
                root,
            },
            signatures: lines
                .into_iter()
                .map(|(name, key_id, signature)| NoteSignature {
                    name,
                    key_id,
                    signature,
                })
                .collect(),
        },
    )
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..max)
}

fn bundle() -> impl Strategy<Value = ReceiptBundle> {
    let path = proptest::collection::vec(digest(), 0..6);
    let proven = (statement(), any::<[u8; 32]>(), any::<u64>(), path).prop_map(
        |(statement, salt, index, path)| Proven {
            statement: statement.to_json(),
            salt,
            index,
            path,
        },
    );
    let token = proptest::option::of(bytes(50));
    (
        proptest::collection::vec(proven, 1..4),
        note(),
        bytes(50),
        token,
    )
        .prop_map(|(proven, note, cms, token)| ReceiptBundle {
            proven,
            checkpoint: SignedCheckpoint {
                note: note.to_text(),
                cms,
                token,
            },
        })
}

fn offer() -> impl Strategy<Value = Transfer> {
    let legs = proptest::collection::btree_set(agency(), 1..10);
    let via = proptest::collection::vec(station(), 0..5);
    let small = (
        any::<u32>(),
        any::<u32>(),
        proptest::option::of("[!-~]{1,60}"),
    );
    (
        bytes(300),
        bytes(300),
        legs,
        via,
        small,
        proptest::option::of(bytes(200)),
    )
        .prop_map(
            |(
                header,
                header_signature,
                legs,
                via,
                (attempt, capsule_bytes, traceparent),
                inline,
            )| {
                let legs = legs.into_iter().map(Party::Agency).collect();
                Transfer::Offer(Offer {
                    header,
                    header_signature,
                    legs,
                    attempt,
                    via,
                    capsule_bytes,
                    traceparent,
                    inline,
                })
            },
        )
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let refused = proptest::collection::vec((agency().prop_map(Party::Agency), reason()), 0..5);
    let retry = proptest::option::of(any::<u64>());
    prop_oneof![
        offer(),
        any::<u32>().prop_map(|from_piece| Transfer::Want { from_piece }),
        proptest::option::of(bundle()).prop_map(|bundle| Transfer::Have { bundle }),
        (
            reason(),
            retry,
            proptest::option::of("[^\\x00-\\x1f\\x7f-\\u{9f}]{0,256}")
        )
            .prop_map(|(reason, retry_after_ms, detail)| Transfer::Refuse {
                reason,
                retry_after_ms,
                detail
            }),
        proptest::collection::vec(digest(), 1..20).prop_map(|hashes| Transfer::Leaves { hashes }),
        (proptest::option::of(bundle()), refused)
            .prop_map(|(bundle, refused)| Transfer::Custody { bundle, refused }),
    ]
}

fn control() -> impl Strategy<Value = Control> {
    let limits = (any::<u32>(), any::<u64>(), any::<u32>()).prop_map(
        |(transfers, body_bytes, inline_bytes)| PeerLimits {
            transfers,
            body_bytes,
            inline_bytes,
        },
    );
    let versions = (1..100_u32, 0..100_u32).prop_map(|(lowest, more)| Versions {
        lowest,
        highest: lowest + more,
    });
    prop_oneof![
        (reason(), proptest::option::of(any::<u64>())).prop_map(|(reason, retry_after_ms)| {
            Control::Bye {
                reason,
                retry_after_ms,
            }
        }),
        (versions, station(), time(), limits).prop_map(|(versions, station, clock, limits)| {
            Control::Hello {
                versions,
                station,
                clock,
                limits,
            }
        }),
        any::<u64>().prop_map(|number| Control::Ping { number }),
        (any::<u64>(), time()).prop_map(|(number, clock)| Control::Pong { number, clock }),
    ]
}

proptest! {
    #[test]
    fn headers_round_trip(context in context(), body in digest(), size in any::<u64>()) {
        let header = Header::new(context, body, size).unwrap();
        prop_assert_eq!(Header::decode(header.bytes()), Ok(header));
    }

    #[test]
    fn statements_round_trip(statement in statement()) {
        prop_assert_eq!(Statement::parse(&statement.to_json()), Ok(statement));
    }

    #[test]
    fn notes_round_trip(note in note()) {
        prop_assert_eq!(Note::parse(&note.to_text()), Ok(note));
    }

    #[test]
    fn bundles_round_trip(bundle in bundle()) {
        prop_assert_eq!(ReceiptBundle::decode(&bundle.encode()), Ok(bundle));
    }

    #[test]
    fn control_frames_round_trip(frame in control()) {
        prop_assert_eq!(Control::decode(&frame.encode().unwrap()[4..]), Ok(frame));
    }

    #[test]
    fn transfer_frames_round_trip(frame in transfer()) {
        prop_assert_eq!(Transfer::decode(&frame.encode().unwrap()[4..]), Ok(frame));
    }

    #[test]
    fn names_and_times_round_trip(
        code in agency(), name in station(), id in envelope(), sum in digest(), time in time(),
    ) {
        let domain = TrustDomain::parse("tram.test").unwrap();
        let dns_name = code.dns_name(&domain);
        prop_assert_eq!(AgencyCode::from_dns_name(&dns_name, &domain), Ok(code.clone()));
        prop_assert_eq!(code.to_string().parse(), Ok(Party::Agency(code)));
        prop_assert_eq!(name.to_string().parse(), Ok(Party::Station(name)));
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(sum.to_string().parse(), Ok(sum));
        prop_assert_eq!(time.rfc3339().parse(), Ok(time));
        prop_assert_eq!(Timestamp::from_civil(time.civil()), Some(time));
    }

    /// The layout of any sizes is refused or cuts the body without gap.
    #[test]
    fn layouts_cut_the_body_without_gap(
        sealed in any::<bool>(), capsule in 0..600_000_u32, body in 0..4_000_000_u64,
    ) {
        let class = if sealed { Class::Document } else { Class::Receipt };
        if let Ok(layout) = Layout::new(class, capsule, body) {
            let mut end = 0;
            for piece in 0..layout.piece_count() {
                let range = layout.piece_range(piece);
                prop_assert_eq!(range.start, end);
                end = range.end;
            }
            prop_assert_eq!(end, body);
            prop_assert!(sealed || capsule == 0);
        }
    }

    #[test]
    fn body_digests_do_not_depend_on_how_the_bytes_arrive(
        capsule in 1..2000_u32, packet in 0..100_000_u64, step in 1..70_000_usize,
    ) {
        let layout = Layout::of_packet(capsule, packet).unwrap();
        let body = vec![7; usize::try_from(layout.body_bytes()).unwrap()];
        let mut hasher = BodyHasher::new(layout);
        prop_assert!(body.chunks(step).all(|part| hasher.update(part)));
        let leaves = hasher.finish().unwrap();
        prop_assert_eq!(Some(merkle::root(&leaves)), body_digest_of(layout, &body));
    }

    /// Any bytes at all.
    #[test]
    fn arbitrary_bytes_are_refused_or_read_but_never_panic(input in bytes(400)) {
        decode_all(&input);
    }

    /// Any text, weighted to what texts here look like.
    #[test]
    fn arbitrary_text_is_refused_or_read_but_never_panics(
        input in "[\\PC\\n]{0,80}|[A-Za-z0-9.:/\\-\\[\\]\u{2014} \\n]{0,80}",
    ) {
        decode_all(input.as_bytes());
    }

    /// The golden vectors with some bytes changed, taken out or put in.
    #[test]
    fn broken_golden_vectors_are_refused_or_read_but_never_panic(
        pick in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec(
            (any::<proptest::sample::Index>(), any::<u8>(), 0..4_u8), 1..6,
        ),
    ) {
        let mut input = pick.get(&CORPUS).clone();
        for (at, byte, kind) in changes {
            if input.is_empty() {
                break;
            }
            let at = at.index(input.len());
            match kind {
                0 => input[at] = byte,
                1 => input[at] ^= 1 << (byte & 7),
                2 => input.insert(at, byte),
                _ => drop(input.remove(at)),
            }
        }
        decode_all(&input);
    }
}

static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(corpus);

/// All golden vectors as bytes; frames without their prefix too.
fn corpus() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for case in file["cases"].as_array().into_iter().flatten() {
            if let Some(text) = case["text"].as_str() {
                found.push(text.as_bytes().to_vec());
            }
            if let Some(hex) = case["hex"].as_str() {
                let bytes: Vec<u8> = (0..hex.len())
                    .step_by(2)
                    .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
                    .collect();
                found.extend(bytes.get(4..).map(<[u8]>::to_vec));
                found.push(bytes);
            }
        }
    }
    assert!(found.len() > 50);
    found
}

/// Gives the input to every decoder. What is accepted must be written as the same bytes again;
/// CBOR maps may carry ignored keys, so there only the value is compared.
fn decode_all(input: &[u8]) {
    if let Ok(header) = Header::decode(input) {
        assert_eq!(header.bytes(), input);
    }
    if let Ok(statement) = Statement::parse(input) {
        assert_eq!(statement.to_json(), input);
    }
    if let Ok(opened) = LogOpened::parse(input) {
        assert_eq!(opened.to_json(), input);
    }
    if let Ok(record) = Record::parse(input) {
        assert_eq!(record.to_json(), input);
    }
    if let Ok(bundle) = ReceiptBundle::decode(input) {
        assert_eq!(bundle.encode(), input);
        let _verdict = bundle.statements();
    }
    if let Ok(checkpoint) = SignedCheckpoint::decode(input) {
        assert_eq!(checkpoint.encode(), input);
    }
    if let Ok(frame) = Control::decode(input) {
        assert_eq!(Control::decode(&frame.encode().unwrap()[4..]), Ok(frame));
    }
    if let Ok(frame) = Transfer::decode(input) {
        assert_eq!(Transfer::decode(&frame.encode().unwrap()[4..]), Ok(frame));
    }
    if let Ok(text) = std::str::from_utf8(input) {
        decode_text(text);
    }
}

fn decode_text(text: &str) {
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_text(), text);
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.body(), text);
    }
    let same = |read: Option<String>| assert!(read.is_none_or(|read| read == text), "{text:?}");
    same(text.parse::<Party>().ok().map(|v| v.to_string()));
    same(text.parse::<OldAgencyCode>().ok().map(|v| v.to_string()));
    same(text.parse::<TrustDomain>().ok().map(|v| v.to_string()));
    same(text.parse::<EnvelopeId>().ok().map(|v| v.to_string()));
    same(text.parse::<Digest>().ok().map(|v| v.to_string()));
    same(text.parse::<Timestamp>().ok().map(|v| v.to_string()));
    same(text.parse::<LogOrigin>().ok().map(|v| v.to_string()));
    same(text.parse::<Address>().ok().map(|v| v.to_string()));
    same(text.parse::<NoteKey>().ok().map(|v| v.to_string()));
    same(text.parse::<Reason>().ok().map(|v| v.to_string()));
    let domain = TrustDomain::parse("tram.test").unwrap();
    same(
        AgencyCode::from_dns_name(text, &domain)
            .ok()
            .map(|code| code.dns_name(&domain)),
    );
}

/// The samples of this crate's own tests are values that the properties speak of.
#[test]
fn samples_pass_the_same_checks() {
    decode_all(samples::header().bytes());
    decode_all(&samples::bundle().encode());
    decode_all(&samples::station().to_json());
}
