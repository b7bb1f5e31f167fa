//! Certificates of a foreign authority, made by stock `openssl`: refused in words until everything fits, then
//! used like any other, and never touched by renewal.

use std::path::{Path, PathBuf};
use std::process::Command;

use formats::record::{Der, Record};
use node::desk::Submission;
use node::view::RecipientState;
use pki::cert::Certificate;
use pki::key::SigningKey;

use crate::world::{RECIPIENT, SENDER, World, draft, recipient};

/// A root and an issuing authority of another organisation.
struct Foreign {
    dir: PathBuf,
}

impl Foreign {
    fn new(dir: &Path) -> Self {
        let dir = dir.join("foreign");
        std::fs::create_dir_all(&dir).unwrap();
        let foreign = Self { dir };
        let authority = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n\
                         subjectKeyIdentifier=hash\n";
        foreign.write("root.ext", authority);
        foreign.write(
            "ca.ext",
            &format!("{authority}authorityKeyIdentifier=keyid\n"),
        );
        foreign.key("root");
        foreign.openssl("req -new -key root.key -subj /CN=Foreign-root -out root.csr");
        foreign.openssl(
            "x509 -req -in root.csr -signkey root.key -days 30 -extfile root.ext -out root.crt",
        );
        foreign.key("ca");
        foreign.openssl("req -new -key ca.key -subj /CN=Foreign-CA -out ca.csr");
        foreign.sign("ca", "root");
        foreign.write(
            "ca.cnf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\n\
             crl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n",
        );
        foreign.write("index.txt", "");
        foreign.write("number", "01\n");
        for name in ["root", "ca"] {
            foreign.openssl(&format!(
                "ca -config ca.cnf -gencrl -crlhours 40 -keyfile {name}.key -cert {name}.crt \
                 -out {name}.pem"
            ));
            foreign.openssl(&format!("crl -in {name}.pem -outform DER -out {name}.crl"));
        }
        foreign
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.join(file), text).unwrap();
    }

    fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
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

    /// A key, its certificate and a PKCS#12 file of both.
    fn end(&self, stem: &str, usage: &str, eku: &str, name: &str) {
        self.key(stem);
        self.write(
            &format!("{stem}.ext"),
            &format!(
                "keyUsage=critical,{usage}\nextendedKeyUsage={eku}\nsubjectAltName={name}\n\
                 subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
            ),
        );
        self.openssl(&format!(
            "req -new -key {stem}.key -subj /CN={stem} -out {stem}.csr"
        ));
        self.sign(stem, "ca");
        self.openssl(&format!(
            "pkcs12 -export -inkey {stem}.key -in {stem}.crt -certfile ca.crt -out {stem}.p12 \
             -passout pass:secret"
        ));
    }

    fn openssl(&self, line: &str) {
        let said = Command::new("openssl")
            .args(line.split_whitespace())
            .current_dir(&self.dir)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "openssl {line}: {text}");
    }
}

const SIGN: &str = "digitalSignature,nonRepudiation";
const NAME: &str = "DNS:04.36.h01.tram.test";

fn import(world: &World, change: &[String]) -> (bool, String) {
    let config = world.dir.path().join("node-b.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_tram-node"))
        .args(["import", "--json", "--agency", RECIPIENT, "--config"])
        .arg(config)
        .args(change)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}

fn files(foreign: &Foreign, stem: &str) -> Vec<String> {
    ["crt", "key"]
        .iter()
        .zip(["--certificate", "--key"])
        .flat_map(|(end, option)| [option.to_owned(), foreign.path(&format!("{stem}.{end}"))])
        .collect()
}

/// The trust list with one more root, signed as its own signers would.
fn trust(world: &World, root: &Certificate) {
    let pki = world.dir.path().join("pki");
    let file = pki.join("records/trust-list.rec");
    let opened = pki::record::open(&std::fs::read(&file).unwrap()).unwrap();
    let Record::TrustList(mut list) = opened.record else {
        panic!("no trust list");
    };
    list.sequence += 1;
    list.roots.push(Der::new(root.der().to_vec()).unwrap());
    let key = SigningKey::load(&pki.join("authority/trust-list.key"), None).unwrap();
    let now = relay::clock::Clock::system().now();
    list.issued = now.floor_s();
    let signed = pki::record::sign(&Record::TrustList(list), &key, &opened.signer, now).unwrap();
    pki::pair::replace(&file, &signed).unwrap();
}

