//! `tram-demo`: the program behind `deploy/quickstart`.
//!
//! Builds a small Trạm in one folder, plays three document-management systems, shows every receipt,
//! exports one proof package and has `openssl` alone judge it, then stays up until Ctrl-C. Ends every
//! process that it started, and exits 1 with the reason when anything is not as promised.
//! Must not know: more of the product than its commands and doors.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person who started it"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::client::NodeClient;
use tests::process::{bin, run};
use tests::samples::{self, Letter};
use tests::world::{Topology, World, agency, node, relay};

/// Name and password of the demo's clerk.
const LOGIN: (&str, &str) = ("lan", "demo-tram");
/// Marks a folder as ours, so that nothing else is ever removed.
const MARK: &str = "thu-muc-demo-cua-tram";
/// How long all receipts may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let mut check = false;
    let mut dir = PathBuf::from(".tram-demo");
    let mut args = std::env::args().skip(1);
    while let Some(argument) = args.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--dir" => match args.next() {
                Some(path) => dir = PathBuf::from(path),
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    match runtime.block_on(demo(&dir, check)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("quickstart: {reason}");
            ExitCode::from(1)
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("tram-demo [--dir FOLDER] [--check]");
    ExitCode::from(2)
}

async fn demo(dir: &Path, check: bool) -> Result<(), String> {
    let dir = fresh(dir)?;
    let mut world = build(&dir)?;
    let agencies: Vec<(String, String)> = world
        .stations
        .iter()
        .flat_map(|station| &station.spec.agencies)
        .map(|agency| (agency.code.to_owned(), agency.name.to_owned()))
        .collect();
    for station in world.stations.iter().filter(|station| station.is_node()) {
        write_shortcut(&dir, station)?;
    }
    write_description(&dir, &world)?;

    let letters = samples::demo(&agencies);
    println!(
        "[4/6] Sending {} documents, each to its recipients",
        letters.len()
    );
    let sent = tokio::select! {
        sent = exchange(&world, &agencies, &letters) => sent?,
        _ = tokio::signal::ctrl_c() => return stop(world),
    };
    println!("[5/6] One proof package, judged by openssl alone");
    verify_by_openssl(&world, &dir, &sent[0].0, &sent[0].1).await?;
    write_description(&dir, &world)?;
    if check {
        stop(world)?;
        println!("[6/6] All checks hold.");
        return Ok(());
    }
    ready(&world, &dir, &sent[0].1);
    wait_for_end(&mut world).await?;
    stop(world)
}

/// An empty folder of ours; what an earlier run left there goes, with its processes.
fn fresh(dir: &Path) -> Result<PathBuf, String> {
    if dir.exists() {
        if !dir.join(MARK).exists() {
            return Err(format!(
                "{} exists and is not a demo's folder; move it away",
                dir.display()
            ));
        }
        end_leftovers(dir)?;
        std::fs::remove_dir_all(dir)
            .map_err(|error| format!("cannot remove {}: {error}", dir.display()))?;
    }
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(dir.join(MARK), ""))
        .and_then(|()| dir.canonicalize())
        .map_err(|error| format!("cannot use {}: {error}", dir.display()))
}

/// Refuses while another demo lives; ends processes that a killed demo left behind.
fn end_leftovers(dir: &Path) -> Result<(), String> {
    let Ok(text) = std::fs::read_to_string(dir.join("demo.json")) else {
        return Ok(());
    };
    let Ok(old) = serde_json::from_str::<Value>(&text) else {
        return Ok(());
    };
    let runs = |pid: u64, names: &[&str]| {
        std::fs::read_link(format!("/proc/{pid}/exe"))
            .ok()
            .and_then(|path| {
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned())
            })
            .is_some_and(|name| names.iter().any(|known| name.starts_with(known)))
    };
    if let Some(pid) = old["pid"].as_u64().filter(|pid| runs(*pid, &["tram-demo"])) {
        return Err(format!(
            "another quickstart runs here (process {pid}); end it with Ctrl-C first"
        ));
    }
    let pids = [&old["relays"], &old["nodes"]]
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .chain([&old["authority"]])
        .filter_map(|process| process["pid"].as_u64());
    for pid in pids.filter(|pid| runs(*pid, &["tram-node", "tram-relay", "tram-pki"])) {
        let _ = Command::new("kill").arg(pid.to_string()).status();
    }
    Ok(())
}

