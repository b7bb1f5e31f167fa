//! Roots and dates of other ages: what of them counts.

use crate::cert::Certificate;
use crate::chain::path::{Question, build};
use crate::chain::store::Store;
use crate::chain::{ChainError, RevocationPolicy, Validator};
use crate::fixture::Authority;
use crate::key::{Algorithm, SigningKey};
use crate::profile::Template;
use crate::role::Role;
use crate::testing::{Country, NOW, forge, issue};

#[test]
fn the_signature_of_a_root_over_itself_is_nothing_to_believe_but_all_others_are() {
    let authority = Authority::new();
    authority.openssl(
        "req -new -x509 -sha1 -key root.key -subj /CN=Old -days 30 -out old.crt \
         -addext keyUsage=critical,keyCertSign,cRLSign",
    );
    let sign = |options: &str, out: &str| {
        authority.openssl(&format!(
            "x509 -req -in ca.csr -CA old.crt -CAkey root.key -CAcreateserial -days 20 \
             -extfile ca.ext {options} -out {out}"
        ));
        Certificate::load(&authority.path().join(out)).unwrap()
    };
    let root = Certificate::load(&authority.path().join("old.crt")).unwrap();
    let store = Store::new(vec![root], Vec::new(), Vec::new());
    let question = Question::strict(authority.now(), RevocationPolicy::NewestHeld);
    let strong = sign("-sha256", "strong.crt");
    assert!(build(&store, &[], &strong, &question).is_ok());
    let weak = sign("-sha1", "weak.crt");
    let refused = build(&store, &[], &weak, &question);
    assert!(
        matches!(refused, Err(ChainError::Signature { .. })),
        "{refused:?}"
    );
}

#[test]
fn dates_before_1970_are_read_and_judged() {
    let mut country = Country::new();
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let ca = Template::new(Role::IssuingCa, "Rogue", key.spki_der(), NOW).permitting("tram.test");
    let ca = issue(&mut country.ledger, &country.root, ca);
    let mut store = country.store(Vec::new());
    store.intermediates.push(ca.clone());
    let validator = Validator::new(store);
    let (_, template) = Country::template(Role::AgencySignature, "H01");
    // The first UTCTime of the certificate is notBefore, the second notAfter.
    let made = |place: usize, date: &[u8; 13]| {
        forge(&ca, &key, &template, &country.domain, |mut tbs| {
            let dates = tbs.windows(2).enumerate();
            let dates = dates.filter(|(_, pair)| *pair == [0x17, 0x0d]);
            let starts: Vec<usize> = dates.map(|(at, _)| at + 2).collect();
            let start = starts[place];
            tbs[start..start + 13].copy_from_slice(date);
            tbs
        })
    };
    let early = made(0, b"500101120147Z");
    assert_eq!(early.not_before().unix_ms(), 0);
    let believed = validator.verify(&early, Role::AgencySignature, NOW);
    assert!(believed.is_ok(), "{believed:?}");
    assert!(early.der().windows(13).any(|part| part == b"500101120147Z"));
    let ended = made(1, b"690101120147Z");
    // It would end before it begins.
    let refused = validator
        .verify(&ended, Role::AgencySignature, NOW)
        .unwrap_err();
    assert_eq!(refused.rule(), "RFC 5280 section 4.1.2.5");
}

#[test]
fn refusals_name_certificate_rule_and_both_times() {
    let mut country = Country::new();
    let validator = country.validator();
    let (_, cert) = country.issue(Role::AgencySignature, "H01");
    let late = cert.not_after().plus_ms(1000);
    let refused = validator
        .verify(&cert, Role::AgencySignature, late)
        .unwrap_err();
    let told = refused.to_string();
    for part in ["CN=H01", &cert.not_after().to_string(), &late.to_string()] {
        assert!(told.contains(part), "{told} lacks {part}");
    }
    assert_eq!(refused.rule(), "RFC 5280 section 6.1.3 (a) (2)");
    let refused = validator.verify(&cert, Role::StationTls, NOW).unwrap_err();
    assert_eq!(refused.rule(), "architecture, section 7");
}
