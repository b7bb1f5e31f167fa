//! Documents that openssl signed, and what may and may not be done to them.

use super::maker::{Maker, World, field, page, stream};
use super::*;
use formats::id::Digest;

fn now(world: &World) -> Timestamp {
    world.authority.now().plus_ms(1_000)
}

fn look(world: &World, made: &Maker) -> PdfReport {
    checked(&made.bytes, &world.anchors(), now(world))
}

fn only(report: &PdfReport) -> &PdfSignature {
    assert_eq!(report.problems, []);
    assert_eq!(report.signatures.len(), 1, "{report:?}");
    &report.signatures[0]
}

fn signed(world: &World) -> Maker {
    let mut made = Maker::new();
    made.sign_first(&world.plain(), "");
    made
}

const CATALOG: &str = "/Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] /SigFlags 3 >>";

#[test]
fn an_intact_signature_of_a_known_authority_is_valid() {
    let world = World::new();
    let made = signed(&world);
    let report = look(&world, &made);
    let one = only(&report);
    assert_eq!((one.verdict, one.reason), (Verdict::Valid, None));
    assert_eq!(one.integrity, Integrity::Intact);
    assert_eq!(one.coverage, Coverage::WholeFile);
    assert_eq!(one.changes, Changes::None);
    assert_eq!(
        (one.stamp, one.revocation),
        (Stamp::Absent, Revocation::NotChecked)
    );
    assert_eq!(one.field, "Sig1");
    assert_eq!(one.digest.as_deref(), Some("SHA-256"));
    let signer = one.signer.as_ref().unwrap();
    assert_eq!(
        (signer.name.as_str(), signer.issuer.as_str()),
        ("04.36.h01", "Test CA")
    );
    assert_eq!(report.verdict(), Some(Verdict::Valid));

    // Without the authority the content is still known to be intact, and the signer shown.
    let alone = checked(&made.bytes, &Anchors::default(), now(&world));
    let one = only(&alone);
    assert_eq!(one.reason, Some(Reason::UntrustedIssuer));
    assert_eq!(
        (one.verdict, one.integrity),
        (Verdict::Unknown, Integrity::Intact)
    );
    assert_eq!(one.signer.as_ref().unwrap().name, "04.36.h01");
}

#[test]
fn common_signature_algorithms_are_accepted_and_weak_ones_named() {
    let world = World::new();
    let rsa = world.rsa();
    let pss = "-md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32";
    for (options, reason) in [
        ("-md sha256", None),
        ("-md sha512", None),
        (pss, None),
        ("-md sha256 -noattr", None),
        ("-md sha256 -nocerts", Some(Reason::CertificateMissing)),
        ("-md sha1", Some(Reason::AlgorithmWeak)),
        ("-md sha256 -nodetach", Some(Reason::Attributes)),
    ] {
        let mut made = Maker::new();
        made.sign_first(&|bytes| world.cms(bytes, rsa, options), "");
        let report = look(&world, &made);
        let one = only(&report);
        let issuer = options.contains("nocerts");
        // -nocerts leaves out the signer's, the CA's still comes along.
        assert_eq!(one.signer.is_none(), issuer, "{options}");
        assert_eq!(one.reason, reason, "{options}");
    }
    // PAdES asks for attributes.
    let mut made = Maker::new();
    let objects = [
        (1, format!("<< {CATALOG} >>")),
        (3, page("5 0 R", "")),
        (5, field("Sig1", 6)),
    ];
    let bare = |bytes: &[u8]| world.cms(bytes, rsa, "-md sha256 -noattr");
    made.sign_with(&objects, 6, "ETSI.CAdES.detached", "", &bare);
    assert_eq!(only(&look(&world, &made)).reason, Some(Reason::Attributes));
    let mut made = Maker::new();
    made.sign_with(&objects, 6, "adbe.x509.rsa_sha1", "", &bare);
    assert_eq!(only(&look(&world, &made)).reason, Some(Reason::Kind));
}

