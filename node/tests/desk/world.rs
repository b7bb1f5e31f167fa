//! Two nodes and a relay between them, in this process: real stations over loopback, a real authority's
//! output, a time-stamp authority in process. `tram-pki` is taken from the build folder.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use formats::id::{AgencyCode, EnvelopeId};
use node::config::NodeConfig;
use node::desk::{Desk, Draft, DraftFile, Submission};
use node::view::{Accepted, RecipientState};
use relay::config::Timing;

pub const SENDER: &str = "H01.36";
pub const RECIPIENT: &str = "H01.36.04";

pub struct World {
    pub a: Desk,
    pub b: Desk,
    relay: relay::station::Station,
    /// Between the first relay and node B, where there are two.
    second: Option<relay::station::Station>,
    pub dir: tempfile::TempDir,
    tsa: tokio::task::JoinHandle<()>,
    /// Renews and publishes, where every station has records of its own.
    pub authority: Option<Authority>,
}

impl World {
    /// Starts both nodes and a relay over one folder of records.
    pub async fn start() -> Self {
        Self::start_as(false, 1, str::to_owned).await
    }

    /// The same with two relays on the way.
    pub async fn start_over_two_relays() -> Self {
        Self::start_as(false, 2, str::to_owned).await
    }

    /// Starts them with an authority that they pull from and that renews their certificates.
    pub async fn start_renewing() -> Self {
        Self::start_as(true, 1, str::to_owned).await
    }

    /// Starts them after the configuration of node A was changed.
    pub async fn start_with(change: impl Fn(&str) -> String) -> Self {
        Self::start_as(false, 1, change).await
    }

    async fn start_as(renewing: bool, relays: usize, change: impl Fn(&str) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let tsa_address = listener.local_addr().unwrap();
        let (link_a, link_b, link_relay) = (free_udp(), free_udp(), free_udp());
        let link_second = free_udp();
        let (near_b, second) = match relays {
            2 => (
                "relay-nam",
                format!(
                    "[[station]]\nname = \"relay-nam.tram.test\"\nkind = \"relay\"\n\
                     address = \"127.0.0.1:{link_second}\"\n\
                     neighbours = [\"relay-bac.tram.test\"]\n"
                ),
            ),
            _ => ("relay-bac", String::new()),
        };
        let neighbours = match relays {
            2 => "neighbours = [\"relay-nam.tram.test\"]\n",
            _ => "",
        };
        let plan = format!(
            "[authority]\nname = \"Thử\"\ntrust_domain = \"tram.test\"\n\
             [tsa]\nname = \"tsa-1.tram.test\"\nurl = \"http://{tsa_address}/\"\n\
             [[station]]\nname = \"relay-bac.tram.test\"\nkind = \"relay\"\n\
             address = \"127.0.0.1:{link_relay}\"\n{neighbours}{second}\
             [[station]]\nname = \"node-a.tram.test\"\nkind = \"node\"\n\
             address = \"127.0.0.1:{link_a}\"\nhome_relays = [\"relay-bac.tram.test\"]\n\
             [[station]]\nname = \"node-b.tram.test\"\nkind = \"node\"\n\
             address = \"127.0.0.1:{link_b}\"\nhome_relays = [\"{near_b}.tram.test\"]\n\
             [[agency]]\ncode = \"{SENDER}\"\nname = \"Sở Nội vụ tỉnh A\"\n\
             aliases = [\"000.00.36.H01\"]\nstation = \"node-a.tram.test\"\n\
             [[agency]]\ncode = \"H01.37\"\nname = \"Sở Tài chính tỉnh A\"\n\
             station = \"node-a.tram.test\"\n\
             [[agency]]\ncode = \"{RECIPIENT}\"\nname = \"UBND xã Đông Tiến\"\n\
             aliases = [\"000.04.36.H01\"]\nstation = \"node-b.tram.test\"\n"
        );
        let plan = match renewing {
            true => format!("{plan}[[agency]]\ncode = \"H01.38\"\nname = \"Sở Y tế tỉnh A\"\n"),
            false => plan,
        };
        let plan_file = dir.path().join("plan.toml");
        std::fs::write(&plan_file, plan).unwrap();
        let out = dir.path().join("pki");
        run(
            &tram_pki(),
            &[
                "init",
                "--plan",
                plan_file.to_str().unwrap(),
                "--out",
                out.to_str().unwrap(),
            ],
        );
        let tsa = serve_tsa(&out, listener);
        let authority = match renewing {
            true => Some(Authority::serve(&out).await),
            false => None,
        };
        let config = |name: &str, link: u16, agencies: &[&str]| {
            let tsa = tsa_address.to_string();
            config(dir.path(), name, link, agencies, &tsa, authority.as_ref())
        };
        let config_a = config("node-a", link_a, &[SENDER, "H01.37"]);
        let text = std::fs::read_to_string(&config_a).unwrap();
        std::fs::write(&config_a, change(&text)).unwrap();
        let config_b = config("node-b", link_b, &[RECIPIENT]);
        config("relay-bac", link_relay, &[]);
        let relay = start_relay(dir.path(), "relay-bac").await;
        let second = match relays {
            2 => {
                config("relay-nam", link_second, &[]);
                Some(start_relay(dir.path(), "relay-nam").await)
            }
            _ => None,
        };
        let a = Desk::start(load(&config_a)).await.unwrap();
        let b = Desk::start(load(&config_b)).await.unwrap();
        Self {
            a,
            b,
            relay,
            second,
            dir,
            tsa,
            authority,
        }
    }

