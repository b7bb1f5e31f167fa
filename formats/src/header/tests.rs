//! Headers: rules between fields, and bytes that must be refused.

use super::*;
use crate::id::Party;
use crate::tests::samples::context as sample;
use crate::time::Timestamp;

fn header(context: Context) -> Result<Header, HeaderError> {
    Header::new(context, Digest::of(b"body"), 4096)
}

#[test]
fn a_header_reads_back_as_it_was_written() {
    let written = header(sample()).unwrap();
    let read = Header::decode(written.bytes()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.digest(), Digest::of(written.bytes()));
    assert_eq!(read.ctx(), context_digest(&sample()).unwrap());
    assert_eq!(read.context(), &sample());
}

/// One way to break a rule.
type Change = fn(&mut Context);

fn station() -> Party {
    "relay-a.tram.test".parse().unwrap()
}

const CHANGES: [(&str, Change); 17] = [
    ("no recipient", |c| c.recipients.clear()),
    ("recipient twice", |c| {
        c.recipients.push(c.recipients[0].clone())
    }),
    ("257 recipients", |c| {
        c.addressed_as.clear();
        c.recipients = (0..257)
            .map(|i| format!("H01.{i}").parse().unwrap())
            .collect();
    }),
    ("station sends document", |c| c.sender = station()),
    ("station receives document", |c| {
        c.recipients.push(station())
    }),
    ("agency sends receipt", |c| c.class = Class::Receipt),
    ("agency sends control", |c| {
        c.class = Class::Control;
        c.commitment = None;
    }),
    ("expires at once", |c| c.expires = c.created),
    ("expires after 30 days", |c| {
        c.expires = c.created.plus_ms(limits::LIFETIME_MS_MAX + 1);
    }),
    ("created before 1970", |c| {
        c.created = Timestamp::from_unix_ms(-1);
        c.expires = Timestamp::from_unix_ms(1);
    }),
    ("no commitment", |c| c.commitment = None),
    ("supersedes itself", |c| c.supersedes = Some(c.id)),
    ("alias of a stranger", |c| {
        c.addressed_as[0].0 = "H03".parse().unwrap()
    }),
    ("alias twice", |c| {
        c.addressed_as.push(c.addressed_as[0].clone())
    }),
    ("alias empty", |c| c.addressed_as[0].1.clear()),
    ("alias with control", |c| {
        c.addressed_as[0].1 = "a\nb".to_owned()
    }),
    ("alias too long", |c| c.addressed_as[0].1 = "a".repeat(65)),
];

/// Every rule of the context, each broken once.
#[test]
fn contexts_that_break_a_rule_are_refused() {
    for (name, change) in CHANGES {
        let mut context = sample();
        change(&mut context);
        assert!(header(context.clone()).is_err(), "{name}: written");
        // The same context as a foreign writer would send it. A time before 1970 has no encoding
        // and is written as 0, which is another, possible header.
        if name != "created before 1970" {
            assert!(Context::decode(&context.encode()).is_err(), "{name}: read");
        }
    }
}

#[test]
fn receipts_and_controls_go_from_station_to_station_without_commitment() {
    for class in [Class::Receipt, Class::Control] {
        let mut context = sample();
        context.class = class;
        context.sender = Party::Station(context.sender_station.clone());
        context.recipients = vec!["relay-a.tram.test".parse().unwrap()];
        context.commitment = None;
        context.addressed_as.clear();
        assert!(header(context.clone()).is_ok());
        context.sender_station = "relay-b.tram.test".parse().unwrap();
        assert!(
            header(context.clone()).is_err(),
            "speaks for another station"
        );
        context.sender_station = "node-1.h01.tram.test".parse().unwrap();
        context.commitment = Some(Digest::of(b"x"));
        assert!(header(context).is_err(), "commitment without content");
    }
}

#[test]
fn the_largest_header_fits_its_limit() {
    let mut context = sample();
    context.recipients = (0..256)
        .map(|i| {
            format!("H01.{i:06}.123456.123456.123456.123")
                .parse()
                .unwrap()
        })
        .collect();
    context.addressed_as = context
        .recipients
        .iter()
        .map(|r| {
            (
                r.agency().unwrap().clone(),
                "x".repeat(limits::ADDRESSED_AS_CHARS_MAX),
            )
        })
        .collect();
    let header = header(context).unwrap();
    assert!(header.bytes().len() > 30_000);
    assert!(Header::decode(header.bytes()).is_ok());
}

#[test]
fn bytes_after_the_header_or_the_context_are_refused() {
    let header = header(sample()).unwrap();
    let longer = [header.bytes(), &[0]].concat();
    assert_eq!(
        Header::decode(&longer),
        Err(HeaderError::Cbor(cbor::Error::Trailing(1)))
    );
    let context = [&sample().encode()[..], &[0]].concat();
    assert!(matches!(
        Context::decode(&context),
        Err(HeaderError::Cbor(cbor::Error::Trailing(1)))
    ));
    for end in 0..header.bytes().len() {
        assert!(
            Header::decode(&header.bytes()[..end]).is_err(),
            "cut at {end}"
        );
    }
}

/// A context with one more pair: low keys must be understood, high ones may be skipped.
#[test]
fn unknown_keys_are_refused_below_128_and_ignored_from_there() {
    let with = |key: u64| {
        let mut bytes = sample().encode();
        bytes[0] += 1;
        let mut w = Writer::new();
        w.uint(key).text("later");
        bytes.extend(w.finish());
        Context::decode(&bytes)
    };
    assert_eq!(
        with(14),
        Err(HeaderError::Cbor(cbor::Error::UnknownKey(14)))
    );
    assert_eq!(
        with(127),
        Err(HeaderError::Cbor(cbor::Error::UnknownKey(127)))
    );
    assert_eq!(with(128), Ok(sample()));
    assert_eq!(with(1000), Ok(sample()));
    assert_eq!(
        with(13),
        Err(HeaderError::Cbor(cbor::Error::KeyOrder { key: 13 }))
    );
}

#[test]
fn another_version_is_named() {
    let mut bytes = sample().encode();
    assert_eq!(bytes[1..3], [1, 1]);
    bytes[2] = 2;
    assert_eq!(Context::decode(&bytes), Err(HeaderError::Version(2)));
}

/// The commitment by its definition, with another implementation of the concatenation.
#[test]
fn a_commitment_is_the_hash_of_its_parts() {
    let packet = Digest::of(b"packet");
    let whole = [
        &b"tram-content-1"[..],
        &[9; 32],
        packet.as_bytes(),
        Digest::of(b"signature").as_bytes(),
    ]
    .concat();
    assert_eq!(
        commitment(&[9; 32], &packet, b"signature"),
        Digest::of(&whole)
    );
    assert_ne!(
        commitment(&[8; 32], &packet, b"signature"),
        Digest::of(&whole)
    );
}
