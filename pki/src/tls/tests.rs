//! Handshakes in memory: who gets through, with what, and who does not.

use std::io::{Read, Write};

use rustls::{ClientConnection, Connection, NamedGroup, ServerConnection};
use x509_cert::ext::pkix::CrlReason;

use super::*;
use crate::issue::CrlEntry;
use crate::testing::{Country, NOW, issue};

fn clock() -> TlsClock {
    Arc::new(|| Some(NOW))
}

fn identity(country: &mut Country, role: Role, name: &str) -> StationIdentity {
    let (key, cert) = country.issue(role, name);
    let chain = vec![cert, country.national.certificate().clone()];
    StationIdentity {
        name: StationName::parse(name).unwrap(),
        chain,
        key,
    }
}

fn current(validator: &Validator) -> CurrentValidator {
    let validator = validator.clone();
    Arc::new(move || validator.clone())
}

/// Runs a handshake and one byte each way; the error of whichever end refused.
fn meet(
    client: ClientConfig,
    server: ServerConfig,
    dialled: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(dialled.to_owned()).unwrap();
    let mut client = Connection::from(ClientConnection::new(Arc::new(client), name).unwrap());
    let mut server = Connection::from(ServerConnection::new(Arc::new(server)).unwrap());
    for _ in 0..10 {
        pass(&mut client, &mut server)?;
        pass(&mut server, &mut client)?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    client.writer().write_all(b"x").unwrap();
    pass(&mut client, &mut server)?;
    let mut one = [0; 1];
    server.reader().read_exact(&mut one).unwrap();
    match (client, server) {
        (Connection::Client(client), Connection::Server(server)) => Ok((client, server)),
        _ => unreachable!(),
    }
}

fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn two_stations_meet_with_post_quantum_keys_and_know_each_other() {
    let mut country = Country::new();
    let a = identity(&mut country, Role::StationTls, "node-a.tram.test");
    let b = identity(&mut country, Role::StationTls, "relay-b.tram.test");
    let validator = country.validator();
    let client = client_config(&a, &b.name, current(&validator), clock()).unwrap();
    let server = server_config(&b, current(&validator), clock()).unwrap();
    let (client, server) = meet(client, server, "relay-b.tram.test").unwrap();
    assert_eq!(
        client.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    assert_eq!(client.alpn_protocol(), Some(ALPN));
    let group = client.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    let seen = peer_station(server.peer_certificates().unwrap(), &country.domain).unwrap();
    assert_eq!(seen, a.name);
    let seen = peer_station(client.peer_certificates().unwrap(), &country.domain).unwrap();
    assert_eq!(seen, b.name);
    assert_eq!(client.tls13_tickets_received(), 0);
}

#[test]
fn the_static_bytes_of_the_usage_are_the_role_s() {
    assert_eq!(Role::StationTls.eku().unwrap().as_bytes(), STATION_TLS_OID);
}

#[test]
fn a_peer_with_another_name_is_not_who_was_dialled() {
    let mut country = Country::new();
    let a = identity(&mut country, Role::StationTls, "node-a.tram.test");
    let b = identity(&mut country, Role::StationTls, "relay-b.tram.test");
    let validator = country.validator();
    let expected = StationName::parse("relay-c.tram.test").unwrap();
    let client = client_config(&a, &expected, current(&validator), clock()).unwrap();
    let server = server_config(&b, current(&validator), clock()).unwrap();
    let error = meet(client, server, "relay-c.tram.test").unwrap_err();
    assert_eq!(error, CertificateError::NotValidForName.into());
}

#[test]
fn other_roles_strangers_revoked_and_expired_peers_are_refused() {
    let mut country = Country::new();
    let b = identity(&mut country, Role::StationTls, "relay-b.tram.test");
    let evidence = identity(&mut country, Role::StationEvidence, "node-a.tram.test");
    let revoked = identity(&mut country, Role::StationTls, "node-a.tram.test");
    let entry = CrlEntry {
        serial: revoked.chain[0].serial().to_vec(),
        at: NOW,
        reason: CrlReason::KeyCompromise,
    };
    let crl = country.crl(vec![entry], NOW);
    let mut stranger = Country::new();
    let stranger = identity(&mut stranger, Role::StationTls, "node-a.tram.test");
    let (key, template) = Country::template(Role::StationTls, "node-a.tram.test");
    let template = crate::profile::Template {
        not_after: NOW.minus_ms(1000),
        ..template
    };
    let old = issue(&mut country.ledger, &country.national, template);
    let expired = StationIdentity {
        name: b.name.clone(),
        chain: vec![old],
        key,
    };
    let validator = Validator::new(country.store(vec![crl]));
    for (what, peer) in [
        ("evidence", evidence),
        ("revoked", revoked),
        ("stranger", stranger),
        ("expired", expired),
    ] {
        let client = client_config(&peer, &b.name, current(&validator), clock()).unwrap();
        let server = server_config(&b, current(&validator), clock()).unwrap();
        assert!(
            meet(client, server, "relay-b.tram.test").is_err(),
            "{what} as client"
        );
        let client = client_config(&b, &peer.name, current(&validator), clock()).unwrap();
        let server = server_config(&peer, current(&validator), clock()).unwrap();
        assert!(
            meet(client, server, peer.name.as_str()).is_err(),
            "{what} as server"
        );
    }
}

/// What each end says when `peer` and `b` meet under a validator.
fn refusals(
    b: &StationIdentity,
    peer: &StationIdentity,
    validator: &Validator,
) -> [Option<rustls::Error>; 2] {
    let config = |own: &StationIdentity, to: &StationName| {
        client_config(own, to, current(validator), clock()).unwrap()
    };
    let server = |own: &StationIdentity| server_config(own, current(validator), clock()).unwrap();
    [
        meet(config(peer, &b.name), server(b), b.name.as_str()).err(),
        meet(config(b, &peer.name), server(peer), peer.name.as_str()).err(),
    ]
}

#[test]
fn links_are_judged_by_answers_and_by_lists_about_authorities_too() {
    let mut country = Country::new();
    let b = identity(&mut country, Role::StationTls, "relay-b.tram.test");
    let peer = identity(&mut country, Role::StationTls, "node-a.tram.test");
    let revoked = rustls::Error::from(CertificateError::Revoked);
    let none = refusals(&b, &peer, &country.validator());
    assert_eq!(none, [None, None]);
    // An OCSP answer about the peer.
    let (key, responder) = country.issue(Role::Ocsp, "ocsp-1.tram.test");
    let issuer = country.national.certificate().clone();
    let responder = crate::ocsp::Responder::new(key, responder, issuer.clone()).unwrap();
    let id = crate::ocsp::CertId::sha1(&issuer, peer.chain[0].serial()).unwrap();
    let status = crate::ocsp::Status::Revoked(crate::revoke::Revocation {
        at: NOW,
        reason: CrlReason::KeyCompromise,
    });
    let answer = responder
        .answer(&id, status, NOW, NOW.plus_ms(3_600_000))
        .unwrap();
    let mut store = country.store(Vec::new());
    store.ocsp = vec![crate::ocsp::Response::parse(&answer).unwrap()];
    let said = refusals(&b, &peer, &Validator::new(store));
    assert_eq!(said, [Some(revoked.clone()), Some(revoked.clone())]);
    // A list of the root about the authority of both.
    let entry = CrlEntry {
        serial: issuer.serial().to_vec(),
        at: NOW,
        reason: CrlReason::CaCompromise,
    };
    let list = crate::issue::CrlTemplate {
        number: 1,
        this_update: NOW,
        next_update: NOW.plus_ms(3_600_000),
        entries: vec![entry],
    };
    let list = country.root.sign_crl(&list).unwrap();
    let said = refusals(&b, &peer, &Validator::new(country.store(vec![list])));
    assert_eq!(said, [Some(revoked.clone()), Some(revoked)]);
}

#[test]
fn links_are_judged_by_the_strict_rules() {
    let mut country = Country::new();
    let b = identity(&mut country, Role::StationTls, "relay-b.tram.test");
    // Issued by an authority that does not lint: rules that the library beside us lets pass.
    let key = SigningKey::generate(crate::key::Algorithm::EcdsaP256).unwrap();
    let template = crate::profile::Template::new(Role::IssuingCa, "Rogue", key.spki_der(), NOW)
        .permitting("tram.test");
    let rogue = issue(&mut country.ledger, &country.root, template);
    let mut store = country.store(Vec::new());
    store.intermediates.push(rogue.clone());
    let validator = Validator::new(store);
    let made = |role: Role, name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let (own, template) = Country::template(role, name);
        let cert = crate::testing::forge(&rogue, &key, &template, &country.domain, change);
        StationIdentity {
            name: StationName::parse(name).unwrap(),
            chain: vec![cert, rogue.clone()],
            key: own,
        }
    };
    let same = |tbs: Vec<u8>| tbs;
    let good = made(Role::StationTls, "node-a.tram.test", &same);
    assert_eq!(refusals(&b, &good, &validator), [None, None]);
    // The key usage of a station (digitalSignature) becomes keyEncipherment: webpki does not look.
    let usage = |mut tbs: Vec<u8>| {
        let label = [0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02];
        let at = tbs.windows(10).position(|part| part == label).unwrap();
        tbs[at + 10..at + 12].copy_from_slice(&[0x05, 0x20]);
        tbs
    };
    let other = made(Role::StationTls, "node-a.tram.test", &usage);
    let said = refusals(&b, &other, &validator);
    assert!(said.iter().all(Option::is_some), "{said:?}");
    // A zero serial number, and another role.
    let serial = |mut tbs: Vec<u8>| {
        let at = tbs
            .windows(3)
            .position(|part| part == [0x02, 0x01, 0x01])
            .unwrap();
        tbs[at + 2] = 0;
        tbs
    };
    let zero = made(Role::StationTls, "node-a.tram.test", &serial);
    let evidence = made(Role::StationEvidence, "node-a.tram.test", &same);
    for peer in [zero, evidence] {
        let said = refusals(&b, &peer, &validator);
        assert!(said.iter().all(Option::is_some), "{said:?}");
    }
}

#[test]
fn a_peer_without_a_certificate_is_refused() {
    let mut country = Country::new();
    let b = identity(&mut country, Role::StationTls, "relay-b.tram.test");
    let validator = country.validator();
    let server = server_config(&b, current(&validator), clock()).unwrap();
    let verifier = PeerVerifier {
        mandatory: true,
        validator: current(&validator),
        expected: None,
        provider: provider(),
    };
    let mut client = ClientConfig::builder_with_details(provider(), Arc::new(Time(clock())))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    client.alpn_protocols = vec![ALPN.to_vec()];
    assert!(meet(client, server, "relay-b.tram.test").is_err());
}

#[test]
fn an_identity_must_fit_together() {
    let mut country = Country::new();
    let a = identity(&mut country, Role::StationTls, "node-a.tram.test");
    let other = StationName::parse("node-b.tram.test").unwrap();
    let (stray, _) = country.issue(Role::StationTls, "node-a.tram.test");
    let domain = &country.domain;
    let new = |name: &StationName, key: &SigningKey| {
        StationIdentity::new(name.clone(), a.chain.clone(), key.clone(), domain)
    };
    assert!(new(&a.name, &a.key).is_ok());
    assert!(new(&other, &a.key).is_err(), "another name");
    assert!(new(&a.name, &stray).is_err(), "another key");
}

#[cfg(feature = "pkcs11")]
#[test]
fn stations_meet_with_keys_that_lie_in_tokens() {
    let name = concat!(
        module_path!(),
        "::stations_meet_with_keys_that_lie_in_tokens"
    );
    crate::softhsm::with_store(name, |store| {
        use crate::key::Algorithm;
        let mut country = Country::new();
        let mut station = |algorithm, name: &str| {
            let uri = store.uri("Root", name);
            let key = SigningKey::generate_in_token(&uri, None, algorithm).unwrap();
            let (_, template) = Country::template(Role::StationTls, name);
            let spki_der = key.spki_der().to_vec();
            let template = crate::profile::Template {
                spki_der,
                ..template
            };
            let cert = issue(&mut country.ledger, &country.national, template);
            let chain = vec![cert, country.national.certificate().clone()];
            let name = StationName::parse(name).unwrap();
            StationIdentity::new(name, chain, key, &country.domain).unwrap()
        };
        let a = station(Algorithm::EcdsaP256, "node-a.tram.test");
        let b = station(Algorithm::RsaPss3072, "relay-b.tram.test");
        let validator = country.validator();
        let client = client_config(&a, &b.name, current(&validator), clock()).unwrap();
        let server = server_config(&b, current(&validator), clock()).unwrap();
        meet(client, server, "relay-b.tram.test").unwrap();
    });
}
