//! A private PostgreSQL for one test: its own data folder, port and user, gone with the value.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running server.
pub(super) struct Postgres {
    server: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Postgres {
    #[expect(
        clippy::too_many_lines,
        reason = "one story told from beginning to end"
    )]
    pub(super) fn start() -> Self {
        let bin = binaries();
        let dir = tempfile::Builder::new()
            .prefix("tram-pg-")
            .tempdir_in("/tmp")
            .expect("a folder");
        let data = dir.path().join("data");
        let (user, group) = account();
        std::os::unix::fs::chown(dir.path(), Some(user), Some(group)).expect("given away");
        let home = dir.path().to_path_buf();
        let run = |name: &str| {
            let mut command = Command::new(bin.join(name));
            command
                .current_dir(&home)
                .stdin(Stdio::null())
                .env("LC_ALL", "C.UTF-8");
            // PostgreSQL refuses to run as root.
            if user != 0 {
                command.uid(user).gid(group);
            }
            command
        };
        let made = run("initdb")
            .args([
                "-U",
                "tram",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("bound")
            .port();
        let server = run("postgres")
            .arg("-D")
            .arg(&data)
            .args([
                "-p",
                &port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-k",
            ])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres runs");
        let this = Self {
            server,
            port,
            _dir: dir,
        };
        let ready = || {
            let asked = run("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status();
            asked.is_ok_and(|status| status.success())
        };
        while !ready() {
            std::thread::yield_now();
        }
        let made = run("createdb")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-U",
                "tram",
                "authority",
            ])
            .status();
        assert!(made.expect("createdb runs").success());
        this
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://tram@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = self.server.id().to_string();
        // SIGINT: fast shutdown.
        let _told = Command::new("kill").args(["-INT", &pid]).status();
        let _ended = self.server.wait();
    }
}

fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed by tests/run")
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().expect("a version of PostgreSQL")
}

/// `nobody` when we are root, ourselves otherwise.
fn account() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").expect("procfs");
    if own.uid() == 0 {
        (65_534, 65_534)
    } else {
        (own.uid(), own.gid())
    }
}
