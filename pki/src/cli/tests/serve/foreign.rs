//! Certificates of another authority, made by openssl: published by the station that uses them, with the lists
//! that revoke them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use formats::record::{Der, Record};
use pki::cert::Certificate;
use pki::key::SigningKey;
use pki::record::{self, TrustPin};
use pki::revoke::Crl;
use pki::role::Role;
use serde_json::json;

use super::scene::{Home, Scene, code};
use super::{AGENCY, STATION};
use crate::cli::tests::{now, text, tram_pki};

const OTHER: &str = "node-8.tram.test";

/// A root and an authority of another organisation, whose list is at an address of its own.
struct Foreign {
    dir: PathBuf,
    url: String,
}

impl Foreign {
    fn new(dir: &Path) -> Self {
        let dir = dir.join("foreign");
        std::fs::create_dir_all(&dir).expect("made");
        let url = serve(dir.clone());
        let foreign = Self { dir, url };
        let authority = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n\
                         subjectKeyIdentifier=hash\n";
        foreign.write("root.ext", authority);
        let below = format!(
            "{authority}authorityKeyIdentifier=keyid\n{}",
            foreign.point("root")
        );
        foreign.write("ca.ext", &below);
        foreign.write(
            "ca.cnf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\n\
             unique_subject=no\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n",
        );
        foreign.write("index.txt", "");
        foreign.write("number", "01\n");
        foreign.key("root");
        foreign.openssl("req -new -key root.key -subj /CN=Foreign-root -out root.csr");
        foreign.openssl(
            "x509 -req -in root.csr -signkey root.key -days 30 -extfile root.ext -out root.crt",
        );
        foreign.key("ca");
        foreign.openssl("req -new -key ca.key -subj /CN=Foreign-CA -out ca.csr");
        foreign.sign("ca", "root");
        for name in ["root", "ca"] {
            foreign.list(name);
        }
        foreign
    }

    fn point(&self, name: &str) -> String {
        format!("crlDistributionPoints=URI:{}/{name}.crl\n", self.url)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.join(file), text).expect("written");
    }

    fn key(&self, stem: &str) {
        self.openssl(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {stem}.key"
        ));
    }

    fn sign(&self, stem: &str, issuer: &str) {
        self.openssl(&format!(
            "x509 -req -in {stem}.csr -CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial \
             -days 20 -extfile {stem}.ext -out {stem}.crt"
        ));
    }

    fn end(&self, stem: &str, usage: &str, role: Role) -> Certificate {
        self.key(stem);
        let eku = role.eku().expect("one").to_string();
        self.write(
            &format!("{stem}.ext"),
            &format!(
                "keyUsage=critical,{usage}\nextendedKeyUsage={eku}\n\
                 subjectAltName=DNS:04.36.h01.tram.test\n\
                 subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n{}",
                self.point("ca")
            ),
        );
        self.openssl(&format!(
            "req -new -key {stem}.key -subj /CN={stem} -out {stem}.csr"
        ));
        self.sign(stem, "ca");
        self.certificate(stem)
    }

    fn certificate(&self, stem: &str) -> Certificate {
        Certificate::load(&self.dir.join(format!("{stem}.crt"))).expect("a certificate")
    }

    fn revoke(&self, stem: &str) {
        self.openssl(&format!(
            "ca -config ca.cnf -revoke {stem}.crt -keyfile ca.key -cert ca.crt \
             -crl_reason keyCompromise"
        ));
        self.list("ca");
    }

    /// The next list; the old one is never served half.
    fn list(&self, name: &str) {
        self.openssl(&format!(
            "ca -config ca.cnf -gencrl -crlhours 40 -keyfile {name}.key -cert {name}.crt -out \
             {name}.pem"
        ));
        self.openssl(&format!("crl -in {name}.pem -outform DER -out {name}.new"));
        std::fs::rename(
            self.dir.join(format!("{name}.new")),
            self.dir.join(format!("{name}.crl")),
        )
        .expect("renamed");
    }

    fn openssl(&self, line: &str) {
        // The scene's time is fixed; so is that of the other authority, an hour before.
        let then = now().plus_ms(-3_600_000).rfc3339();
        let said = Command::new("faketime")
            .args([&then.replace('T', " ").replace('Z', ""), "openssl"])
            .args(line.split_whitespace())
            .env("TZ", "UTC")
            .current_dir(&self.dir)
            .output()
            .expect("openssl runs");
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "openssl {line}: {text}");
    }

    /// What a station sends: the agency's certificate, then the authority above it.
    fn bundle(&self, cert: &Certificate) -> Vec<u8> {
        (cert.pem() + &self.certificate("ca").pem()).into_bytes()
    }
}

/// Serves the files of a folder over HTTP for as long as the test lives.
fn serve(dir: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a caller");
            let mut asked = [0; 4096];
            let read = stream.read(&mut asked).expect("a request");
            let line = String::from_utf8_lossy(&asked[..read]).into_owned();
            let name = line
                .split(' ')
                .nth(1)
                .unwrap_or_default()
                .trim_start_matches('/');
            let body = std::fs::read(dir.join(name)).unwrap_or_default();
            let head = format!(
                "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                if body.is_empty() {
                    "404 Not Found"
                } else {
                    "200 OK"
                },
                body.len()
            );
            let _gone = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{address}")
}

