//! One fixed value of every format, from which the golden vectors are made.

use crate::cbor::Writer;
use crate::checkpoint::{Checkpoint, Note, NoteSignature, SignedCheckpoint, ed25519_key_id};
use crate::frame::{Control, Offer, PeerLimits, Transfer, Versions};
use crate::header::{Class, Context, Header, Priority};
use crate::id::{Digest, EnvelopeId, Party};
use crate::merkle;
use crate::reason::Reason;
use crate::receipt::{Proven, ReceiptBundle};
use crate::record::{
    Address, Agencies, Agency, Alias, Attachment, Delegation, Der, NoteKey, Record, Station,
    StationKind, StationLimits, TrustList, Windows,
};
use crate::statement::{self, Event, LogOpened, PreviousHead, Statement};
use crate::time::Timestamp;
use crate::witness::{AddCheckpoint, KeyKind, VerifierKey, WitnessPolicy};

const CREATED: Timestamp = Timestamp::from_unix_ms(1_795_318_262_114);
const DAY_MS: i64 = 86_400_000;

pub(crate) fn context() -> Context {
    Context {
        id: EnvelopeId::new(CREATED, &[1; 10]),
        class: Class::Document,
        sender: "H01.36.04".parse().unwrap(),
        sender_station: "node-1.h01.tram.test".parse().unwrap(),
        recipients: vec!["H02.1".parse().unwrap(), "G14".parse().unwrap()],
        priority: Priority::Urgent,
        created: CREATED,
        expires: CREATED.plus_ms(DAY_MS),
        signer: Digest::of(b"certificate"),
        commitment: Some(Digest::of(b"commitment")),
        supersedes: None,
        addressed_as: vec![("G14".parse().unwrap(), "000.00.00.G14".to_owned())],
    }
}

pub(crate) fn header() -> Header {
    Header::new(context(), Digest::of(b"body"), 4096).unwrap()
}

/// A header between stations, with every optional field absent but `supersedes`.
pub(crate) fn receipt_header() -> Header {
    let context = Context {
        class: Class::Receipt,
        sender: "node-1.h01.tram.test".parse().unwrap(),
        recipients: vec!["relay-a.tram.test".parse().unwrap()],
        priority: Priority::Normal,
        commitment: None,
        supersedes: Some(EnvelopeId::new(CREATED.minus_ms(1), &[2; 10])),
        addressed_as: vec![],
        ..context()
    };
    Header::new(context, Digest::of(b"receipts"), 77).unwrap()
}

pub(crate) fn statement() -> Statement {
    Statement {
        event: Event::RelayRejection,
        envelope: context().id,
        header_digest: header().digest(),
        commitment: context().commitment,
        sender: context().sender,
        recipient: "G14".parse().unwrap(),
        time: CREATED.plus_ms(886),
        station: "relay-a.tram.test".parse().unwrap(),
        next_station: Some("relay-b.tram.test".parse().unwrap()),
        reason: Some(Reason::Busy),
        prev: header().digest(),
        clock_unsure: true,
    }
}

/// A statement with every optional field absent.
pub(crate) fn short_statement() -> Statement {
    Statement {
        event: Event::ContentConsignment,
        commitment: None,
        next_station: None,
        reason: None,
        clock_unsure: false,
        ..statement()
    }
}

pub(crate) fn log_opened() -> LogOpened {
    let previous = PreviousHead {
        origin: "relay-a.tram.test/log/1".parse().unwrap(),
        size: 7,
        root: Digest::of(b"root"),
    };
    let origin = "relay-a.tram.test/log/2".parse().unwrap();
    LogOpened::new(origin, CREATED, Some(previous), "restored")
}

pub(crate) fn note_of(checkpoint: Checkpoint) -> Note {
    let name = checkpoint.origin.to_string();
    let key_id = ed25519_key_id(&name, &[7; 32]);
    let witness = NoteSignature {
        name: "witness.example".to_owned(),
        key_id: [1, 2, 3, 4],
        signature: vec![6; 72],
    };
    let own = NoteSignature {
        name,
        key_id,
        signature: vec![5; 64],
    };
    Note {
        checkpoint,
        signatures: vec![own, witness],
    }
}

/// Three statements among five leaves of the log of `relay-a`.
pub(crate) fn bundle() -> ReceiptBundle {
    let statements: Vec<Vec<u8>> = (0..5)
        .map(|i| {
            Statement {
                time: CREATED.plus_ms(i),
                ..statement()
            }
            .to_json()
        })
        .collect();
    let salts: Vec<[u8; 32]> = (0..5).map(|i| [i; 32]).collect();
    let leaves: Vec<Digest> = statements
        .iter()
        .zip(&salts)
        .map(|(s, salt)| statement::leaf_hash(salt, s))
        .collect();
    let proven = [4, 0, 2]
        .into_iter()
        .map(|i: usize| Proven {
            statement: statements[i].clone(),
            salt: salts[i],
            index: i as u64,
            path: merkle::inclusion_path(&leaves, i).unwrap(),
        })
        .collect();
    let checkpoint = Checkpoint {
        origin: "relay-a.tram.test/log/1".parse().unwrap(),
        size: 5,
        root: merkle::root(&leaves),
    };
    let note = note_of(checkpoint).to_text();
    ReceiptBundle {
        proven,
        checkpoint: SignedCheckpoint {
            note,
            cms: vec![0x30, 0],
            token: Some(vec![0x30, 0]),
        },
    }
}