fn build(dir: &Path) -> Result<World, String> {
    let topology = Topology {
        stations: vec![
            relay("relay-bac", &["relay-nam"]),
            relay("relay-nam", &["relay-bac"]),
            node(
                "node-so",
                &["relay-bac"],
                vec![agency("H01.36", "Sở Nội vụ tỉnh A")],
            ),
            node(
                "node-xa",
                &["relay-bac"],
                vec![agency("H01.36.04", "UBND xã Đông Tiến")],
            ),
            node("node-bo", &["relay-nam"], vec![agency("G09", "Bộ Nội vụ")]),
        ],
        tsa: true,
        automatic_01: true,
    };
    let started = Instant::now();
    print!(
        "[2/6] Root and issuing CA, time-stamp authority, certificates of 5 stations, 3 agencies "
    );
    let mut world = World::prepare_in(dir, &topology);
    println!("  ok  {:.1} s", started.elapsed().as_secs_f32());
    let fingerprint = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(world.authority.join("authority/root.crt"))
        .output()
        .map_err(|error| format!("openssl does not start: {error}"))?;
    print!(
        "      root {}",
        String::from_utf8_lossy(&fingerprint.stdout)
    );
    let started = Instant::now();
    for station in world.stations.iter().filter(|station| station.is_node()) {
        let config = station
            .config
            .to_str()
            .ok_or("the folder's name is not text")?;
        for agency in &station.spec.agencies {
            run(
                &bin("tram-node"),
                &[
                    "user",
                    "add",
                    "--config",
                    config,
                    "--name",
                    LOGIN.0,
                    "--agency",
                    agency.code,
                    "--password",
                    LOGIN.1,
                ],
            );
        }
    }
    print!(
        "[3/6] Relays \"Bắc\" and \"Nam\", nodes of {} ",
        names(&world)
    );
    world.start_all();
    println!("  ok  {:.1} s", started.elapsed().as_secs_f32());
    Ok(world)
}

fn names(world: &World) -> String {
    let named: Vec<_> = world
        .stations
        .iter()
        .flat_map(|station| &station.spec.agencies)
        .map(|agency| format!("{} ({})", agency.code, agency.name))
        .collect();
    named.join(", ")
}

/// Sends everything, lets every agency's system take what comes, and waits for all receipts.
async fn exchange(
    world: &World,
    agencies: &[(String, String)],
    letters: &[Letter],
) -> Result<Vec<(String, String)>, String> {
    let mut receivers = tokio::task::JoinSet::new();
    for (code, _) in agencies {
        let expected = letters
            .iter()
            .flat_map(|letter| &letter.to)
            .filter(|(recipient, _)| recipient == code)
            .count();
        let client = world.client(code);
        receivers.spawn(async move { client.receive(expected, PATIENCE).await.len() });
    }
    let mut sent = Vec::new();
    for letter in letters {
        let client = world.client(&letter.from.0);
        let packet = letter.packet();
        let size = packet.len();
        let key = format!("demo-{}", sent.len() + 1);
        let answer = client
            .submit(packet, &key)
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!(
                "{} was not accepted: {:#}",
                letter.document_id(),
                answer.json
            ));
        }
        println!(
            "      {:<16} {:>8} KiB  {} → {}",
            format!("{}/{}", letter.number, letter.notation),
            size.div_ceil(1024),
            letter.from.0,
            letter
                .to
                .iter()
                .map(|to| to.0.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        );
        sent.push((letter.from.0.clone(), answer.id()));
    }
    let mut receipts = 0;
    for (letter, (from, id)) in letters.iter().zip(&sent) {
        receipts += show_receipts(&world.client(from), letter, id).await?;
    }
    let mut taken = 0;
    while let Some(count) = receivers.join_next().await {
        taken += count.map_err(|error| error.to_string())?;
    }
    println!(
        "      {taken} documents handed over to the agencies' systems, {receipts} receipts, all valid"
    );
    Ok(sent)
}

