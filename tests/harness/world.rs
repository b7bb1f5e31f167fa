//! A whole Trạm on this machine: authority, relays and nodes as real processes on loopback.
//!
//! Owns: the folder of the world (authority's output, configuration, data, logs), the free ports, every
//! process. The demo, the stories, the fault tests and the benchmark all build their world here, so what
//! a newcomer sees is what the tests test. Fails by panic with the process's log.
//! Must not know: what a test wants to prove.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::client::NodeClient;
use crate::process::{Process, bin, run};

/// How long a process may take from its start to readiness.
const READY: Duration = Duration::from_secs(60);

/// One agency of the plan.
#[derive(Debug, Clone)]
pub struct AgencySpec {
    /// Canonical code.
    pub code: &'static str,
    /// Name shown to people.
    pub name: &'static str,
    /// Old form of the code, if it has one.
    pub alias: Option<&'static str>,
}

/// Short form of an [`AgencySpec`] without an alias.
#[must_use]
pub const fn agency(code: &'static str, name: &'static str) -> AgencySpec {
    AgencySpec {
        code,
        name,
        alias: None,
    }
}

/// One station of the plan. Names are the first label; the trust domain is added.
#[derive(Debug, Clone)]
pub struct StationSpec {
    /// First label of the station's name, with a hyphen.
    pub label: &'static str,
    /// Relays that a node dials, by label; empty for a relay.
    pub home_relays: Vec<&'static str>,
    /// Stations that it may exchange with directly, by label.
    pub neighbours: Vec<&'static str>,
    /// Agencies whose home station this is; a station with agencies is a node.
    pub agencies: Vec<AgencySpec>,
}

/// What a world consists of.
#[derive(Debug, Clone)]
pub struct Topology {
    /// Relays first, then nodes: the order in which they start.
    pub stations: Vec<StationSpec>,
    /// Whether a time-stamp authority runs.
    pub tsa: bool,
    /// Whether nodes report arrivals by status packets 01, as they do unless told otherwise.
    pub automatic_01: bool,
}

impl Topology {
    /// Two nodes with one relay between: `H01.36` at the sender, `H01.36.04` at the recipient.
    #[must_use]
    pub fn one_relay() -> Self {
        Self {
            stations: vec![
                relay("relay-bac", &[]),
                node(
                    "node-a",
                    &["relay-bac"],
                    vec![agency("H01.36", "Sở Nội vụ tỉnh A")],
                ),
                node(
                    "node-b",
                    &["relay-bac"],
                    vec![agency("H01.36.04", "UBND xã Đông Tiến")],
                ),
            ],
            tsa: true,
            automatic_01: true,
        }
    }

    /// Two nodes that exchange directly.
    #[must_use]
    pub fn direct() -> Self {
        let mut a = node("node-a", &[], vec![agency("H01.36", "Sở Nội vụ tỉnh A")]);
        let mut b = node(
            "node-b",
            &[],
            vec![agency("H01.36.04", "UBND xã Đông Tiến")],
        );
        a.neighbours.push("node-b");
        b.neighbours.push("node-a");
        Self {
            stations: vec![a, b],
            tsa: true,
            automatic_01: true,
        }
    }
}

/// A relay with its neighbours.
#[must_use]
pub fn relay(label: &'static str, neighbours: &[&'static str]) -> StationSpec {
    StationSpec {
        label,
        home_relays: vec![],
        neighbours: neighbours.to_vec(),
        agencies: vec![],
    }
}