pub(crate) fn offer() -> Offer {
    Offer {
        header: header().bytes().to_vec(),
        header_signature: vec![2; 100],
        legs: vec!["H02.1".parse().unwrap(), "G14".parse().unwrap()],
        attempt: 1,
        via: vec!["node-1.h01.tram.test".parse().unwrap()],
        capsule_bytes: 900,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        inline: Some(vec![3; 40]),
    }
}

pub(crate) fn controls() -> Vec<(&'static str, Control)> {
    let limits = PeerLimits {
        transfers: 64,
        body_bytes: 1 << 31,
        inline_bytes: 65_536,
    };
    let hello = Control::Hello {
        versions: Versions::OURS,
        station: "relay-a.tram.test".parse().unwrap(),
        clock: CREATED,
        limits,
    };
    vec![
        ("hello", hello),
        ("ping", Control::Ping { number: 7 }),
        (
            "pong",
            Control::Pong {
                number: 7,
                clock: CREATED,
            },
        ),
        (
            "heads",
            Control::Heads {
                heads: vec![SignedCheckpoint {
                    token: None,
                    ..bundle().checkpoint
                }],
            },
        ),
        (
            "prove",
            Control::Prove {
                number: 3,
                origin: "relay-a.tram.test/log/1".parse().unwrap(),
                old: 5,
                new: 9,
                hops: 4,
            },
        ),
        (
            "proof",
            Control::Proof {
                number: 3,
                path: Some(vec![Digest::of(b"a"), Digest::of(b"b")]),
            },
        ),
        (
            "proof-none",
            Control::Proof {
                number: 3,
                path: None,
            },
        ),
        (
            "bye",
            Control::Bye {
                reason: Reason::Busy,
                retry_after_ms: Some(30_000),
            },
        ),
        (
            "bye-final",
            Control::Bye {
                reason: Reason::PeerNotAuthorised,
                retry_after_ms: None,
            },
        ),
    ]
}

pub(crate) fn transfers() -> Vec<(&'static str, Transfer)> {
    let refused: Vec<(Party, Reason)> = vec![("G14".parse().unwrap(), Reason::UnknownAgency)];
    let bare = Offer {
        via: vec![],
        traceparent: None,
        inline: None,
        ..offer()
    };
    let busy = Transfer::Refuse {
        reason: Reason::Busy,
        retry_after_ms: Some(1000),
        detail: Some("hàng đợi đầy".to_owned()),
    };
    let expired = Transfer::Refuse {
        reason: Reason::Expired,
        retry_after_ms: None,
        detail: None,
    };
    vec![
        ("offer", Transfer::Offer(offer())),
        ("offer-bare", Transfer::Offer(bare)),
        ("want", Transfer::Want { from_piece: 3 }),
        (
            "have",
            Transfer::Have {
                bundle: Some(bundle()),
            },
        ),
        ("have-bare", Transfer::Have { bundle: None }),
        ("refuse", expired),
        ("refuse-later", busy),
        (
            "leaves",
            Transfer::Leaves {
                hashes: vec![Digest::of(b"a"), Digest::of(b"b")],
            },
        ),
        (
            "custody",
            Transfer::Custody {
                bundle: Some(bundle()),
                refused: refused.clone(),
            },
        ),
        (
            "custody-refused",
            Transfer::Custody {
                bundle: None,
                refused,
            },
        ),
        (
            "custody-bare",
            Transfer::Custody {
                bundle: None,
                refused: vec![],
            },
        ),
    ]
}

fn agency(code: &str, name: &str) -> Agency {
    Agency {
        code: code.parse().unwrap(),
        name: name.to_owned(),
        aliases: vec![],
        parent: None,
        valid_from: Timestamp::from_unix_ms(0),
        valid_to: None,
        successor: None,
    }
}

pub(crate) fn agencies() -> Record {
    let merged = Agency {
        aliases: vec![
            Alias::always("000.00.36.H01"),
            Alias::always("Sở Ví Dụ (cũ)"),
        ],
        parent: Some("H01".parse().unwrap()),
        valid_to: Some(CREATED),
        successor: Some("H02.1".parse().unwrap()),
        ..agency("H01.36", "Sở Ví Dụ")
    };
    Record::Agencies(Agencies {
        bundle: 3,
        sequence: 12,
        issued: CREATED,
        not_after: CREATED.plus_ms(DAY_MS),
        agencies: vec![agency("H01", "Ủy ban nhân dân tỉnh Mẫu"), merged],
    })
}