/// The trust list with one more root, as its signer would make it.
fn trust(scene: &Scene, root: &Certificate) {
    let file = scene.out.join("records/trust-list.rec");
    let opened = record::open(&std::fs::read(&file).expect("read")).expect("a record");
    let Record::TrustList(mut list) = opened.record else {
        panic!("no trust list");
    };
    list.sequence += 1;
    list.roots.push(Der::new(root.der().to_vec()).expect("DER"));
    let key = SigningKey::load(&scene.out.join("authority/trust-list.key"), None).expect("a key");
    let signed = record::sign(&Record::TrustList(list), &key, &opened.signer, now());
    pki::pair::replace(&file, &signed.expect("signed")).expect("written");
}

fn put(scene: &Scene, home: &Home, bytes: &[u8]) -> (u16, String) {
    code(&scene.raw("/v1/records", bytes, Some(home)))
}

#[test]
fn foreign_certificates_are_published_by_their_station_and_their_lists_are_fetched() {
    let scene = Scene::new(None);
    let home = scene.enrol(&[AGENCY], STATION);
    let other = scene.enrol(&["H02"], OTHER);
    let foreign = Foreign::new(scene.dir());
    let sign = foreign.end(
        "signature",
        "digitalSignature,nonRepudiation",
        Role::AgencySignature,
    );
    let bundle = foreign.bundle(&sign);

    let refused = (400, "certificate_foreign".to_owned());
    assert_eq!(
        put(&scene, &home, &bundle),
        refused,
        "its root is not trusted"
    );
    trust(&scene, &foreign.certificate("root"));
    assert_eq!(put(&scene, &home, &bundle).0, 403, "no attachment yet");
    let attachment = scene.attachment(AGENCY, STATION, 7);
    assert_eq!(put(&scene, &home, &attachment).0, 200);
    let others = put(&scene, &other, &bundle);
    assert_eq!(others, (403, "not_yours".to_owned()));
    let alone = sign.pem().into_bytes();
    assert_eq!(
        put(&scene, &home, &alone),
        refused,
        "its authority is missing"
    );
    let tls = home.tls.der();
    assert_eq!(put(&scene, &home, tls), refused, "not an agency's");
    assert_eq!(put(&scene, &home, &bundle[..bundle.len() / 2]).0, 400);

    let taken = scene.raw("/v1/records", &bundle, Some(&home));
    assert_eq!(taken.status, 200, "{}", taken.json);
    let file = format!("foreign-{}.crt", sign.sha256());
    assert_eq!(taken.json["files"][0]["name"], file);
    assert_eq!(
        scene.bytes(&format!("/v1/records/{file}")),
        sign.pem().into_bytes()
    );
    // With its authority, stations can judge it; with the lists, they know what is revoked.
    let (root, ca) = (foreign.certificate("root"), foreign.certificate("ca"));
    assert!(
        scene
            .out
            .join(format!("records/foreign-{}.crt", ca.sha256()))
            .exists()
    );
    for authority in [&root, &ca] {
        let list = scene
            .out
            .join(format!("records/foreign-{}.crl", authority.sha256()));
        scene.until(|| list.exists());
        let list = Crl::parse(&std::fs::read(&list).expect("read")).expect("a list");
        list.verify(authority).expect("its own");
    }
    // What a foreign certificate signs is published like anything else.
    let key = SigningKey::load(&foreign.dir.join("signature.key"), None).expect("a key");
    let attachment = scene.signed_attachment((&sign, &key), AGENCY, STATION, 8);
    assert_eq!(put(&scene, &home, &attachment).0, 200);

    // Another certificate makes the authority look for the lists again: now one is revoked.
    foreign.revoke("signature");
    let seal = foreign.end("encryption", "keyAgreement", Role::AgencyEncryption);
    assert_eq!(put(&scene, &home, &foreign.bundle(&seal)).0, 200);
    let list = scene
        .out
        .join(format!("records/foreign-{}.crl", ca.sha256()));
    scene.until(|| {
        let held = Crl::parse(&std::fs::read(&list).expect("read")).expect("a list");
        held.revoked() == 1
    });
    assert_eq!(put(&scene, &home, &bundle), refused, "revoked");
    tram_pki(&["audit", "verify", "--dir", text(&scene.out)]).expect("one chain");
}

#[test]
fn an_enrolled_station_is_told_how_many_signers_of_the_trust_list_are_needed() {
    let scene = Scene::new(None);
    let file = scene.out.join("authority/trust-list.crt");
    let own = Certificate::load(&file).expect("a signer");
    let second = scene.trust_list_signer("signer-2");
    let pin = TrustPin::new(1, vec![own.clone(), second.clone()]).expect("a pin");
    std::fs::write(&file, pin.to_text()).expect("written");
    let token = scene.grant(&[AGENCY], STATION);
    let asked = json!({ "token": token, "requests": scene.requests(STATION, &[AGENCY]) });
    let issued = scene.post("/v1/enrol", &asked, None).json;
    assert_eq!(issued["trust_list_needed"], 1);
    assert_eq!(issued["trust_list"], json!([own.pem(), second.pem()]));
}
