//! The steps: which world, which size, how many in flight, and the row that is printed.
//!
//! Owns: the table of steps of benchmark.md as far as one machine with two nodes and a relay can run it, and the
//! names of the fields. Any lost or doubled document fails the run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::process::Process;
use tests::samples::{self, Letter};
use tests::world::{Topology, World, agency, node, relay};

use crate::directory;
use crate::limits;
use crate::measure::{Sample, Used, disk_bytes, forget_peak, peak_mib, percentile, pss_mib};
use crate::reading;
use crate::receipts::Judge;
use crate::stamps;
use crate::traffic::{self, Load, Packet, Receiver};

/// Steps by name.
pub const NAMES: [&str; 10] = [
    "limits",
    "edxml",
    "directory",
    "direct",
    "relay",
    "fanout",
    "light",
    "backlog",
    "large",
    "stamps",
];

const SENDER: &str = "H01.36";
const RECIPIENT: &str = "H01.36.04";

/// Sizes of the load steps and how many documents are in flight (benchmark.md, 4).
const LOADS: [(usize, usize); 3] = [(4096, 256), (256 * 1024, 64), (10 * 1024 * 1024, 4)];

/// Whether there is a load step of this size.
pub fn is_load(size: usize) -> bool {
    LOADS.iter().any(|(load, _)| *load == size)
}

/// What the command line chose.
#[derive(Debug)]
pub struct Options {
    /// Where the worlds are made.
    pub dir: Option<PathBuf>,
    /// Seconds of each load step.
    pub seconds: u64,
    /// Only the load step of this size.
    pub size: Option<usize>,
    /// With a time-stamp authority.
    pub tsa: bool,
    /// Chosen steps; empty = all.
    pub steps: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: None,
            seconds: 10,
            size: None,
            tsa: true,
            steps: vec![],
        }
    }
}

/// Runs the chosen steps; false when a document was lost, doubled or refused.
pub async fn run(options: &Options) -> bool {
    let chosen = |name: &str| options.steps.is_empty() || options.steps.iter().any(|s| s == name);
    let base = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&base).expect("the folder can be made");
    let mut good = true;
    if chosen("limits") {
        print(&limits::measure(&base).await);
    }
    if chosen("edxml") {
        print(&reading::measure(&base, write_large));
    }
    if chosen("directory") {
        print(&directory::measure(&base));
    }
    for mode in ["direct", "relay"] {
        let loads = chosen(mode);
        if loads || (mode == "relay" && (chosen("light") || chosen("backlog") || chosen("large"))) {
            good &= mode_steps(options, &base, mode, &chosen, loads).await;
        }
    }
    if chosen("relay") && options.tsa && options.size.is_none_or(|only| only == 4096) {
        let bench = Bench::start(&base, "relay", false, false);
        good &= bench.load("load", 4096, 256, options.seconds).await;
        // Statuses are not in the workload; nodes send 01 unless told otherwise, so its price is shown.
        let bench = Bench::start(&base, "relay", true, true);
        good &= bench.load("load", 4096, 256, options.seconds).await;
    }
    if chosen("stamps") && options.tsa {
        good &= stamps::measure(&base, options.seconds, number, print).await;
    }
    if chosen("fanout") {
        good &= fanout(options, &base).await;
    }
    good
}

async fn mode_steps(
    options: &Options,
    base: &Path,
    mode: &'static str,
    chosen: &impl Fn(&str) -> bool,
    loads: bool,
) -> bool {
    let mut bench = Bench::start(base, mode, options.tsa, false);
    let mut good = true;
    if chosen("light") {
        good &= bench.light().await;
    }
    if loads {
        let wanted = |size| options.size.is_none_or(|only| only == size);
        for (size, window) in LOADS.into_iter().filter(|(size, _)| wanted(*size)) {
            good &= bench.load("load", size, window, options.seconds).await;
        }
    }
    if chosen("backlog") {
        good &= bench.backlog(10_000).await;
    }
    if chosen("large") {
        good &= bench.large(1 << 30).await;
    }
    good
}

/// One world under load.
struct Bench {
    world: World,
    mode: &'static str,
    tsa: bool,
    automatic_01: bool,
    judge: Arc<Judge>,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn start(base: &Path, mode: &'static str, tsa: bool, automatic_01: bool) -> Self {
        let word = |on: bool| if on { "on" } else { "off" };
        eprintln!(
            "tram-bench: starting the world `{mode}`, time-stamps {}, statuses 01 {}",
            word(tsa),
            word(automatic_01)
        );
        let mut topology = if mode == "direct" {
            Topology::direct()
        } else {
            Topology::one_relay()
        };
        topology.tsa = tsa;
        topology.automatic_01 = automatic_01;
        Self::start_topology(base, mode, &topology)
    }

