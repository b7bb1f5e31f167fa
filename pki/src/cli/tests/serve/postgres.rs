//! A private PostgreSQL for one test: its own data folder, port and user, gone with the value.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server.
pub(super) struct Postgres {
    server: Child,
    port: u16,
    _dir: tempfile::TempDir,
    tls: Option<tempfile::TempDir>,
}

impl Postgres {
    pub(super) fn start() -> Self {
        Self::with(&[])
    }

    /// A server that takes callers over TLS only; gives the certificate to verify it by.
    pub(super) fn start_tls() -> (Self, PathBuf) {
        let dir = tempfile::Builder::new()
            .prefix("tram-pg-tls-")
            .tempdir_in("/tmp")
            .expect("a folder");
        let (cert, key) = (dir.path().join("server.crt"), dir.path().join("server.key"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=database"])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-out",
            ])
            .arg(&cert)
            .arg("-keyout")
            .arg(&key)
            .output()
            .expect("openssl runs");
        assert!(made.status.success());
        let hba = dir.path().join("hba");
        std::fs::write(
            &hba,
            "local all all trust\nhostssl all all 127.0.0.1/32 trust\n",
        )
        .expect("written");
        let (user, group) = account();
        for path in [dir.path(), &cert, &key, &hba] {
            std::os::unix::fs::chown(path, Some(user), Some(group)).expect("given away");
        }
        let setting = |name: &str, path: &Path| format!("{name}={}", path.display());
        let mut server = Self::with(&[
            "ssl=on".to_owned(),
            setting("ssl_cert_file", &cert),
            setting("ssl_key_file", &key),
            setting("hba_file", &hba),
        ]);
        server.tls = Some(dir);
        (server, cert)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one story told from beginning to end"
    )]
    fn with(settings: &[String]) -> Self {
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
            .args(settings.iter().flat_map(|one| ["-c", one]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres runs");
        let this = Self {
            server,
            port,
            _dir: dir,
            tls: None,
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
                home.to_str().expect("a path"),
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

    /// Over TLS, the server judged by `root`.
    pub(super) fn tls_url(&self, database: &str, root: &Path) -> String {
        let root = root.display();
        let port = self.port;
        format!(
            "postgres://tram@localhost:{port}/{database}?sslmode=verify-full&sslrootcert={root}"
        )
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
