//! A made authority with its server running, and what calls it: curl and openssl.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::id::{AgencyCode, Digest, StationName};
use formats::record::{Attachment, Record};
use formats::time::Timestamp;
use pki::authority::server::Server;
use pki::cert::Certificate;
use pki::enrol::Request;
use pki::key::SigningKey;
use pki::record;
use pki::sign::{self, Content, Embed};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::tests::{PLAN, now, text, tram_pki};

/// What a server answered; status 0: nothing.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) bytes: Vec<u8>,
    pub(super) json: Value,
}

/// An enrolled station's TLS identity.
pub(super) struct Home {
    pub(super) name: String,
    pub(super) tls: Certificate,
    chain: PathBuf,
    key: PathBuf,
}

pub(super) struct Scene {
    pub(super) out: PathBuf,
    dir: tempfile::TempDir,
    api: String,
    public: String,
    clock: Arc<AtomicI64>,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Scene {
    pub(super) fn new(database: Option<&str>) -> Self {
        Self::with(database, None)
    }

    /// A scene whose profiles are narrowed.
    pub(super) fn with(database: Option<&str>, profiles: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (plan, out) = (dir.path().join("plan.toml"), dir.path().join("pki"));
        std::fs::write(&plan, PLAN).expect("written");
        let mut arguments = vec!["init", "--plan", text(&plan), "--out", text(&out)];
        if let Some(database) = database {
            arguments.extend(["--database", database]);
        }
        tram_pki(&arguments).expect("an authority");
        if let Some(profiles) = profiles {
            std::fs::write(out.join("authority/profiles.toml"), profiles).expect("written");
        }
        let clock = Arc::new(AtomicI64::new(now().unix_ms()));
        let stop = CancellationToken::new();
        let (told, addresses) = std::sync::mpsc::sync_channel(1);
        let (folder, time, stopping) = (out.clone(), Arc::clone(&clock), stop.clone());
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async move {
                let any = "127.0.0.1:0".parse().expect("an address");
                let tells =
                    Arc::new(move || Some(Timestamp::from_unix_ms(time.load(Ordering::Relaxed))));
                let server = Server::bind(&folder, any, Some(any), tells, now()).await;
                let server = server.expect("it starts");
                let api = server.api_address().expect("bound").expect("asked for");
                told.send((api, server.public_address().expect("bound")))
                    .expect("told");
                server.run(stopping).await.expect("it serves");
            });
        });
        let (api, public) = addresses.recv().expect("addresses");
        Self {
            out,
            dir,
            api: format!("https://{api}"),
            public: format!("http://{public}"),
            clock,
            stop,
            server: Some(server),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where everybody asks.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// Does something to the database behind the server's back.
    pub(super) fn damage(&self, statements: &'static str) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let file = self.out.join("authority/authority.db");
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let pool = sqlx::SqlitePool::connect_with(options)
                .await
                .expect("opened");
            sqlx::raw_sql(statements)
                .execute(&pool)
                .await
                .expect("done");
            pool.close().await;
        });
    }

    pub(super) fn advance_hours(&self, hours: i64) {
        self.clock.fetch_add(hours * 3_600_000, Ordering::Relaxed);
    }

    pub(super) fn grant(&self, agencies: &[&str], station: &str) -> String {
        let mut arguments = vec!["grant"];
        arguments.extend(agencies);
        arguments.extend(["--dir", text(&self.out), "--station", station]);
        let made = tram_pki(&arguments).expect("a grant");
        made["token"].as_str().expect("a token").to_owned()
    }

    /// A new private key of a person.
    pub(super) fn private_key(&self, name: &str) -> PathBuf {
        let file = self.dir().join(format!("{name}.person.key"));
        let key = SigningKey::generate(pki::key::Algorithm::EcdsaP256).expect("a key");
        key.save(&file, None).expect("written");
        file
    }

    /// A request of a new key by openssl.
    pub(super) fn csr(&self, curve: &str) -> String {
        let (key, csr) = (self.dir().join("last.key"), self.dir().join("last.csr"));
        let curve = format!("ec_paramgen_curve:{curve}");
        openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            &curve,
            "-nodes",
            "-subj",
            "/CN=x",
            "-keyout",
            text(&key),
            "-out",
            text(&csr),
        ]);
        std::fs::read_to_string(csr).expect("a request")
    }

    /// Everything that a grant for this station and these agencies names.
    pub(super) fn requests(&self, station: &str, agencies: &[&str]) -> Vec<Value> {
        let mut all = Vec::new();
        for role in ["station-tls", "station-evidence"] {
            all.push(json!({ "role": role, "party": station, "csr": self.csr("P-256") }));
            if role == "station-tls" {
                let kept = self.dir().join(format!("{station}.key"));
                std::fs::rename(self.dir().join("last.key"), kept).expect("kept");
            }
        }
        for agency in agencies {
            for role in ["agency-signature", "agency-encryption"] {
                all.push(json!({ "role": role, "party": agency, "csr": self.csr("P-256") }));
            }
        }
        all
    }

    /// Sets up a station.
    pub(super) fn enrol(&self, agencies: &[&str], station: &str) -> Home {
        let token = self.grant(agencies, station);
        let requests = self.requests(station, agencies);
        let issued = self.post(
            "/v1/enrol",
            &json!({ "token": token, "requests": requests }),
            None,
        );
        assert_eq!(issued.status, 200, "{}", issued.json);
        let pem = issued.json["certificates"][0]["certificate"]
            .as_str()
            .expect("PEM");
        let between = issued.json["authorities"][0].as_str().expect("PEM");
        let chain = self.dir().join(format!("{station}.pem"));
        std::fs::write(&chain, format!("{pem}{between}")).expect("written");
        self.station(station).expect("just written")
    }

    pub(super) fn station(&self, name: &str) -> Option<Home> {
        let chain = self.dir().join(format!("{name}.pem"));
        Some(Home {
            name: name.to_owned(),
            tls: Certificate::load_all(&chain).ok()?.into_iter().next()?,
            key: self.dir().join(format!("{name}.key")),
            chain,
        })
    }

    /// The agency's word for a renewal, by its key of the beginning.
    pub(super) fn proof(&self, request: &Value, signer: &str) -> String {
        let request: Request = serde_json::from_value(request.clone()).expect("a request");
        let (cert, key) = self.agency(signer);
        let statement = request.statement();
        let content = Content::Renewal(&statement);
        let cms = sign::sign_detached(&key, &cert, content, now(), Embed::Signer);
        STANDARD.encode(cms.expect("signed"))
    }

    pub(super) fn attachment(&self, agency: &str, station: &str, sequence: u64) -> Vec<u8> {
        let (cert, key) = self.agency(agency);
        self.signed_attachment((&cert, &key), agency, station, sequence)
    }

    /// An attachment by another certificate of the agency.
    pub(super) fn signed_attachment(
        &self,
        (cert, key): (&Certificate, &SigningKey),
        agency: &str,
        station: &str,
        sequence: u64,
    ) -> Vec<u8> {
        let record = Record::Attachment(Attachment {
            agency: AgencyCode::parse(agency).expect("a code"),
            sequence,
            issued: now(),
            not_after: cert.not_after(),
            station: StationName::parse(station).expect("a name"),
            from: now(),
        });
        record::sign(&record, key, cert, now()).expect("signed")
    }

    /// One more who may sign trust lists.
    pub(super) fn trust_list_signer(&self, name: &str) -> Certificate {
        let _request = self.csr("P-256");
        let file = self.dir().join(format!("{name}.crt"));
        tram_pki(&[
            "issue",
            "--dir",
            text(&self.out),
            "--role",
            "trust-list",
            "--name",
            &format!("{name}.tram.test"),
            "--csr",
            text(&self.dir().join("last.csr")),
            "--out",
            text(&file),
        ])
        .expect("issued");
        Certificate::load(&file).expect("a certificate")
    }

    fn agency(&self, code: &str) -> (Certificate, SigningKey) {
        let home = self.out.join("agencies").join(code);
        (
            Certificate::load(&home.join("signature.crt")).expect("a certificate"),
            SigningKey::load(&home.join("signature.key"), None).expect("a key"),
        )
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        curl(&[&format!("{}{path}", self.api)])
    }

    pub(super) fn bytes(&self, path: &str) -> Vec<u8> {
        self.get(path).bytes
    }

    pub(super) fn post(&self, path: &str, body: &Value, home: Option<&Home>) -> Answer {
        self.raw(path, body.to_string().as_bytes(), home)
    }

    pub(super) fn raw(&self, path: &str, body: &[u8], home: Option<&Home>) -> Answer {
        let file = tempfile::NamedTempFile::new_in(self.dir()).expect("a file");
        std::fs::write(file.path(), body).expect("written");
        let (url, data) = (
            format!("{}{path}", self.api),
            format!("@{}", text(file.path())),
        );
        // No waiting for 100 Continue: the answer may come before the whole body is sent.
        let mut arguments = vec![
            "--data-binary",
            &data,
            "-H",
            "Content-Type: application/json",
            "-H",
            "Expect:",
        ];
        if let Some(home) = home {
            arguments.extend(["--cert", text(&home.chain), "--key", text(&home.key)]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    pub(super) fn public_get(&self, path: &str) -> Answer {
        curl(&[&format!("{}{path}", self.public)])
    }

    pub(super) fn public_post(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let file = tempfile::NamedTempFile::new_in(self.dir()).expect("a file");
        std::fs::write(file.path(), body).expect("written");
        let (url, data) = (
            format!("{}{path}", self.public),
            format!("@{}", text(file.path())),
        );
        curl(&[
            "--data-binary",
            &data,
            "-H",
            &format!("Content-Type: {kind}"),
            &url,
        ])
    }

    /// A new request in base64 without armour; its key is kept beside those before.
    pub(super) fn base64_request(&self) -> String {
        let pem = self.csr("P-256");
        let lines = pem.lines().filter(|line| !line.starts_with('-'));
        let csr: String = lines.collect();
        let kept = self
            .dir()
            .join(format!("{}.est.key", Digest::of(csr.as_bytes())));
        std::fs::rename(self.dir().join("last.key"), kept).expect("kept");
        csr
    }

    /// Writes a certificate and finds its key among those of [`Scene::base64_request`].
    pub(super) fn keep(&self, name: &str, cert: &Certificate) -> (PathBuf, PathBuf) {
        let file = self.dir().join(format!("{name}.pem"));
        let between = std::fs::read_to_string(self.out.join("records/ca.crt")).expect("read");
        std::fs::write(&file, cert.pem() + &between).expect("written");
        let keys = std::fs::read_dir(self.dir()).expect("listed");
        let mut keys = keys.map(|entry| entry.expect("an entry").path());
        let key = keys.find(|path| {
            path.to_string_lossy().ends_with(".est.key")
                && SigningKey::load(path, None).is_ok_and(|key| key.spki_der() == cert.spki_der())
        });
        (file, key.expect("its key"))
    }

    /// The status of an EST operation.
    pub(super) fn est_status(&self, operation: &str, body: &str, more: &[&str]) -> u16 {
        self.est_call(operation, Some(body), more).status
    }

    /// The certificates that an EST operation gives, taken out by openssl.
    pub(super) fn est(
        &self,
        operation: &str,
        body: Option<&str>,
        more: &[&str],
    ) -> Vec<Certificate> {
        let answer = self.est_call(operation, body, more);
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.bytes)
        );
        let file = self.dir().join("certs.p7");
        let der = STANDARD.decode(&answer.bytes).expect("base64");
        std::fs::write(&file, der).expect("written");
        let pem = openssl(&[
            "pkcs7",
            "-inform",
            "DER",
            "-print_certs",
            "-in",
            text(&file),
        ]);
        Certificate::all_from_pem(pem.as_bytes()).expect("PEM")
    }

    fn est_call(&self, operation: &str, body: Option<&str>, more: &[&str]) -> Answer {
        let url = format!("{}/.well-known/est/{operation}", self.api);
        let mut arguments = more.to_vec();
        if let Some(body) = body {
            arguments.extend([
                "--data-binary",
                body,
                "-H",
                "Content-Type: application/pkcs10",
            ]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    /// Many times the same question over one connection.
    pub(super) fn flood(&self, path: &str, body: &Value, times: usize) -> Vec<Answer> {
        let (url, body) = (format!("{}{path}", self.api), body.to_string());
        let mut arguments = vec!["-sk", "-w", "\n%{http_code}\n"];
        for time in 0..times {
            if time > 0 {
                arguments.extend(["--next", "-sk", "-w", "\n%{http_code}\n"]);
            }
            arguments.extend(["-d", &body, &url]);
        }
        let out = Command::new("curl")
            .args(&arguments)
            .output()
            .expect("curl runs");
        let said = String::from_utf8(out.stdout).expect("text");
        let lines: Vec<&str> = said.lines().collect();
        let answers = lines.chunks(2).map(|pair| Answer {
            status: pair[1].parse().expect("a status"),
            bytes: Vec::new(),
            json: serde_json::from_str(pair[0]).expect("JSON"),
        });
        answers.collect()
    }

    /// Asks for what comes after `sequence` and waits for it.
    pub(super) fn waiting_for_news(&self, sequence: u64) -> JoinHandle<Answer> {
        let url = format!("{}/v1/records?after={sequence}&wait=50", self.api);
        std::thread::spawn(move || curl(&[&url]))
    }

    /// What openssl says of a certificate after asking by OCSP.
    pub(super) fn ocsp(&self, cert: &Certificate) -> String {
        let records = self.out.join("records");
        let mut names = ["ca.crt", "ca-H01.crt"]
            .iter()
            .map(|name| records.join(name));
        let issuer = names.find(|path| {
            let issuer = Certificate::load(path).expect("an authority");
            issuer.subject() == cert.issuer()
        });
        let issuer = issuer.expect("one of the two");
        let file = self.dir().join("asked.pem");
        std::fs::write(&file, cert.pem()).expect("written");
        let (url, root) = (format!("{}/ocsp", self.public), records.join("root.crt"));
        let both = self.dir().join("ocsp-between.pem");
        std::fs::copy(&issuer, &both).expect("copied");
        let at = now().unix_s().to_string();
        let said = openssl(&[
            "ocsp",
            "-issuer",
            text(&issuer),
            "-cert",
            text(&file),
            "-url",
            &url,
            "-CAfile",
            text(&root),
            "-verify_other",
            text(&both),
            "-no_nonce",
            "-attime",
            &at,
            "-validity_period",
            "4000000000",
        ]);
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{}: ", text(&file))));
        line.unwrap_or(&said).to_owned()
    }

    /// Asks again until it holds; the test's own time limit ends it.
    pub(super) fn until(&self, holds: impl Fn() -> bool) {
        while !holds() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take()
            && server.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server failed");
        }
    }
}

pub(super) fn code(answer: &Answer) -> (u16, String) {
    (
        answer.status,
        answer.json["code"].as_str().unwrap_or_default().to_owned(),
    )
}

fn curl(arguments: &[&str]) -> Answer {
    let out = Command::new("curl")
        .args(["-sk", "--max-time", "60", "-w", "%{http_code}"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("curl runs");
    let mut bytes = out.stdout;
    let status = bytes.split_off(bytes.len().saturating_sub(3));
    let status = String::from_utf8_lossy(&status).parse().unwrap_or_default();
    let json = serde_json::from_slice(&bytes).unwrap_or_default();
    Answer {
        status,
        bytes,
        json,
    }
}

/// What openssl printed on both streams.
pub(super) fn openssl(arguments: &[&str]) -> String {
    let out = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl runs");
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}