/// Aliases that hold for a time, and codes with letters and with groups of any width.
pub(crate) fn agencies_with_dates() -> Record {
    let aliases = vec![
        Alias {
            to: Some(CREATED),
            ..Alias::always("000.00.36.H01")
        },
        Alias {
            from: Some(CREATED),
            ..Alias::always("Sở Ví Dụ và Mẫu")
        },
        Alias {
            from: Some(Timestamp::from_unix_ms(0)),
            to: Some(CREATED),
            ..Alias::always("Sở Ví Dụ (cũ)")
        },
        Alias::always("H01-36"),
    ];
    let dated = Agency {
        aliases,
        ..agency("H01.36", "Sở Ví Dụ")
    };
    let wide = agency("H01.151.0007A.Z", "Trạm y tế xã Mẫu");
    Record::Agencies(Agencies {
        bundle: 4,
        sequence: 1,
        issued: CREATED,
        not_after: CREATED.plus_ms(DAY_MS),
        agencies: vec![wide, dated],
    })
}

pub(crate) fn attachment() -> Record {
    Record::Attachment(Attachment {
        agency: "H01.36".parse().unwrap(),
        sequence: 2,
        issued: CREATED,
        not_after: CREATED.plus_ms(DAY_MS),
        station: "node-1.h01.tram.test".parse().unwrap(),
        from: CREATED,
    })
}

pub(crate) fn delegation() -> Record {
    Record::Delegation(Delegation {
        parent: "H01".parse().unwrap(),
        scope: "H01.151".parse().unwrap(),
        sequence: 9,
        issued: CREATED,
        not_after: CREATED.plus_ms(DAY_MS),
        encryption_sha256: Digest::of(b"encryption certificate"),
        from: CREATED,
    })
}

pub(crate) fn station() -> Record {
    let address = |text: &str| text.parse::<Address>().unwrap();
    Record::Station(Station {
        name: "relay-a.tram.test".parse().unwrap(),
        sequence: 4,
        issued: CREATED,
        not_after: CREATED.plus_ms(DAY_MS),
        kind: StationKind::Relay,
        tls_sha256: vec![Digest::of(b"tls old"), Digest::of(b"tls new")],
        evidence_sha256: vec![Digest::of(b"evidence")],
        log_origin: "relay-a.tram.test/log/1".parse().unwrap(),
        note_key: NoteKey::from_bytes([7; 32]),
        old_note_keys: vec![],
        addresses: vec![address("127.0.0.1:4101"), address("[::1]:4101")],
        home_relays: vec![],
        site: Some("Hà Nội 1".to_owned()),
        neighbours: vec!["relay-b.tram.test".parse().unwrap()],
        limits: StationLimits {
            body_bytes: 1 << 31,
            transfers: 64,
        },
    })
}

pub(crate) fn trust_list() -> Record {
    Record::TrustList(TrustList {
        trust_domain: "tram.test".parse().unwrap(),
        sequence: 1,
        issued: CREATED,
        not_after: CREATED.plus_ms(365 * DAY_MS),
        roots: vec![Der::new(vec![0x30, 0]).unwrap()],
        tsas: vec![Der::new(vec![0x30, 1, 0]).unwrap()],
        windows: Windows {
            revocation_s: 172_800,
            created_behind_s: 604_800,
            created_ahead_s: 600,
        },
        signers: None,
        witnesses: None,
    })
}

/// A list with witnesses, and a station that has changed its note key.
pub(crate) fn with_witnesses_and_old_keys() -> [Record; 2] {
    let key = |name: &str, key| VerifierKey::new(name, KeyKind::Witness, [key; 32]).unwrap();
    let mut list = trust_list();
    if let Record::TrustList(list) = &mut list {
        let keys = vec![key("witness-1.example/w1", 8), key("witness-2.example", 9)];
        list.witnesses = Some(WitnessPolicy { needed: 1, keys });
    }
    let mut changed = station();
    if let Record::Station(station) = &mut changed {
        station.old_note_keys = vec![NoteKey::from_bytes([6; 32]), NoteKey::from_bytes([5; 32])];
    }
    [list, changed]
}

/// What a log asks a witness.
pub(crate) fn add_checkpoint() -> AddCheckpoint {
    AddCheckpoint {
        old: 3,
        proof: vec![Digest::of(b"a"), Digest::of(b"b")],
        note: bundle().checkpoint.parsed().unwrap(),
    }
}

/// The context of [`header`] with one more pair at the end.
pub(crate) fn header_with_key(key: u64) -> Vec<u8> {
    let whole = header();
    let mut r = crate::cbor::Reader::new(whole.bytes());
    r.array_exact(3, "header").unwrap();
    let mut context = r.bytes(4096, "context").unwrap().to_vec();
    context[0] += 1;
    let mut pair = Writer::new();
    pair.uint(key).text("later");
    context.extend(pair.finish());
    header_around(&context)
}

/// A header around these context bytes, whatever they are.
pub(crate) fn header_around(context: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(3)
        .bytes(context)
        .bytes(header().body_digest().as_bytes())
        .uint(4096);
    w.finish()
}