/// A node with the relays it dials and the agencies it serves.
#[must_use]
pub fn node(
    label: &'static str,
    home_relays: &[&'static str],
    agencies: Vec<AgencySpec>,
) -> StationSpec {
    StationSpec {
        label,
        home_relays: home_relays.to_vec(),
        neighbours: vec![],
        agencies,
    }
}

/// One station of a running world.
#[derive(Debug)]
pub struct StationHandle {
    /// What it was planned as.
    pub spec: StationSpec,
    /// Full name.
    pub name: String,
    /// Its data folder.
    pub data: PathBuf,
    /// Its configuration file.
    pub config: PathBuf,
    /// UDP address of the link.
    pub link: SocketAddr,
    /// Address of the operations endpoint.
    pub ops: SocketAddr,
    /// Address of doors and screens (nodes only).
    pub http: Option<SocketAddr>,
    /// API keys: agency code and key.
    pub keys: Vec<(String, String)>,
    /// The process while it runs.
    pub process: Option<Process>,
    log: PathBuf,
}

impl StationHandle {
    /// True for a node, false for a relay.
    #[must_use]
    pub fn is_node(&self) -> bool {
        self.http.is_some()
    }

    /// Base URL of the doors; panics for a relay.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.http.expect("a node has doors"))
    }

    /// A client of one of its agencies.
    #[must_use]
    pub fn client(&self, code: &str) -> NodeClient {
        let key = self
            .keys
            .iter()
            .find_map(|(agency, key)| (agency == code).then_some(key))
            .unwrap_or_else(|| panic!("{} does not serve {code}", self.name));
        NodeClient::new(&self.base_url(), key)
    }

    /// Starts the process and waits until it is ready.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Like [`StationHandle::start`] with extra environment variables.
    pub fn start_with(&mut self, env: &[(&str, &str)]) {
        self.spawn_with(env);
        self.wait_ready();
    }

    /// Starts the process without waiting.
    pub fn spawn(&mut self) {
        self.spawn_with(&[]);
    }

    fn spawn_with(&mut self, env: &[(&str, &str)]) {
        let program = bin(if self.is_node() {
            "tram-node"
        } else {
            "tram-relay"
        });
        let config = self
            .config
            .to_str()
            .expect("paths of tests are text")
            .to_owned();
        self.process = Some(Process::start_with(
            &self.name,
            &program,
            &["run", "--config", &config],
            env,
            &self.log,
        ));
    }

    /// Waits until the running process says that it is ready.
    pub fn wait_ready(&mut self) {
        let url = format!("http://{}/livez", self.http.unwrap_or(self.ops));
        let process = self.process.as_mut().expect("started before");
        process.wait_ready("readiness", READY, || answers(&url));
    }

    /// Kills the process as a power switch would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Ends the process in order.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(Duration::from_secs(10));
        }
    }

    /// Last part of the log, for messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        crate::process::tail(&self.log, 6000)
    }

    /// The whole log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The operations endpoint's answer as JSON.
    #[must_use]
    pub fn ops_json(&self, path: &str) -> serde_json::Value {
        let text = http_get(&format!("http://{}{path}", self.ops)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(serde_json::Value::Null)
    }
}

/// A running Trạm. Dropping it ends every process that it started.
#[derive(Debug)]
pub struct World {
    /// Folder of everything.
    pub dir: PathBuf,
    /// Folder of the authority's output.
    pub authority: PathBuf,
    /// Public records that all stations load.
    pub records: PathBuf,
    /// URL of the time-stamp authority, if one runs.
    pub tsa_url: Option<String>,
    /// URL under which the authority enrols stations, if its server runs.
    pub api_url: Option<String>,
    /// The authority's server.
    pub tsa: Option<Process>,
    /// Whether nodes report arrivals by status packets 01.
    pub automatic_01: bool,
    /// Stations in the order of the plan.
    pub stations: Vec<StationHandle>,
    _keep: Option<tempfile::TempDir>,
}

/// Names end in this; demo and tests only.
pub const TRUST_DOMAIN: &str = "tram.test";

impl World {
    /// Plans, issues, configures and starts everything in a fresh temporary folder.
    #[must_use]
    pub fn start(topology: &Topology) -> Self {
        let mut world = Self::prepare(topology);
        world.start_all();
        world
    }

    /// Like [`World::start`], but starts no station yet.
    #[must_use]
    pub fn prepare(topology: &Topology) -> Self {
        let keep = tempfile::Builder::new()
            .prefix("tram-")
            .tempdir()
            .expect("temporary folder");
        let mut world = Self::prepare_in(keep.path(), topology);
        world._keep = Some(keep);
        world
    }

