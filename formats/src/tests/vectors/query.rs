//! Vectors of the status query between stations.

use super::*;
use crate::query::{About, StatusQuery};

fn query(count: u8) -> StatusQuery {
    let about = (1..=count).map(|n| About {
        envelope: crate::id::EnvelopeId::new(samples::header().context().created, &[n; 10]),
        header_digest: Digest::of(&[n]),
    });
    StatusQuery {
        about: about.collect(),
    }
}

#[test]
fn query_vectors_hold() {
    let mut file = File::new(
        "query.json",
        Form::Hex,
        "Body of a control envelope: CBOR [1, 2, [[envelope id, header digest], ...]]; accepted when \
         it decodes",
    );
    let bytes = query(2).encode();
    let ids: Vec<String> = query(2)
        .about
        .iter()
        .map(|one| one.envelope.to_string())
        .collect();
    file.accept("two envelopes", &bytes, json!({ "envelopes": ids }));
    file.refuse("nothing", &query(0).encode());
    let mut twice = query(1);
    twice.about.push(twice.about[0]);
    file.refuse("one envelope twice", &twice.encode());
    let many = StatusQuery {
        about: (0..=u8::MAX)
            .chain([0])
            .map(|_| query(1).about[0])
            .collect(),
    };
    file.refuse("more than 256", &many.encode());
    file.refuse("version 2", &replaced(&bytes, &[0x83, 1, 2], &[0x83, 2, 2]));
    file.refuse("message 1", &replaced(&bytes, &[0x83, 1, 2], &[0x83, 1, 1]));
    file.refuse(
        "four members",
        &replaced(&bytes, &[0x83, 1, 2], &[0x84, 1, 2]),
    );
    let id = query(2).about[0].envelope;
    let mut old = *id.as_bytes();
    old[6] = 0x40 | (old[6] & 0x0f);
    file.refuse(
        "an id of UUID version 4",
        &replaced(&bytes, id.as_bytes(), &old),
    );
    file.refuse("cut", cut(&bytes));
    file.refuse("byte after", &longer(&bytes));
    file.settle(StatusQuery::decode);
    assert!(StatusQuery::is_one(&bytes));
    assert!(!StatusQuery::is_one(b"\x85\x01\x01"));
}