    fn start_topology(base: &Path, mode: &'static str, topology: &Topology) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("tram-bench-")
            .tempdir_in(base)
            .expect("folder");
        let mut world = World::prepare_in(dir.path(), topology);
        world.start_all();
        let judge = Arc::new(Judge::new(&world.authority));
        Self {
            world,
            mode,
            tsa: topology.tsa,
            automatic_01: topology.automatic_01,
            judge,
            _dir: dir,
        }
    }

    fn servers(&self) -> Vec<u32> {
        self.world
            .stations
            .iter()
            .filter_map(|station| station.process.as_ref())
            .chain(&self.world.tsa)
            .map(Process::id)
            .collect()
    }

    fn before(&self) -> (Sample, u64) {
        for id in self.servers().into_iter().chain([std::process::id()]) {
            forget_peak(id);
        }
        (
            Sample::now(&self.servers(), &self.world.dir),
            disk_bytes(&self.world.dir),
        )
    }

    async fn load(&self, phase: &str, size: usize, window: usize, seconds: u64) -> bool {
        eprintln!(
            "tram-bench: {} {phase} {size} bytes, {window} in flight",
            self.mode
        );
        let receiver = Receiver::start(
            &self.world.client(RECIPIENT),
            &self.world.dir.join("dms"),
            16,
        );
        let (sample, disk) = self.before();
        let first = number();
        let load = Load {
            window,
            time: Duration::from_secs(seconds),
            docs: u64::MAX,
            pause: Duration::ZERO,
            patience: Duration::from_secs(120),
        };
        let result = traffic::send(
            &self.world.client(SENDER),
            &self.judge,
            load,
            first,
            |number| Packet::Small(samples::sized(SENDER, &[RECIPIENT], number, size).into()),
        )
        .await;
        let used = Sample::now(&self.servers(), &self.world.dir).since(&sample);
        let (got, twice) = receiver.finish().await;
        self.row(
            "load",
            phase,
            size,
            window,
            result,
            used,
            (disk, disk_bytes(&self.world.dir)),
            (got, twice),
        )
    }

    async fn light(&self) -> bool {
        eprintln!("tram-bench: {} light load", self.mode);
        let receiver = Receiver::start(
            &self.world.client(RECIPIENT),
            &self.world.dir.join("dms"),
            2,
        );
        let (sample, disk) = self.before();
        let load = Load {
            window: 1,
            time: Duration::from_secs(120),
            docs: 300,
            pause: Duration::from_millis(20),
            patience: Duration::from_secs(30),
        };
        let result = traffic::send(
            &self.world.client(SENDER),
            &self.judge,
            load,
            number(),
            |number| Packet::Small(samples::sized(SENDER, &[RECIPIENT], number, 4096).into()),
        )
        .await;
        let used = Sample::now(&self.servers(), &self.world.dir).since(&sample);
        let seen = receiver.finish().await;
        self.row(
            "light",
            "light",
            4096,
            1,
            result,
            used,
            (disk, disk_bytes(&self.world.dir)),
            seen,
        )
    }

    async fn backlog(&mut self, docs: u64) -> bool {
        eprintln!("tram-bench: {} backlog of {docs}", self.mode);
        let sender = self.world.client(SENDER);
        self.world.station("node-b").stop();
        let (sample, disk) = self.before();
        let first = number();
        let begin = Instant::now();
        let mut ids = Vec::new();
        let mut open = tokio::task::JoinSet::new();
        let mut accept = Vec::new();
        let mut errors = Vec::new();
        let mut gather = |answer: std::result::Result<(String, [u8; 32], f64), String>| match answer
        {
            Ok((id, digest, ms)) => {
                ids.push((id, digest));
                accept.push(ms);
            }
            Err(reason) => errors.push(reason),
        };
        for number in first..first + docs {
            while open.len() >= 256 {
                gather(
                    open.join_next()
                        .await
                        .expect("one is open")
                        .expect("no panic"),
                );
            }
            let sender = sender.clone();
            open.spawn(async move { submit_only(&sender, number).await });
        }
        while let Some(answer) = open.join_next().await {
            gather(answer.expect("no panic"));
        }
        let fill = begin.elapsed().as_secs_f64();
        let used = Sample::now(&self.servers(), &self.world.dir).since(&sample);
        let full = disk_bytes(&self.world.dir);
        let row = traffic::Result {
            docs,
            secs: fill,
            accept_ms: accept,
            errors,
            ..traffic::Result::default()
        };
        let mut good = self.row(
            "backlog",
            "fill",
            4096,
            256,
            row,
            used,
            (disk, full),
            (docs, 0),
        );
        self.world.station("node-b").start();
        let receiver = Receiver::start(
            &self.world.client(RECIPIENT),
            &self.world.dir.join("dms"),
            16,
        );
        let (sample, disk) = self.before();
        let begin = Instant::now();
        let mut row = traffic::Result::default();
        for (id, digest) in ids {
            let until = begin + Duration::from_secs(600);
            match traffic::await_receipts(&sender, &self.judge, &id, &digest, until).await {
                Ok(()) => row.docs += 1,
                Err(reason) if reason == "timed out" => row.timed_out += 1,
                Err(reason) => row.errors.push(reason),
            }
        }
        row.secs = begin.elapsed().as_secs_f64();
        let used = Sample::now(&self.servers(), &self.world.dir).since(&sample);
        let seen = receiver.finish().await;
        good &= self.row(
            "backlog",
            "drain",
            4096,
            256,
            row,
            used,
            (disk, disk_bytes(&self.world.dir)),
            seen,
        );
        good
    }