    /// Plans, issues and configures in `dir`; starts only the authority's server.
    #[must_use]
    pub fn prepare_in(dir: &Path, topology: &Topology) -> Self {
        std::fs::create_dir_all(dir.join("log")).expect("folder of the world");
        let tsa_address = topology.tsa.then(free_tcp);
        let tsa_url = tsa_address.map(|address| format!("http://{address}/"));
        let stations: Vec<StationHandle> = topology
            .stations
            .iter()
            .map(|spec| place(dir, spec))
            .collect();
        let plan = dir.join("plan.toml");
        std::fs::write(&plan, plan_text(&stations, tsa_url.as_deref())).expect("plan is written");
        let authority = dir.join("pki");
        let text = |path: &Path| path.to_str().expect("paths of tests are text").to_owned();
        run(
            &bin("tram-pki"),
            &["init", "--plan", &text(&plan), "--out", &text(&authority)],
        );
        let mut world = Self {
            dir: dir.to_owned(),
            records: authority.join("records"),
            authority,
            tsa_url,
            api_url: None,
            tsa: None,
            automatic_01: topology.automatic_01,
            stations,
            _keep: None,
        };
        if let Some(address) = tsa_address {
            world.start_authority(address);
        }
        for index in 0..world.stations.len() {
            world.configure(index);
        }
        world
    }

    fn start_authority(&mut self, address: SocketAddr) {
        let dir = self
            .authority
            .to_str()
            .expect("paths of tests are text")
            .to_owned();
        let api = free_tcp().to_string();
        let mut process = Process::start(
            "authority",
            &bin("tram-pki"),
            &[
                "serve",
                "--dir",
                &dir,
                "--listen",
                &address.to_string(),
                "--api",
                &api,
            ],
            &self.dir.join("log/authority.log"),
        );
        self.api_url = Some(format!("https://{api}"));
        let url = format!("http://{address}/livez");
        process.wait_ready("readiness", READY, || answers(&url));
        self.tsa = Some(process);
    }

