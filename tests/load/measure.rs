//! What the kernel knows: CPU, memory, flushes and bytes on disk of the processes under the benchmark.
//!
//! Owns: reading `/proc`; arithmetic on two samples. Linux only, as the product's targets are.

use std::path::Path;
use std::time::Instant;

use tests::process::cpu_seconds;

/// One look at the machine.
#[derive(Debug, Clone)]
pub struct Sample {
    at: Instant,
    servers: f64,
    driver: f64,
    machine: f64,
    flushes: Option<u64>,
}

/// What passed between two looks.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// CPU seconds of the product's processes.
    pub server: f64,
    /// CPU seconds of this program.
    pub driver: f64,
    /// CPU of everybody else, as a share of the whole machine.
    pub other: f64,
    /// Flushes that the device completed, if the kernel counts them.
    pub flushes: Option<u64>,
}

impl Sample {
    /// Looks now.
    pub fn now(servers: &[u32], disk: &Path) -> Self {
        Self {
            at: Instant::now(),
            servers: servers.iter().map(|id| cpu_seconds(*id)).sum(),
            driver: cpu_seconds(std::process::id()),
            machine: machine_cpu(),
            flushes: flushes(disk),
        }
    }

    /// Difference to an earlier look.
    pub fn since(&self, before: &Self) -> Used {
        let secs = self.at.duration_since(before.at).as_secs_f64();
        let server = self.servers - before.servers;
        let driver = self.driver - before.driver;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let other = (self.machine - before.machine - server - driver) / (secs * cores).max(0.001);
        Used {
            server,
            driver,
            other: other.max(0.0),
            flushes: self
                .flushes
                .zip(before.flushes)
                .map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// CPU seconds that the whole machine has spent not idling.
fn machine_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq: all but the two idle ones.
    let busy: u64 = [0, 1, 2, 5, 6]
        .iter()
        .filter_map(|index| fields.get(*index))
        .sum();
    busy as f64 / 100.0
}

/// Flushes completed by the block device under `path` since boot.
fn flushes(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let device = std::fs::metadata(path).ok()?.dev();
    // Linux packs a device number as 12 bits of major and 20 of minor, the minor in two parts.
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    let text = std::fs::read_to_string("/proc/diskstats").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.first()?.parse::<u64>().ok()? == major
            && fields.get(1)?.parse::<u64>().ok()? == minor)
            .then(|| fields.get(18)?.parse().ok())?
    })
}

/// Proportional set size of processes in MiB.
pub fn pss_mib(ids: &[u32]) -> f64 {
    let one = |id: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
            .unwrap_or(0.0)
            / 1024.0
    };
    ids.iter().map(one).sum()
}

/// Highest resident set of one process in MiB.
pub fn peak_mib(id: u32) -> f64 {
    status_mib(id, "VmHWM:")
}

/// Resident set of one process in MiB.
pub fn resident_mib(id: u32) -> f64 {
    status_mib(id, "VmRSS:")
}

fn status_mib(id: u32, line: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    text.lines()
        .find_map(|one| one.strip_prefix(line))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

/// Forgets the highest resident set of a process.
pub fn forget_peak(id: u32) {
    let _ = std::fs::write(format!("/proc/{id}/clear_refs"), "5");
}

/// Bytes that a folder takes on disk.
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// The value below which `share` of the samples lie; 0 for none.
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    samples.sort_by(f64::total_cmp);
    let last = samples.len() - 1;
    samples[((last as f64 * share).round() as usize).min(last)]
}