    async fn large(&self, bytes: u64) -> bool {
        eprintln!("tram-bench: {} one document of {bytes} bytes", self.mode);
        let path = self.world.dir.join("large.edxml");
        let number = number();
        let letter = Letter::new(
            SENDER,
            &[RECIPIENT],
            &number.to_string(),
            "Đo tốc độ tệp lớn",
        );
        // Base64 grows by a third; the packet is to have about the size asked for.
        let (size, digest) = write_large(&path, &letter, bytes / 4 * 3);
        let receiver = Receiver::start(
            &self.world.client(RECIPIENT),
            &self.world.dir.join("dms"),
            1,
        );
        let (sample, disk) = self.before();
        let load = Load {
            window: 1,
            time: Duration::from_secs(600),
            docs: 1,
            pause: Duration::ZERO,
            patience: Duration::from_secs(600),
        };
        let result = traffic::send(
            &self.world.client(SENDER),
            &self.judge,
            load,
            number,
            |_| Packet::File(path.clone(), digest),
        )
        .await;
        let used = Sample::now(&self.servers(), &self.world.dir).since(&sample);
        let seen = receiver.finish().await;
        let disk = (disk, disk_bytes(&self.world.dir));
        self.row(
            "large",
            "one",
            usize::try_from(size).unwrap_or(0),
            1,
            result,
            used,
            disk,
            seen,
        )
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one row has many columns; only this file calls it"
    )]
    fn row(
        &self,
        step: &str,
        phase: &str,
        size: usize,
        window: usize,
        mut result: traffic::Result,
        used: Used,
        disk: (u64, u64),
        (got, twice): (u64, u64),
    ) -> bool {
        let docs = result.docs as f64;
        let secs = result.secs.max(0.001);
        let servers = self.servers();
        let rss: Value = self
            .world
            .stations
            .iter()
            .filter_map(|station| {
                let process = station.process.as_ref()?;
                Some((
                    station.spec.label.to_owned(),
                    json!(round(peak_mib(process.id()))),
                ))
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        let lost = result.docs.saturating_sub(got);
        print(&json!({
            "step": step,
            "phase": phase,
            "mode": format!(
                "{}{}{}",
                self.mode,
                if self.tsa { "+tsa" } else { "" },
                if self.automatic_01 { "+01" } else { "" }
            ),
            "size": size,
            "window": window,
            "docs": result.docs,
            "secs": round(result.secs),
            "docs_per_s": round(docs / secs),
            "mb_per_s": round(docs * size as f64 / 1e6 / secs),
            "accept_ms_p50": round(percentile(&mut result.accept_ms, 0.5)),
            "accept_ms_p99": round(percentile(&mut result.accept_ms, 0.99)),
            "e2e_ms_p50": round(percentile(&mut result.e2e_ms, 0.5)),
            "e2e_ms_p99": round(percentile(&mut result.e2e_ms, 0.99)),
            "cpu_driver": round(used.driver),
            "cpu_server": round(used.server),
            "cpu_s_per_doc": ((used.driver + used.server) / docs.max(1.0) * 1e5).round() / 1e5,
            "rss_driver_mib": round(peak_mib(std::process::id())),
            "rss_server_mib": rss,
            "pss_server_mib_after": round(pss_mib(&servers)),
            "device_flushes_per_doc": used.flushes.map(|count| round(count as f64 / docs.max(1.0))),
            "disk_before": disk.0,
            "disk_after": disk.1,
            "disk_bytes_per_doc": round(disk.1.saturating_sub(disk.0) as f64 / docs.max(1.0)),
            "other_cpu": round(used.other),
            "errors": result.errors.len(),
            "first_error": result.errors.first(),
            "timed_out": result.timed_out,
            "lost": lost,
            "twice": twice,
            "bodies": "signed and sealed end to end",
        }));
        result.errors.is_empty() && result.timed_out == 0 && lost == 0 && twice == 0
    }
}

async fn submit_only(
    sender: &tests::client::NodeClient,
    number: u64,
) -> std::result::Result<(String, [u8; 32], f64), String> {
    use sha2::Digest as _;
    let packet = samples::sized(SENDER, &[RECIPIENT], number, 4096);
    let digest = sha2::Sha256::digest(&packet).into();
    let begin = Instant::now();
    let answer = sender
        .submit(packet, &format!("bench-{number}"))
        .await
        .map_err(|error| error.to_string())?;
    let ms = begin.elapsed().as_secs_f64() * 1000.0;
    let id = answer.json["id"]
        .as_str()
        .ok_or_else(|| format!("{}: {}", answer.status, answer.json))?;
    Ok((id.to_owned(), digest, ms))
}

/// 4 KiB to 38 recipients on two nodes: 19 agencies each.
async fn fanout(options: &Options, base: &Path) -> bool {
    let codes: Vec<&'static str> = (1..=38)
        .map(|n| &*Box::leak(format!("H01.36.{n:02}").into_boxed_str()))
        .collect();
    let half = |range: std::ops::Range<usize>| {
        codes[range]
            .iter()
            .map(|code| agency(code, "UBND xã Ví Dụ"))
            .collect::<Vec<_>>()
    };
    let topology = Topology {
        stations: vec![
            relay("relay-bac", &[]),
            node(
                "node-a",
                &["relay-bac"],
                vec![agency(SENDER, "Sở Nội vụ tỉnh A")],
            ),
            node("node-b", &["relay-bac"], half(0..19)),
            node("node-c", &["relay-bac"], half(19..38)),
        ],
        tsa: options.tsa,
        automatic_01: false,
    };
    let bench = Bench::start_topology(base, "relay", &topology);
    eprintln!("tram-bench: fan-out to 38 recipients on two nodes");
    let receivers: Vec<Receiver> = codes
        .iter()
        .map(|code| {
            Receiver::start(
                &bench.world.client(code),
                &bench.world.dir.join("dms").join(code),
                1,
            )
        })
        .collect();
    let (sample, disk) = bench.before();
    let load = Load {
        window: 16,
        time: Duration::from_secs(options.seconds),
        docs: u64::MAX,
        pause: Duration::ZERO,
        patience: Duration::from_secs(120),
    };
    let result = traffic::send(
        &bench.world.client(SENDER),
        &bench.judge,
        load,
        number(),
        |number| {
            // 38 recipients alone take more than 4 KiB of XML: the packet is as small as it can be.
            Packet::Small(samples::sized(SENDER, &codes, number, 4096).into())
        },
    )
    .await;
    let used = Sample::now(&bench.servers(), &bench.world.dir).since(&sample);
    let docs = result.docs;
    let (mut got, mut twice) = (0, 0);
    for receiver in receivers {
        let seen = receiver.finish().await;
        got += seen.0;
        twice += seen.1;
    }
    let size = samples::sized(SENDER, &codes, 1, 4096).len();
    let disk = (disk, disk_bytes(&bench.world.dir));
    // Every document must have reached all 38.
    let whole = if got >= docs * 38 { docs } else { got / 38 };
    bench.row(
        "fanout",
        "38 recipients",
        size,
        16,
        result,
        used,
        disk,
        (whole, twice),
    )
}

/// Writes a large packet to a file; its size and digest.
fn write_large(path: &Path, letter: &Letter, bytes: u64) -> (u64, [u8; 32]) {
    use sha2::Digest as _;
    struct Counted<W> {
        inner: W,
        size: u64,
        hash: sha2::Sha256,
    }
    impl<W: Write> Write for Counted<W> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.inner.write_all(bytes)?;
            self.hash.update(bytes);
            self.size += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.inner.flush()
        }
    }
    let file = std::fs::File::create(path).expect("the disk takes it");
    let mut out = Counted {
        inner: file,
        size: 0,
        hash: sha2::Sha256::new(),
    };
    letter
        .write_large(&mut out, 1, bytes)
        .expect("the disk takes it");
    (out.size, out.hash.finalize().into())
}

/// Running numbers that no two steps share.
fn number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1_000_000, Ordering::Relaxed)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn print(row: &Value) {
    println!("{row}");
    let _ = std::io::stdout().flush();
}