    /// A command of `tram-pki` about this authority; gives its JSON.
    pub fn tram_pki(&self, arguments: &[&str]) -> serde_json::Value {
        let dir = self.authority.to_str().expect("paths of tests are text");
        let mut all = vec!["--json"];
        all.extend(arguments);
        all.extend(["--dir", dir]);
        let output = run(&bin("tram-pki"), &all);
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Lets a new node join the running network as its administrator would: the agencies are added to
    /// the directory, a token is granted, `tram-node enrol` does the rest. Starts it and makes API keys.
    pub fn join(&mut self, spec: &StationSpec) {
        for agency in &spec.agencies {
            self.tram_pki(&[
                "records",
                "add",
                "--code",
                agency.code,
                "--name",
                agency.name,
            ]);
        }
        let mut station = place(&self.dir, spec);
        let mut order = vec!["grant"];
        order.extend(spec.agencies.iter().map(|agency| agency.code));
        order.extend(["--station", &station.name]);
        let grant = self.tram_pki(&order);
        let word = |name: &str| grant[name].as_str().expect("a grant says so").to_owned();
        let home = self.dir.join(spec.label);
        let text = |path: &Path| path.to_str().expect("paths of tests are text").to_owned();
        let http = station.http.expect("a node has doors").to_string();
        run(
            &bin("tram-node"),
            &[
                "enrol",
                "--authority",
                self.api_url
                    .as_deref()
                    .expect("the authority's server runs"),
                "--fingerprint",
                &word("fingerprint"),
                "--token",
                &word("token"),
                "--dir",
                &text(&home),
                "--listen",
                &station.link.to_string(),
                "--ops",
                &station.ops.to_string(),
                "--http",
                &http,
                "--no-start",
            ],
        );
        station.config = home.join("node.toml");
        station.data = home.join("data");
        add_keys(&mut station);
        station.start();
        self.stations.push(station);
    }

    /// Starts every station that does not run.
    pub fn start_all(&mut self) {
        for station in &mut self.stations {
            if station.process.is_none() {
                station.spawn();
            }
        }
        for station in &mut self.stations {
            station.wait_ready();
        }
    }

    /// The station with this first label.
    pub fn station(&mut self, label: &str) -> &mut StationHandle {
        self.stations
            .iter_mut()
            .find(|station| station.spec.label == label)
            .unwrap_or_else(|| panic!("the plan has no station {label}"))
    }

    /// A client of an agency at its home station.
    #[must_use]
    pub fn client(&self, code: &str) -> NodeClient {
        self.stations
            .iter()
            .find(|station| station.keys.iter().any(|(agency, _)| agency == code))
            .unwrap_or_else(|| panic!("no node serves {code}"))
            .client(code)
    }

    /// Ends the stations in order, nodes first; the authority stays.
    pub fn stop_stations(&mut self) {
        for station in self.stations.iter_mut().rev() {
            station.stop();
        }
    }

    /// Ends every process in order: nodes, relays, authority.
    pub fn stop(&mut self) {
        self.stop_stations();
        if let Some(mut tsa) = self.tsa.take() {
            tsa.stop(Duration::from_secs(5));
        }
    }

    /// What scripts need to drive this world: addresses, keys, folders, process ids.
    #[must_use]
    pub fn describe(&self) -> serde_json::Value {
        let nodes: Vec<_> = self
            .stations
            .iter()
            .filter(|s| s.is_node())
            .map(node_json)
            .collect();
        let relays: Vec<_> = self
            .stations
            .iter()
            .filter(|station| !station.is_node())
            .map(|station| {
                json!({
                    "name": station.name,
                    "link": station.link.to_string(),
                    "ops_url": format!("http://{}", station.ops),
                    "data": station.data,
                    "config": station.config,
                    "pid": station.process.as_ref().map(Process::id),
                })
            })
            .collect();
        json!({
            "trust_domain": TRUST_DOMAIN,
            "dir": self.dir,
            "bin": crate::process::bin_dir(),
            "authority": {
                "dir": self.authority,
                "records": self.records,
                "tsa_url": self.tsa_url,
                "pid": self.tsa.as_ref().map(Process::id),
            },
            "relays": relays,
            "nodes": nodes,
        })
    }

    fn configure(&mut self, index: usize) {
        let records = self.records.clone();
        let authority = self.authority.clone();
        let tsa_url = self.tsa_url.clone();
        let station = &mut self.stations[index];
        let (tsa, told) = (tsa_url.as_deref(), self.automatic_01);
        let text = config_text(station, &records, &authority, tsa, told);
        std::fs::write(&station.config, text).expect("configuration is written");
        add_keys(station);
    }

    /// Makes new API keys for the agencies of a node, after its data folder was replaced.
    pub fn renew_keys(&mut self, label: &str) {
        let station = self.station(label);
        station.keys.clear();
        add_keys(station);
    }
}

/// An API key for each agency of a node that does not run.
fn add_keys(station: &mut StationHandle) {
    let config = station
        .config
        .to_str()
        .expect("paths of tests are text")
        .to_owned();
    for agency in station.spec.agencies.clone() {
        let output = run(
            &bin("tram-node"),
            &[
                "key",
                "add",
                "--config",
                &config,
                "--agency",
                agency.code,
                "--json",
            ],
        );
        let answer: serde_json::Value = serde_json::from_str(&output)
            .unwrap_or_else(|error| panic!("key add answers JSON ({error}): {output}"));
        let key = answer["key"]
            .as_str()
            .expect("key add answers the key")
            .to_owned();
        station.keys.push((agency.code.to_owned(), key));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

fn node_json(station: &StationHandle) -> serde_json::Value {
    let agencies: Vec<_> = station
        .spec
        .agencies
        .iter()
        .map(|agency| {
            let key = station
                .keys
                .iter()
                .find(|(code, _)| code == agency.code)
                .map(|(_, key)| key);
            json!({"code": agency.code, "name": agency.name, "api_key": key})
        })
        .collect();
    json!({
        "name": station.name,
        "agencies": agencies,
        "base_url": station.base_url(),
        "api_key": station.keys.first().map(|(_, key)| key),
        "link": station.link.to_string(),
        "ops_url": format!("http://{}", station.ops),
        "data": station.data,
        "config": station.config,
        "pid": station.process.as_ref().map(Process::id),
    })
}

fn place(dir: &Path, spec: &StationSpec) -> StationHandle {
    let name = format!("{}.{TRUST_DOMAIN}", spec.label);
    let home = dir.join(spec.label);
    std::fs::create_dir_all(&home).expect("folder of the station");
    StationHandle {
        data: home.join("data"),
        config: home.join("config.toml"),
        link: free_udp(),
        ops: free_tcp(),
        http: (!spec.agencies.is_empty()).then(free_tcp),
        keys: vec![],
        process: None,
        log: dir.join("log").join(format!("{}.log", spec.label)),
        spec: spec.clone(),
        name,
    }
}

fn plan_text(stations: &[StationHandle], tsa_url: Option<&str>) -> String {
    let full = |labels: &[&str]| {
        labels
            .iter()
            .map(|label| format!("\"{label}.{TRUST_DOMAIN}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = format!(
        "[authority]\nname = \"Trạm thử nghiệm\"\ntrust_domain = \"{TRUST_DOMAIN}\"\n\n\
         [tsa]\nname = \"tsa-demo.{TRUST_DOMAIN}\"\nurl = \"{}\"\n",
        tsa_url.unwrap_or("http://127.0.0.1:9/")
    );
    for station in stations {
        text += &format!(
            "\n[[station]]\nname = \"{}\"\nkind = \"{}\"\naddress = \"{}\"\nhome_relays = [{}]\n\
             neighbours = [{}]\nsite = \"demo\"\n",
            station.name,
            if station.is_node() { "node" } else { "relay" },
            station.link,
            full(&station.spec.home_relays),
            full(&station.spec.neighbours),
        );
    }
    for station in stations {
        for agency in &station.spec.agencies {
            let aliases = agency
                .alias
                .map_or(String::new(), |alias| format!("\"{alias}\""));
            text += &format!(
                "\n[[agency]]\ncode = \"{}\"\nname = \"{}\"\naliases = [{aliases}]\n\
                 station = \"{}\"\n",
                agency.code, agency.name, station.name
            );
        }
    }
    text
}

fn config_text(
    station: &StationHandle,
    records: &Path,
    authority: &Path,
    tsa_url: Option<&str>,
    automatic_01: bool,
) -> String {
    let keys = authority.join("stations").join(&station.name);
    let mut text = format!(
        "name = \"{}\"\ndata = {:?}\nrecords = {:?}\nlisten = \"{}\"\nops = \"{}\"\n",
        station.name, station.data, records, station.link, station.ops
    );
    if let Some(http) = station.http {
        text += &format!("http = \"{http}\"\n");
    }
    text += &format!("\n[identity]\ndir = {keys:?}\n");
    text += &format!(
        "\n[trust]\nlist_key = {:?}\n",
        authority.join("authority/trust-list.crt")
    );
    if let Some(url) = tsa_url {
        text += &format!("\n[time_stamp]\nurl = \"{url}\"\n");
    }
    for agency in &station.spec.agencies {
        let dir = authority.join("agencies").join(agency.code);
        text += &format!("\n[[agency]]\ncode = \"{}\"\ndir = {dir:?}\n", agency.code);
        if !automatic_01 {
            text += "automatic_01 = false\n";
        }
    }
    text
}

/// A TCP address on loopback that was free a moment ago.
#[must_use]
pub fn free_tcp() -> SocketAddr {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    socket.local_addr().expect("a bound socket has an address")
}

/// A UDP address on loopback that was free a moment ago.
#[must_use]
pub fn free_udp() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    socket.local_addr().expect("a bound socket has an address")
}

/// True when a GET is answered with success.
#[must_use]
pub fn answers(url: &str) -> bool {
    http_get(url).is_some()
}

/// Body of a successful GET over plain HTTP/1.1; small answers only, no client library needed here.
#[must_use]
pub fn http_get(url: &str) -> Option<String> {
    use std::io::{Read, Write};
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address: SocketAddr = host.parse().ok()?;
    let mut stream =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split_whitespace().nth(1)? == "200").then(|| body.to_owned())
}
