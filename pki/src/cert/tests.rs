//! Certificates: parsing never panics, names are exactly one.

use proptest::prelude::*;

use super::*;
use crate::testing::Country;

#[test]
fn pem_and_der_are_the_same_certificate() {
    let mut country = Country::new();
    let (_, cert) = country.issue(Role::AgencySignature, "H01.36.04");
    assert_eq!(Certificate::from_pem(cert.pem().as_bytes()).unwrap(), cert);
    let two = format!(
        "{}text between\n{}",
        cert.pem(),
        country.root.certificate().pem()
    );
    assert_eq!(Certificate::all_from_pem(two.as_bytes()).unwrap().len(), 2);
    assert!(
        Certificate::from_pem(two.as_bytes()).is_err(),
        "one means one"
    );
    let body: String = cert
        .pem()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    for line in [body.clone(), body.replace('A', " A\r\n")] {
        let text = format!("-----BEGIN CERTIFICATE-----{line}-----END CERTIFICATE-----");
        assert_eq!(Certificate::from_pem(text.as_bytes()).unwrap(), cert);
    }
    let mut trailing = cert.der().to_vec();
    trailing.push(0);
    assert!(Certificate::parse(&trailing).is_err());
    assert_eq!(cert.dns_name().unwrap(), "04.36.h01.tram.test");
    assert!(cert.der().ends_with(&[cert.der()[cert.der().len() - 1]]));
    assert_eq!(Digest::of(cert.der()), cert.sha256());
}

#[test]
fn what_was_signed_is_found_in_the_bytes() {
    let mut country = Country::new();
    let (_, cert) = country.issue(Role::StationTls, "node-1.tram.test");
    let again = cert.x509().tbs_certificate().to_der().unwrap();
    assert_eq!(cert.tbs_der(), again);
    let subject = cert.subject_name().to_der().unwrap();
    assert_eq!(cert.subject_der(), subject);
}

proptest! {
    #[test]
    fn random_changes_never_panic(at in 0usize..600, byte: u8, cut in 0usize..600) {
        thread_local! {
            static DER: Vec<u8> = {
                let mut country = Country::new();
                country.issue(Role::AgencySignature, "H01").1.der().to_vec()
            };
        }
        let mut der = DER.with(Clone::clone);
        let at = at % der.len();
        der[at] = byte;
        if let Ok(cert) = Certificate::parse(&der) {
            let _role = cert.role();
            let _party = cert.party(&TrustDomain::parse("tram.test").unwrap());
        }
        der.truncate(cut.min(der.len()));
        let _cut = Certificate::parse(&der);
        let _crl = crate::revoke::Crl::parse(&der);
    }
}