#[test]
fn no_signed_byte_can_change() {
    let world = World::new();
    let made = signed(&world);
    for at in (30..made.bytes.len()).step_by(97) {
        let mut spoilt = made.clone();
        spoilt.bytes[at] ^= 1;
        let report = look(&world, &spoilt);
        for one in &report.signatures {
            // Padding after the CMS object is the only thing that nobody signed.
            let hole = made
                .bytes
                .windows(10)
                .position(|window| window == b"/Contents ");
            let padding = made.bytes[..at].ends_with(b"0000") && at > hole.unwrap();
            assert!(
                padding || one.verdict != Verdict::Valid,
                "byte {at}: {one:?}"
            );
        }
    }
    let mut spoilt = made;
    let text = b"(Cong van so 1)";
    let at = spoilt
        .bytes
        .windows(text.len())
        .position(|window| window == text);
    spoilt.bytes[at.unwrap() + 13] = b'9';
    let report = look(&world, &spoilt);
    assert_eq!(only(&report).reason, Some(Reason::Digest));
    assert_eq!(only(&report).verdict, Verdict::Invalid);
    assert_eq!(only(&report).integrity, Integrity::Broken);
}

#[test]
fn a_second_signature_leaves_the_first_valid() {
    let world = World::new();
    let mut made = signed(&world);
    made.sign_second(&world.plain());
    let report = look(&world, &made);
    let [first, second] = &report.signatures[..] else {
        panic!("{report:?}");
    };
    assert_eq!((first.reason, first.changes), (None, Changes::Signatures));
    assert_eq!(first.coverage, Coverage::WholeRevision);
    assert_eq!((second.reason, second.changes), (None, Changes::None));
    assert_eq!(second.coverage, Coverage::WholeFile);
}

#[test]
fn what_changes_the_document_is_told() {
    let world = World::new();
    let made = signed(&world);
    let widget =
        "<< /FT /Sig /T (Sig1) /Type /Annot /Subtype /Widget /F 132 /Rect [0 0 0 0] /P 3 0 R";
    let changed: [(&str, Vec<(u32, String)>); 14] = [
        ("the content", vec![(4, stream("BT /F1 18 Tf (Cong van so 2) Tj ET"))]),
        ("another content stream", vec![(3, page("5 0 R", "").replace("4 0 R", "9 0 R")), (9, stream("x"))]),
        ("the font", vec![(3, page("5 0 R", "").replace("Times-Roman", "Wingdings"))]),
        ("the page size", vec![(3, page("5 0 R", " /MediaBox [0 0 9 9]"))]),
        ("an action", vec![(1, format!("<< {CATALOG} /OpenAction << /S /JavaScript /JS (x) >> >>"))]),
        ("a comment", vec![(3, page("5 0 R 9 0 R", "")), (9, "<< /Type /Annot /Subtype /FreeText /Rect [0 0 300 144] >>".into())]),
        ("pages", vec![(2, "<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 2 /MediaBox [0 0 300 144] >>".into())]),
        ("the signature taken away", vec![(1, "<< /Type /Catalog /Pages 2 0 R >>".into())]),
        ("the signature's look", vec![(5, format!("{widget} /V 6 0 R /AP << /N 9 0 R >> >>")), (9, stream("x"))]),
        ("where it stands", vec![(5, field("Sig1", 6).replace("[0 0 0 0]", "[0 0 300 144]"))]),
        ("a text field", vec![
            (1, format!("<< {} >>", CATALOG.replace("[5 0 R]", "[5 0 R 9 0 R]"))),
            (9, "<< /FT /Tx /T (more) /V (x) >>".into()),
        ]),
        ("an empty field that shows something", vec![
            (1, format!("<< {} >>", CATALOG.replace("[5 0 R]", "[5 0 R 9 0 R]"))),
            (3, page("5 0 R 9 0 R", "")),
            (9, "<< /FT /Sig /T (Sig9) /Type /Annot /Subtype /Widget /Rect [0 0 300 144] /AP << /N 10 0 R >> >>".into()),
            (10, stream("x")),
        ]),
        ("an annotation gone", vec![(3, page("", ""))]),
        ("encryption", vec![(9, "<< /Filter /Standard >>".into())]),
    ];
    for (what, objects) in changed {
        let mut made = made.clone();
        if what == "encryption" {
            made = made.with_trailer(" /Encrypt 9 0 R");
        }
        made.update(&objects);
        let report = look(&world, &made);
        let Some(one) = report.signatures.first() else {
            assert_eq!(what, "the signature taken away");
            continue;
        };
        assert_eq!(
            one.reason,
            Some(Reason::ChangedAfterSigning),
            "{what}: {one:?}"
        );
        assert_eq!(
            (one.verdict, one.integrity),
            (Verdict::Invalid, Integrity::Broken),
            "{what}"
        );
        assert_eq!(
            (one.changes, one.coverage),
            (Changes::Changed, Coverage::WholeRevision),
            "{what}"
        );
    }
}

