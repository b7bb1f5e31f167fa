//! Real product processes under a test: found, started, watched, killed.
//!
//! Owns: the path of each binary, one log file per process, the child's life (dropping a [`Process`]
//! kills it by its process id and waits). Fails loudly: a process that ends before it is ready panics
//! with the tail of its log, because a test that goes on without it would only confuse.
//! Must not know: what the processes do.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Folder of the product's binaries: `TRAM_BIN_DIR`, else the build folder this program lies in.
#[must_use]
pub fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("TRAM_BIN_DIR") {
        return PathBuf::from(dir);
    }
    let me = std::env::current_exe().expect("a running program has a path");
    let dir = me.parent().expect("a program lies in a folder");
    if dir.ends_with("deps") {
        dir.parent().expect("deps has a parent").to_owned()
    } else {
        dir.to_owned()
    }
}

/// Path of one product binary; panics with the command that builds it when it is missing.
#[must_use]
pub fn bin(name: &str) -> PathBuf {
    let path = bin_dir().join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace --bins` first (tests/run does)",
        path.display()
    );
    path
}

/// One running process of the product with its log.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with `args`; standard output and error are appended to `log`.
    pub fn start(name: &str, program: &Path, args: &[&str], log: &Path) -> Self {
        Self::start_with(name, program, args, &[], log)
    }

    /// Like [`Process::start`] with extra environment variables.
    pub fn start_with(
        name: &str,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("log file opens");
        let child = Command::new(program)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("log handle clones"))
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Name given at the start, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The exit status, if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Kills at once (SIGKILL), as a power switch would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to end (SIGTERM) and waits up to `limit`; kills it after that.
    pub fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.signal("TERM");
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        None
    }

    /// Sends one signal by name (`STOP`, `CONT`, `TERM`, …).
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .stderr(Stdio::null())
            .status();
    }

    /// Last `bytes` bytes of the log.
    #[must_use]
    pub fn log_tail(&self, bytes: u64) -> String {
        tail(&self.log, bytes)
    }

    /// Waits until `probe` says yes; panics with the log when the process ends first or time is up.
    pub fn wait_ready(&mut self, what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
        let until = Instant::now() + limit;
        loop {
            if probe() {
                return;
            }
            if let Some(status) = self.ended() {
                panic!(
                    "{} ended ({status}) before {what}:\n{}",
                    self.name,
                    self.log_tail(4000)
                );
            }
            assert!(
                Instant::now() < until,
                "{}: no {what} within {limit:?}:\n{}",
                self.name,
                self.log_tail(4000)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident set in bytes, now and at its highest, from the kernel's process table.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let text =
            std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|kib| kib.parse::<u64>().ok())
                .unwrap_or(0)
                * 1024
        };
        Memory {
            now: field("VmRSS:"),
            peak: field("VmHWM:"),
        }
    }

    /// Starts the peak of [`Process::memory`] anew from the present value.
    pub fn forget_memory_peak(&self) {
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5");
    }

    /// CPU seconds used so far (user and system).
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Resident memory of a process in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub now: u64,
    /// Highest since the start or the last reset.
    pub peak: u64,
}

/// CPU seconds of process `id`, 0 when it is gone.
#[must_use]
pub fn cpu_seconds(id: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The second field is the program's name in brackets and may hold spaces: count after it.
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // 100 ticks a second is fixed in the kernel's interface on every Linux this runs on.
    ticks as f64 / 100.0
}

/// Last `bytes` bytes of a file as text.
#[must_use]
pub fn tail(path: &Path, bytes: u64) -> String {
    let Ok(mut file) = File::open(path) else {
        return String::new();
    };
    let length = file.metadata().map_or(0, |meta| meta.len());
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(bytes)));
    let mut text = Vec::new();
    let _ = file.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Environment that moves a process's clock, as the `faketime` command sets it up.
#[must_use]
pub fn faketime(by: &str) -> Vec<(&'static str, String)> {
    let show = run(Path::new("faketime"), &["-f", by, "env"]);
    let preload = show
        .lines()
        .find_map(|line| line.strip_prefix("LD_PRELOAD="))
        .expect("faketime preloads its library");
    vec![
        ("LD_PRELOAD", preload.to_owned()),
        ("FAKETIME", by.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// Runs a command to its end and returns its standard output; panics with everything it said otherwise.
pub fn run(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
    assert!(
        output.status.success(),
        "{} {} ended with {}:\n{}{}",
        program.display(),
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
