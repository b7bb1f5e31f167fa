//! Frames: every kind reads back, every rule refuses.

use super::*;
use crate::id::Digest;
use crate::tests::samples::{bundle, controls, offer, transfers};

/// The payload of an encoded frame, after checking its prefix.
fn payload(frame: &[u8]) -> &[u8] {
    let (prefix, payload) = frame.split_first_chunk().unwrap();
    assert_eq!(payload_bytes(*prefix), Ok(payload.len()));
    payload
}

#[test]
fn every_frame_reads_back_as_it_was_written_and_not_when_cut_or_prolonged() {
    for (_, frame) in controls() {
        let bytes = frame.encode().unwrap();
        assert_eq!(Control::decode(payload(&bytes)), Ok(frame));
        assert!(
            Transfer::decode(payload(&bytes)).is_err(),
            "on the wrong stream"
        );
        assert!(Control::decode(&[payload(&bytes), &[0]].concat()).is_err());
        for end in 0..payload(&bytes).len() {
            assert!(Control::decode(&payload(&bytes)[..end]).is_err());
        }
    }
    for (_, frame) in transfers() {
        let bytes = frame.encode().unwrap();
        assert_eq!(Transfer::decode(payload(&bytes)), Ok(frame));
        assert!(
            Control::decode(payload(&bytes)).is_err(),
            "on the wrong stream"
        );
        assert!(Transfer::decode(&[payload(&bytes), &[0]].concat()).is_err());
        for end in 0..payload(&bytes).len() {
            assert!(Transfer::decode(&payload(&bytes)[..end]).is_err());
        }
    }
}

#[test]
fn a_length_over_the_limit_is_refused_by_its_prefix() {
    let most = u32::try_from(limits::FRAME_BYTES_MAX).unwrap();
    assert_eq!(
        payload_bytes(most.to_be_bytes()),
        Ok(limits::FRAME_BYTES_MAX)
    );
    assert!(payload_bytes((most + 1).to_be_bytes()).is_err());
    assert!(payload_bytes([0xff; 4]).is_err());
    let huge = Transfer::Offer(Offer {
        header: vec![0; limits::FRAME_BYTES_MAX],
        ..offer()
    });
    assert!(matches!(huge.encode(), Err(FrameError::TooLong(_))));
}

#[test]
fn offers_that_break_a_rule_are_refused() {
    type Change = fn(&mut Offer);
    let changes: [(&str, Change); 8] = [
        ("no leg", |o| o.legs.clear()),
        ("leg twice", |o| o.legs.push(o.legs[0].clone())),
        ("257 legs", |o| {
            o.legs = (0..257)
                .map(|i| format!("H01.{i}").parse().unwrap())
                .collect();
        }),
        ("too many hops", |o| {
            o.via = vec![o.via[0].clone(); limits::HOPS_MAX + 1]
        }),
        ("inline too long", |o| {
            o.inline = Some(vec![
                0;
                usize::try_from(limits::INLINE_BODY_BYTES_MAX).unwrap()
                    + 1
            ])
        }),
        ("traceparent with newline", |o| {
            o.traceparent = Some("00\n".to_owned())
        }),
        ("header too long", |o| {
            o.header = vec![0; limits::HEADER_BYTES_MAX + 1]
        }),
        ("signature too long", |o| {
            o.header_signature = vec![0; limits::SIGNATURE_BYTES_MAX + 1];
        }),
    ];
    for (name, change) in changes {
        let mut changed = offer();
        change(&mut changed);
        let bytes = Transfer::Offer(changed).encode().unwrap();
        assert!(Transfer::decode(payload(&bytes)).is_err(), "{name}");
    }
}

#[test]
fn a_refusal_cannot_write_lines_into_the_log_of_another_operator() {
    for detail in ["a\nb".to_owned(), "\u{1b}[31m".to_owned(), "a".repeat(257)] {
        let frame = Transfer::Refuse {
            reason: Reason::Busy,
            retry_after_ms: None,
            detail: Some(detail),
        };
        assert!(Transfer::decode(payload(&frame.encode().unwrap())).is_err());
    }
}

#[test]
fn unknown_kinds_keys_and_reasons_are_refused_and_high_keys_ignored() {
    let decode = |write: fn(&mut Writer) -> &mut Writer| {
        let mut writer = Writer::new();
        write(&mut writer);
        Transfer::decode(&writer.finish())
    };
    let refused = decode(|w| w.array(2).uint(99).map(0));
    assert_eq!(refused, Err(FrameError::UnknownKind(99)));
    let refused = decode(|w| w.array(2).uint(17).map(2).uint(1).uint(0).uint(2).uint(0));
    assert_eq!(refused, Err(FrameError::Cbor(cbor::Error::UnknownKey(2))));
    let taken = decode(|w| w.array(2).uint(17).map(2).uint(1).uint(0).uint(128).uint(0));
    assert_eq!(taken, Ok(Transfer::Want { from_piece: 0 }));
    let refused = decode(|w| w.array(2).uint(19).map(1).uint(1).text("whim"));
    assert_eq!(refused, Err(FrameError::Reason(UnknownReason)));
    let refused = decode(|w| w.array(2).uint(17).map(0));
    assert_eq!(
        refused,
        Err(FrameError::Cbor(cbor::Error::MissingKey { key: 1 }))
    );
}

#[test]
fn versions_meet_at_the_highest_common_one() {
    let versions = |lowest, highest| Versions { lowest, highest };
    assert_eq!(versions(1, 3).common(versions(2, 5)), Some(3));
    assert_eq!(versions(1, 1).common(versions(2, 5)), None);
    assert_eq!(versions(4, 5).common(versions(1, 3)), None);
}

/// Custody of a full envelope in a log of unlikely height must fit one frame.
#[test]
fn the_largest_custody_fits_a_frame() {
    let mut bundle = bundle();
    let mut proven = bundle.proven[0].clone();
    proven.path = vec![Digest::of(b"x"); 64];
    bundle.proven = vec![proven; limits::RECIPIENTS_MAX];
    assert!(
        Transfer::Custody {
            bundle: Some(bundle),
            refused: vec![]
        }
        .encode()
        .is_ok()
    );
}