    /// The second station between them.
    pub fn second(&self) -> &relay::station::Station {
        self.second.as_ref().unwrap()
    }

    /// The station between them.
    pub fn relay(&self) -> &relay::station::Station {
        &self.relay
    }

    /// Stops the relay, has something done without it, and starts it again on the same data.
    pub async fn while_the_relay_is_down(self, work: impl AsyncFnOnce(&Desk, &Desk)) -> Self {
        let Self {
            a,
            b,
            relay,
            second,
            dir,
            tsa,
            authority,
        } = self;
        relay.shutdown().await;
        drop(relay);
        work(&a, &b).await;
        let relay = start_relay(dir.path(), "relay-bac").await;
        Self {
            a,
            b,
            relay,
            second,
            dir,
            tsa,
            authority,
        }
    }

    pub async fn stop(self) {
        self.a.stop().await;
        self.b.stop().await;
        self.relay.shutdown().await;
        if let Some(second) = &self.second {
            second.shutdown().await;
        }
        self.tsa.abort();
    }

    /// Ends the relay: nothing leaves the nodes any more.
    pub async fn stop_relay(&self) {
        self.relay.shutdown().await;
    }

    /// Stops node B and starts it again on the same data.
    pub async fn restart_b(self) -> Self {
        self.while_b_is_down(async |_| {}).await
    }

    /// Stops node B, has something done at node A, and starts B again on the same data.
    pub async fn while_b_is_down(self, work: impl AsyncFnOnce(&Desk)) -> Self {
        let Self {
            a,
            b,
            relay,
            second,
            dir,
            tsa,
            authority,
        } = self;
        b.stop().await;
        // The last handle goes: only then is the folder free.
        drop(b);
        work(&a).await;
        let config = dir.path().join("node-b.toml");
        let b = Desk::start(load(&config)).await.unwrap();
        Self {
            a,
            b,
            relay,
            second,
            dir,
            tsa,
            authority,
        }
    }

    /// Asks again and again until the question has an answer.
    pub async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let answered = async {
            loop {
                if let Some(answer) = ask(self).await {
                    return answer;
                }
                // A state may change by the station alone (custody), which no desk signals.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), answered).await {
            Ok(answer) => answer,
            Err(_) => panic!("no answer: {what}"),
        }
    }

    /// Waits until the one recipient of a document of the sender is in this state.
    pub async fn until_state(&self, id: EnvelopeId, state: RecipientState) {
        self.until(state.code(), async |world| {
            let recipients = world.a.recipients(&sender(), id).await.unwrap();
            (recipients[0].state == state).then_some(())
        })
        .await;
    }

    /// Submits what `compose` makes of a draft.
    pub async fn send(&self, draft: Draft, files: Vec<DraftFile>) -> Accepted {
        let packet = self.a.compose(&sender(), draft, files).await.unwrap();
        self.a
            .submit(&sender(), Submission::of(packet))
            .await
            .unwrap()
    }
}

pub fn sender() -> AgencyCode {
    AgencyCode::parse(SENDER).unwrap()
}

pub fn recipient() -> AgencyCode {
    AgencyCode::parse(RECIPIENT).unwrap()
}

/// A draft of today that is right in every field.
pub fn draft(number: &str, to: &[&str]) -> Draft {
    Draft {
        to: to.iter().map(|code| (*code).to_owned()).collect(),
        number: number.to_owned(),
        notation: "SNV-VP".to_owned(),
        promulgated: "2026-01-09".to_owned(),
        type_name: "Công văn".to_owned(),
        type_detail: Some(18),
        subject: "V/v kiểm thử liên thông".to_owned(),
        signer_name: "Trần Văn Mẫu".to_owned(),
        ..Draft::default()
    }
}

pub fn file(name: &str, bytes: &[u8]) -> DraftFile {
    DraftFile {
        name: name.to_owned(),
        mime: "application/pdf".to_owned(),
        description: None,
        body: node::body::Body::memory(bytes.to_vec()),
    }
}

/// Reads a configuration and makes its waits short.
pub fn load(path: &Path) -> NodeConfig {
    let mut config = NodeConfig::load(path).unwrap();
    config.station.timing = short(config.station.timing);
    config
}

fn short(timing: Timing) -> Timing {
    Timing {
        records: Duration::from_millis(200),
        renew: Duration::from_millis(300),
        overlap: Duration::from_millis(1_500),
        ..timing
    }
}