#[test]
fn a_changed_structure_tree_is_unclear() {
    let world = World::new();
    let mut made = signed(&world);
    made.update(&[
        (1, format!("<< {CATALOG} /StructTreeRoot 9 0 R >>")),
        (9, "<< /Type /StructTreeRoot >>".into()),
    ]);
    let report = look(&world, &made);
    assert_eq!(only(&report).reason, Some(Reason::ChangesUnclear));
    assert_eq!(only(&report).verdict, Verdict::Unknown);
}

#[test]
fn what_shows_nothing_new_is_allowed() {
    let world = World::new();
    let made = signed(&world);
    type Case = (&'static str, Changes, Vec<(u32, String)>);
    let allowed: [Case; 5] = [
        ("nothing", Changes::None, vec![]),
        ("the same again", Changes::None, vec![(4, stream("BT /F1 18 Tf (Cong van so 1) Tj ET"))]),
        ("verification data", Changes::LongTerm, vec![(1, format!("<< {CATALOG} /DSS << /Certs [] >> >>"))]),
        ("an object that nobody refers to", Changes::None, vec![(9, stream("x"))]),
        ("a field to sign in", Changes::Signatures, vec![
            (1, format!("<< {} >>", CATALOG.replace("[5 0 R]", "[5 0 R 9 0 R]"))),
            (3, page("5 0 R 9 0 R", "")),
            (9, "<< /FT /Sig /T (Sig9) /Type /Annot /Subtype /Widget /Rect [0 0 9 9] /P 3 0 R >>".into()),
        ]),
    ];
    for (what, changes, objects) in allowed {
        let mut made = made.clone();
        made.update(&objects);
        let report = look(&world, &made);
        let one = only(&report);
        assert_eq!(
            (one.reason, one.changes),
            (None, changes),
            "{what}: {one:?}"
        );
    }
}

#[test]
fn signers_say_what_may_follow() {
    let world = World::new();
    let comment = vec![
        (3, page("5 0 R 9 0 R", "")),
        (
            9,
            "<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] >>".to_owned(),
        ),
    ];
    let empty = vec![
        (
            1,
            format!("<< {} >>", CATALOG.replace("[5 0 R]", "[5 0 R 9 0 R]")),
        ),
        (9, "<< /FT /Sig /T (Sig9) >>".to_owned()),
    ];
    for (level, objects, allowed) in [
        (1, &empty, false),
        (2, &empty, true),
        (2, &comment, false),
        (3, &comment, true),
    ] {
        let reference = format!(
            "/Reference [<< /TransformMethod /DocMDP /TransformParams << /P {level} /V /1.2 >> >>]"
        );
        let mut made = Maker::new();
        made.sign_first(&world.plain(), &reference);
        made.update(objects);
        let report = look(&world, &made);
        assert_eq!(
            only(&report).reason.is_none(),
            allowed,
            "{level}: {report:?}"
        );
    }
    // A filled-in form, and one that the signer locked.
    let lock = "/Reference [<< /TransformMethod /FieldMDP /TransformParams \
                << /Action /Include /Fields [(name)] >> >>]";
    for (more, changes) in [("", Changes::FormFilling), (lock, Changes::Changed)] {
        let mut made = Maker::new();
        let text = |value: &str| format!("<< /FT /Tx /T (name) /V ({value}) >>");
        let objects = [
            (
                1,
                format!("<< {} >>", CATALOG.replace("[5 0 R]", "[5 0 R 9 0 R]")),
            ),
            (3, page("5 0 R", "")),
            (5, field("Sig1", 6)),
            (9, text("")),
        ];
        made.sign_with(&objects, 6, "adbe.pkcs7.detached", more, &world.plain());
        made.update(&[(9, text("An"))]);
        assert_eq!(only(&look(&world, &made)).changes, changes);
    }
}

#[test]
fn a_byte_range_covers_everything_but_the_signature() {
    let world = World::new();
    let made = signed(&world);
    let range = b"/ByteRange [0 ";
    let at = made
        .bytes
        .windows(range.len())
        .position(|window| window == range)
        .unwrap();
    let end = at
        + made.bytes[at..]
            .iter()
            .position(|byte| *byte == b']')
            .unwrap();
    let numbers: Vec<u64> = std::str::from_utf8(&made.bytes[at + 12..end])
        .unwrap()
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let [_, head, tail, rest] = numbers[..] else {
        panic!("{numbers:?}");
    };
    let length = i64::try_from(made.bytes.len()).unwrap();
    let (head, tail, rest) = (
        i64::try_from(head).unwrap(),
        i64::try_from(tail).unwrap(),
        i64::try_from(rest).unwrap(),
    );
    for bad in [
        vec![0, head - 40, tail, rest],
        vec![0, head, tail + 1, rest - 1],
        vec![0, tail + 5, tail, rest],
        vec![1, head - 1, tail, rest],
        vec![0, head, tail, rest + 1000],
        vec![0, head, tail, -rest],
        vec![0, -1, tail, rest],
        vec![0, head, tail, i64::MAX],
        vec![0, head, tail, rest - 9],
        vec![0, length],
        vec![],
        vec![0, head, tail, rest, length, 0],
        vec![0, 0, 0, 0],
    ] {
        let text: Vec<String> = bad.iter().map(ToString::to_string).collect();
        let mut text = text.join(" ");
        let room = end - (at + 12);
        if text.len() > room {
            continue;
        }
        text.push_str(&" ".repeat(room - text.len()));
        let mut spoilt = made.clone();
        spoilt.bytes[at + 12..end].copy_from_slice(text.as_bytes());
        let report = look(&world, &spoilt);
        assert_eq!(only(&report).reason, Some(Reason::Coverage), "{bad:?}");
        assert_eq!(only(&report).verdict, Verdict::Invalid);
    }
}

#[test]
fn a_signature_that_the_signed_revision_does_not_have_covers_nothing() {
    // The same signature object, put into a form only later.
    let world = World::new();
    let mut made = Maker::new();
    made.sign_with(&[], 6, "adbe.pkcs7.detached", "", &world.plain());
    made.update(&[
        (1, format!("<< {CATALOG} >>")),
        (3, page("5 0 R", "")),
        (5, field("Sig1", 6)),
    ]);
    let report = look(&world, &made);
    assert_eq!(only(&report).reason, Some(Reason::Coverage));
    // And one whose dictionary was rewritten.
    let mut made = signed(&world);
    let text = String::from_utf8_lossy(&made.bytes).into_owned();
    let start = text.find("6 0 obj").unwrap();
    let body = &text[start..];
    let body = &body[8..body.find("endobj").unwrap()];
    made.update(&[(6, body.trim().replace("10:00", "11:00"))]);
    assert_eq!(only(&look(&world, &made)).reason, Some(Reason::Coverage));
}

#[test]
fn time_stamps_prove_when() {
    let world = World::new();
    let later = world.signer.certificate.not_after().plus_ms(1_000);
    let mut made = Maker::new();
    made.sign_first(&world.stamped(), "");
    let report = checked(&made.bytes, &world.anchors(), later);
    let one = only(&report);
    assert_eq!((one.verdict, one.stamp), (Verdict::Valid, Stamp::Verified));
    assert_eq!(one.stamped_time, Some(world.authority.now().rfc3339()));

    // Without it the claim alone proves nothing once the certificate has ended.
    let plain = signed(&world);
    let report = checked(&plain.bytes, &world.anchors(), later);
    assert_eq!(only(&report).reason, Some(Reason::CertificateExpired));

    // A time-stamp of the document does the same for what it covers.
    let mut made = plain;
    let objects = [
        (
            1,
            format!("<< {} >>", CATALOG.replace("[5 0 R]", "[5 0 R 7 0 R]")),
        ),
        (3, page("5 0 R 7 0 R", "")),
        (7, field("Stamp", 8)),
    ];
    let token = |bytes: &[u8]| world.token(&Digest::of(bytes));
    made.sign_with(&objects, 8, "ETSI.RFC3161", "", &token);
    let report = checked(&made.bytes, &world.anchors(), later);
    let [first, stamp] = &report.signatures[..] else {
        panic!("{report:?}");
    };
    assert_eq!(
        (first.verdict, first.changes),
        (Verdict::Valid, Changes::LongTerm)
    );
    assert!(stamp.timestamp_only);
    assert_eq!(
        (stamp.verdict, stamp.stamp),
        (Verdict::Valid, Stamp::Verified)
    );

    // One for another signature is broken.
    let wrong = |bytes: &[u8]| {
        let token = world.token(&Digest::of(b"another"));
        crate::sign::add_timestamp(&world.plain()(bytes), &token).unwrap()
    };
    let mut made = Maker::new();
    made.sign_first(&wrong, "");
    let report = look(&world, &made);
    assert_eq!(only(&report).stamp, Stamp::Broken);
    assert_eq!(only(&report).reason, Some(Reason::Timestamp));
    assert_eq!(only(&report).verdict, Verdict::Unknown);
}

#[test]
fn revocation_data_in_the_document_counts_when_it_is_signed() {
    let world = World::new();
    let authority = &world.authority;
    authority.write("index.txt", b"");
    authority.write("crlnumber", b"01\n");
    let config = "[ca]\ndefault_ca=one\n[one]\ndatabase=index.txt\ncrlnumber=crlnumber\n\
                  default_md=sha256\ndefault_crl_days=20\n";
    authority.write("ca.conf", config.as_bytes());
    let list = |signer: &str| {
        authority.openssl(&format!(
            "ca -config ca.conf -gencrl -keyfile {signer}.key -cert {signer}.crt -out made.crl"
        ));
        authority.openssl("crl -in made.crl -outform DER -out made.der");
        authority.read("made.der")
    };
    let good = list("ca");
    authority.openssl(&format!(
        "ca -config ca.conf -keyfile ca.key -cert ca.crt -revoke {}.crt -crl_reason keyCompromise",
        world.signer.stem
    ));
    let revoked = list("ca");
    let with = |crl: &[u8]| {
        let mut made = signed(&world);
        // Written as a plain stream by way of a placeholder of the same length.
        let body = stream(&"#".repeat(crl.len()));
        made.update(&[
            (1, format!("<< {CATALOG} /DSS << /CRLs [9 0 R] >> >>")),
            (9, body),
        ]);
        let place = made
            .bytes
            .windows(4)
            .position(|window| window == b"####")
            .unwrap();
        made.bytes[place..place + crl.len()].copy_from_slice(crl);
        // The lists are made at this very time.
        let at = crate::revoke::Crl::parse(crl)
            .unwrap()
            .this_update()
            .plus_ms(3_600_000);
        checked(&made.bytes, &world.anchors(), at)
    };
    let report = with(&good);
    assert_eq!(
        (only(&report).reason, only(&report).revocation),
        (None, Revocation::Good)
    );
    let report = with(&revoked);
    assert_eq!(only(&report).reason, Some(Reason::CertificateRevoked));
    assert_eq!(
        (only(&report).verdict, only(&report).revocation),
        (Verdict::Invalid, Revocation::Revoked)
    );
    // The same words by somebody else are worth nothing.
    let mut forged = revoked;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let report = with(&forged);
    assert_eq!(
        (only(&report).reason, only(&report).revocation),
        (None, Revocation::NotChecked)
    );
}

#[test]
fn answers_about_revocation_count_too() {
    let world = World::new();
    let authority = &world.authority;
    let serial = world.signer.certificate.serial_hex().to_uppercase();
    for (index, reason) in [
        (
            format!("V\t401231000000Z\t\t{serial}\tunknown\t/CN=04.36.h01\n"),
            None,
        ),
        (
            format!(
                "R\t401231000000Z\t200101000000Z,keyCompromise\t{serial}\tunknown\t/CN=04.36.h01\n"
            ),
            Some(Reason::CertificateRevoked),
        ),
    ] {
        authority.write("ocsp.txt", index.as_bytes());
        authority.openssl(&format!(
            "ocsp -index ocsp.txt -CA ca.crt -rsigner ca.crt -rkey ca.key -issuer ca.crt \
             -cert {}.crt -no_nonce -ndays 10 -respout made.ocsp -noverify",
            world.signer.stem
        ));
        let answer = authority.read("made.ocsp");
        let mut made = signed(&world);
        made.update(&[
            (1, format!("<< {CATALOG} /DSS << /OCSPs [9 0 R] >> >>")),
            (9, stream(&"#".repeat(answer.len()))),
        ]);
        let place = made
            .bytes
            .windows(4)
            .position(|window| window == b"####")
            .unwrap();
        made.bytes[place..place + answer.len()].copy_from_slice(&answer);
        let report = look(&world, &made);
        assert_eq!(only(&report).reason, reason);
        let said = if reason.is_none() {
            Revocation::Good
        } else {
            Revocation::Revoked
        };
        assert_eq!(only(&report).revocation, said);
    }
}

#[test]
fn certificates_for_other_purposes_do_not_sign_documents() {
    let world = World::new();
    let tls = world.authority.signer(
        crate::role::Role::TimeStamping,
        "tsa-9",
        crate::key::Algorithm::EcdsaP256,
    );
    let mut made = Maker::new();
    made.sign_first(&|bytes| world.cms(bytes, &tls.stem, "-md sha256"), "");
    assert_eq!(
        only(&look(&world, &made)).reason,
        Some(Reason::CertificateRefused)
    );
}

#[test]
fn anchors_are_a_folder_of_certificates() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("root.pem"), world.authority.root.pem()).unwrap();
    std::fs::write(folder.path().join("ca.der"), world.authority.ca.der()).unwrap();
    std::fs::write(folder.path().join("README"), "not a certificate").unwrap();
    let anchors = Anchors::load(folder.path()).unwrap();
    assert_eq!(anchors.len(), 2);
    let ca = world.authority.ca.clone();
    let again = Anchors::new(vec![world.authority.root.clone(), ca]);
    assert_eq!(anchors.digest(), again.digest());
    assert_ne!(anchors.digest(), Anchors::default().digest());
    let made = signed(&world);
    let report = checked(&made.bytes, &anchors, now(&world));
    assert_eq!(only(&report).verdict, Verdict::Valid);
    std::fs::write(folder.path().join("bad.crt"), "nonsense").unwrap();
    assert!(Anchors::load(folder.path()).is_err());
    assert!(Anchors::load(&folder.path().join("absent")).is_err());
}