fn refused(answer: (bool, String), words: &[&str]) {
    let (good, text) = answer;
    assert!(!good, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_certificates_are_used_once_they_fit_and_are_left_alone_by_renewal() {
    let world = World::start_renewing().await;
    let foreign = Foreign::new(world.dir.path());
    let eku = |role: pki::role::Role| role.eku().unwrap().to_string();
    let signing = eku(pki::role::Role::AgencySignature);
    let opening = eku(pki::role::Role::AgencyEncryption);
    foreign.end("signature", SIGN, &signing, NAME);
    foreign.end("encryption", "keyAgreement", &opening, NAME);
    foreign.end("mail", SIGN, "emailProtection", NAME);
    foreign.end("both", SIGN, &format!("{signing},{opening}"), NAME);
    foreign.end("other", SIGN, &signing, "DNS:05.36.h01.tram.test");
    foreign.end("two", SIGN, &signing, &format!("{NAME},DNS:x.tram.test"));
    foreign.write("pass", "secret\n");

    // What does not fit is refused with what the foreign authority has to put in.
    for (stem, word) in [
        ("mail", "unknown extended key usage"),
        ("both", "more than one extended key usage"),
        ("other", "names H01.36.05, not H01.36.04"),
        ("two", "2 names instead of one"),
    ] {
        let answer = import(&world, &files(&foreign, stem));
        refused(
            answer,
            &[word, &signing, &opening, "dNSName 04.36.h01.tram.test"],
        );
    }
    let mut wrong = files(&foreign, "signature");
    wrong[3] = foreign.path("other.key");
    refused(
        import(&world, &wrong),
        &["the key does not belong to the certificate"],
    );
    let p12 = |stem: &str| {
        let file = foreign.path(&format!("{stem}.p12"));
        let pass = foreign.path("pass");
        [
            "--p12".to_owned(),
            file,
            "--passphrase-file".to_owned(),
            pass,
        ]
    };
    // Without --chain the issuer is missing, with it the root is.
    let alone = import(&world, &files(&foreign, "signature"));
    refused(alone, &["CN=Foreign-CA", "--chain"]);
    refused(
        import(&world, &p12("signature")),
        &["CN=Foreign-root", "trust list"],
    );

    let root = Certificate::load(&foreign.dir.join("root.crt")).unwrap();
    // Whose revocations nobody can read is not believed: its lists come with the root.
    for name in ["root", "ca"] {
        let list = std::fs::read(foreign.dir.join(format!("{name}.crl"))).unwrap();
        let file = format!("pki/records/foreign-{name}.crl");
        pki::pair::replace(&world.dir.path().join(file), &list).unwrap();
    }
    trust(&world, &root);
    world
        .until("the new root everywhere", async |world| {
            let directory = |desk: &node::desk::Desk| desk.station().directory().validator();
            [&world.a, &world.b]
                .into_iter()
                .all(|desk| directory(desk).roots().contains(&root))
                .then_some(())
        })
        .await;
    for stem in ["signature", "encryption"] {
        let (good, text) = import(&world, &p12(stem));
        assert!(good, "{text}");
        let own = Certificate::load(&foreign.dir.join(format!("{stem}.crt"))).unwrap();
        publish(&world, &own);
    }
    publish(
        &world,
        &Certificate::load(&foreign.dir.join("ca.crt")).unwrap(),
    );
    let in_use = |world: &World| {
        let all = world.b.station().certificates().all();
        let agency = all.into_iter().filter(|one| one.party.agency().is_some());
        agency
            .map(|one| (one.sha256, one.renewal.as_str()))
            .collect::<Vec<_>>()
    };
    let wanted: Vec<_> = ["encryption", "signature"]
        .map(|stem| Certificate::load(&foreign.dir.join(format!("{stem}.crt"))).unwrap())
        .map(|one| (one.sha256(), "foreign"))
        .to_vec();
    world
        .until("both to be used", async |world| {
            (in_use(world) == wanted).then_some(())
        })
        .await;

    // Documents go both ways: sealed to one, signed by the other.
    let here = world.send(draft("1", &[RECIPIENT]), vec![]).await;
    world.until_state(here.id, RecipientState::Delivered).await;
    let packet = world
        .b
        .compose(&recipient(), draft("2", &[SENDER]), vec![])
        .await
        .unwrap();
    let back = world
        .b
        .submit(&recipient(), Submission::of(packet))
        .await
        .unwrap();
    world
        .until("delivery", async |world| {
            let recipients = world.b.recipients(&recipient(), back.id).await.unwrap();
            assert_ne!(recipients[0].state, RecipientState::Refused);
            (recipients[0].state == RecipientState::Delivered).then_some(())
        })
        .await;

    // Renewal takes the station's own and leaves these; they are announced before their end.
    let own = world.b.station().identity().chain[0].clone();
    world.b.renew_now();
    world
        .until("the station's renewal", async |world| {
            (world.b.station().identity().chain[0] != own).then_some(())
        })
        .await;
    assert_eq!(in_use(&world), wanted);
    let view = world.b.station_view().await.unwrap();
    let foreign: Vec<_> = view
        .certificates
        .iter()
        .filter(|one| one.renewal == "foreign")
        .collect();
    assert_eq!(foreign.len(), 2);
    assert!(
        foreign.iter().all(|one| one.warning_days == Some(30)),
        "{foreign:?}"
    );
    world.stop().await;
}

/// What an administrator of the authority does with a foreign certificate.
fn publish(world: &World, certificate: &Certificate) {
    let file = format!("pki/records/foreign-{}.crt", certificate.sha256());
    let path = world.dir.path().join(file);
    pki::pair::replace(&path, certificate.pem().as_bytes()).unwrap();
}