/// Prints every receipt of one document as the sender's desk holds it; how many, or what is wrong with one.
async fn show_receipts(client: &NodeClient, letter: &Letter, id: &str) -> Result<usize, String> {
    client.wait_recipients(id, &["handed_over"], PATIENCE).await;
    let answer = client
        .get(&format!("/documents/{id}/events"))
        .await
        .map_err(|error| error.to_string())?;
    let mut count = 0;
    for timeline in answer.json["items"].as_array().into_iter().flatten() {
        let code = timeline["recipient"]["code"].as_str().unwrap_or("?");
        for step in timeline["steps"].as_array().into_iter().flatten() {
            let Some(receipt) = step["receipt_id"].as_str() else {
                continue;
            };
            let verdict = step["verdict"].as_str().unwrap_or("?");
            println!(
                "      {:<15} {code:<10} {:<22} receipt {receipt} {verdict}",
                format!("{}/{}", letter.number, letter.notation),
                step["event"].as_str().unwrap_or("?"),
            );
            if verdict != "valid" {
                return Err(format!("a receipt of {id} does not hold: {step:#}"));
            }
            count += 1;
        }
    }
    if count < 2 * letter.to.len() {
        return Err(format!("document {id} has only {count} receipts"));
    }
    Ok(count)
}

async fn verify_by_openssl(world: &World, dir: &Path, from: &str, id: &str) -> Result<(), String> {
    let package = world
        .client(from)
        .bytes(&format!("/documents/{id}/evidence"))
        .await
        .map_err(|error| format!("no proof package: {error}"))?;
    let file = dir.join("bang-chung.zip");
    std::fs::write(&file, &package).map_err(|error| error.to_string())?;
    let unpacked = dir.join("bang-chung");
    unpack(&package, &unpacked)?;
    let verdict = Command::new("sh")
        .arg("verify.sh")
        .current_dir(&unpacked)
        .output()
        .map_err(|error| format!("verify.sh does not start: {error}"))?;
    let text = String::from_utf8_lossy(&verdict.stdout);
    for line in text.lines() {
        println!("      {line}");
    }
    if verdict.status.success() {
        return Ok(());
    }
    Err(format!(
        "the proof package does not verify:\n{}",
        String::from_utf8_lossy(&verdict.stderr)
    ))
}

fn unpack(package: &[u8], to: &Path) -> Result<(), String> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(package)).map_err(|e| e.to_string())?;
    zip.extract(to)
        .map_err(|error| format!("the proof package does not unpack: {error}"))
}

/// A small script per agency, so that commands need no address and no key.
fn write_shortcut(dir: &Path, station: &tests::world::StationHandle) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    for (code, key) in &station.keys {
        let path = dir.join(format!("tram-{code}"));
        let text = format!(
            "#!/bin/sh\nTRAM_URL={} TRAM_KEY={key} exec {} \"$@\"\n",
            station.base_url(),
            bin("tram").display()
        );
        std::fs::write(&path, text)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn write_description(dir: &Path, world: &World) -> Result<(), String> {
    let mut description = world.describe();
    description["pid"] = json!(std::process::id());
    description["login"] = json!({"name": LOGIN.0, "password": LOGIN.1});
    let text = serde_json::to_string_pretty(&description).map_err(|error| error.to_string())?;
    let temporary = dir.join("demo.json.new");
    std::fs::write(&temporary, text)
        .and_then(|()| std::fs::rename(&temporary, dir.join("demo.json")))
        .map_err(|error| format!("demo.json: {error}"))
}

fn ready(world: &World, dir: &Path, id: &str) {
    let shown = dir
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    println!("[6/6] Ready.\n");
    for station in world.stations.iter().filter(|station| station.is_node()) {
        for agency in &station.spec.agencies {
            println!("  Văn thư {:<20} {}/", agency.name, station.base_url());
        }
    }
    println!("  Đăng nhập / login: {} / {}\n", LOGIN.0, LOGIN.1);
    println!("  Try  {shown}/tram-H01.36 doc ls");
    println!("       {shown}/tram-H01.36 doc timeline {id}");
    println!("       {shown}/tram-H01.36 evidence verify {shown}/bang-chung.zip");
    println!("\n  Addresses, keys, folders and process ids: {shown}/demo.json");
    println!("Stop: Ctrl-C    Remove: rm -r {shown}");
}

/// Waits for Ctrl-C, SIGTERM, or for a process of the world that ends by itself.
async fn wait_for_end(world: &mut World) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut gone: Vec<String> = Vec::new();
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        for station in &mut world.stations {
            let Some(process) = station.process.as_mut() else {
                continue;
            };
            let Some(status) = process.ended() else {
                continue;
            };
            if !gone.contains(&station.name) {
                println!(
                    "  {} ended ({status}); its log: log/{}.log",
                    station.name, station.spec.label
                );
                gone.push(station.name.clone());
            }
        }
    }
}

fn stop(mut world: World) -> Result<(), String> {
    println!("Stopping …");
    world.stop();
    Ok(())
}