#[test]
#[ignore = "writes the committed seeds of the fuzz suite anew, with new keys that are then forgotten"]
fn write_seeds() {
    let world = World::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/pdf");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("plain.pdf", &Maker::new().bytes);
    // The certificates end soon; the time-stamp keeps this one valid for whoever trusts the root.
    let mut world = world;
    world.clock = world.signer.certificate.not_before().plus_ms(5_000);
    let mut made = Maker::new();
    made.sign_first(&world.stamped(), "");
    write("stamped.pdf", &made.bytes);
    write("root.crt", world.authority.root.pem().as_bytes());
    made.sign_second(&world.plain());
    made.update(&[
        (
            1,
            format!(
                "<< {} /DSS << /Certs [9 0 R] >> >>",
                CATALOG.replace("[5 0 R]", "[5 0 R 7 0 R]")
            ),
        ),
        (9, stream("x")),
    ]);
    write("signed-twice.pdf", &made.bytes);
    // The catalog in an object stream, found by a cross-reference stream.
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend_from_slice(
        b"1 0 obj\n<< /Type /ObjStm /N 2 /First 8 /Length 110 >>\nstream\n\
          2 0 3 66 << /Type /Catalog /Pages 3 0 R /AcroForm << /Fields [ 4 0 R ] >> >>",
    );
    bytes.extend_from_slice(b" << /Type /Pages /Kids [ ] /Count 0 >>\nendstream\nendobj\n");
    let field = bytes.len();
    bytes.extend_from_slice(b"4 0 obj\n<< /FT /Sig /T (s) /V << /Contents <3000> >> >>\nendobj\n");
    let at = bytes.len();
    bytes.extend_from_slice(
        b"5 0 obj\n<< /Type /XRef /W [1 2 1] /Size 6 /Root 2 0 R /Length 24 >>\nstream\n",
    );
    let [high, low] = u16::try_from(field).unwrap().to_be_bytes();
    bytes.extend_from_slice(&[
        0, 0, 0, 0, 1, 0, 9, 0, 2, 0, 1, 0, 2, 0, 1, 1, 1, high, low, 0,
    ]);
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    bytes.extend_from_slice(format!("\nendstream\nendobj\nstartxref\n{at}\n%%EOF\n").as_bytes());
    let report = checked(&bytes, &world.anchors(), now(&world));
    assert_eq!(report.signatures.len(), 1, "{report:?}");
    write("streams.pdf", &bytes);
}