async fn start_relay(dir: &Path, name: &str) -> relay::station::Station {
    let config = dir.join(format!("{name}.toml"));
    let mut config = relay::config::StationConfig::load(&config).unwrap();
    config.timing = short(config.timing);
    relay::station::Station::start(config, None).await.unwrap()
}

/// The authority's own server over the folder that `init` made.
pub struct Authority {
    pub url: String,
    pub fingerprint: String,
    folder: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Authority {
    async fn serve(pki: &Path) -> Self {
        let clock = relay::clock::Clock::system();
        let (now, any) = (clock.now(), (Ipv4Addr::LOCALHOST, 0).into());
        let clock: pki::authority::tsa::Clock = std::sync::Arc::new(move || Some(clock.now()));
        let server = pki::authority::server::Server::bind(pki, any, Some(any), clock, now)
            .await
            .unwrap();
        let address = server.api_address().unwrap().unwrap();
        let root = pki::cert::Certificate::load(&pki.join("authority/root.crt")).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "owned by the world, aborted at its end"
        )]
        let task = tokio::spawn(async move {
            let stop = tokio_util::sync::CancellationToken::new();
            server.run(stop).await.unwrap();
        });
        Self {
            url: format!("https://{address}"),
            fingerprint: root.sha256().to_string(),
            folder: pki.to_owned(),
            task,
        }
    }

    /// A token for a node with one agency.
    pub fn grant(&self, code: &str, station: &str) -> String {
        let folder = self.folder.to_str().unwrap();
        let line = [
            "grant",
            code,
            "--dir",
            folder,
            "--station",
            station,
            "--json",
        ];
        let said: serde_json::Value = serde_json::from_str(&run(&tram_pki(), &line)).unwrap();
        said["token"].as_str().unwrap().to_owned()
    }
}

fn files_of(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn config(
    dir: &Path,
    name: &str,
    link: u16,
    agencies: &[&str],
    tsa: &str,
    authority: Option<&Authority>,
) -> PathBuf {
    let pki = dir.join("pki");
    let mut records = pki.join("records");
    let mut section = String::new();
    if let Some(authority) = authority {
        let own = dir.join(format!("{name}-records"));
        std::fs::create_dir_all(&own).unwrap();
        for (file, bytes) in files_of(&records) {
            std::fs::write(own.join(file), bytes).unwrap();
        }
        records = own;
        section = format!(
            "[authority]\nurl = \"{}\"\nfingerprint = \"{}\"\n",
            authority.url, authority.fingerprint
        );
    }
    let archive = match agencies {
        [] => "",
        _ => "[archive]\nwhen = \"final\"\ndays = 0\n",
    };
    let http = if agencies.is_empty() {
        ""
    } else {
        "http = \"127.0.0.1:0\"\ndocument_anchors = \"anchors\"\n"
    };
    // Documents of these tests are days old at most: the rule is for those that make one old.
    let keep = if agencies.is_empty() {
        ""
    } else {
        "[retention]\ndocument_years = 1\n"
    };
    std::fs::create_dir_all(dir.join("anchors")).unwrap();
    std::fs::write(dir.join("anchors/root.crt"), ANCHOR).unwrap();
    let mut text = format!(
        "name = \"{name}.tram.test\"\ndata = \"{name}\"\nrecords = {:?}\n\
         listen = \"127.0.0.1:{link}\"\n{http}[identity]\ndir = {:?}\n\
         [time_stamp]\nurl = \"http://{tsa}/\"\n{archive}{keep}{section}",
        records,
        pki.join("stations").join(format!("{name}.tram.test")),
    );
    for code in agencies {
        let keys = pki.join("agencies").join(code);
        text += &format!("[[agency]]\ncode = \"{code}\"\ndir = {keys:?}\n");
    }
    let path = dir.join(format!("{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

/// The authority behind the signed PDF files of the corpus.
const ANCHOR: &[u8] = include_bytes!("../../../tests/corpus/pdf/root.crt");

fn serve_tsa(pki: &Path, listener: tokio::net::TcpListener) -> tokio::task::JoinHandle<()> {
    let folder = pki.join("authority");
    let key = pki::key::SigningKey::load(&folder.join("tsa.key"), None).unwrap();
    let certificate = pki::cert::Certificate::load(&folder.join("tsa.crt")).unwrap();
    let chain = vec![pki::cert::Certificate::load(&folder.join("ca.crt")).unwrap()];
    let issuer = pki::stamp::TokenIssuer::new(key, certificate, chain);
    let clock = relay::clock::Clock::system();
    let now: pki::authority::tsa::Clock = std::sync::Arc::new(move || Some(clock.now()));
    #[expect(
        clippy::disallowed_methods,
        reason = "owned by the world, aborted at its end"
    )]
    tokio::spawn(async move {
        let forever = std::future::pending();
        pki::authority::tsa::serve(listener, issuer, now, forever)
            .await
            .unwrap();
    })
}

pub fn tram_pki() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let folder = me.parent().and_then(Path::parent).unwrap();
    let path = folder.join("tram-pki");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --bins` first",
        path.display()
    );
    path
}

pub fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn free_udp() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}
