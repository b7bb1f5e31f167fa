//! Config: the settings of a station, read from one TOML file.
//!
//! Each setting answers who changes it and when; what the network decides (routes, trust, limits)
//! is signed data, not configuration. An unknown key, a missing file or an impossible pair stops
//! the start with the fix in the text; `tram-relay check` runs the same code. Relative paths count
//! from the folder of the file. The library reads no environment.
//!
//! A program with more settings (the desk) reads its own keys from the same file:
//! [`StationConfig::take`] removes the station's keys from the table and leaves the rest to the
//! caller, who ends with [`refuse_rest`].

mod time_stamps;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use formats::id::StationName;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::authority::{AuthoritySettings, Section};

/// Settings of one station.
#[derive(Clone, Debug)]
pub struct StationConfig {
    /// Our name, as in our certificates and our station record.
    pub name: StationName,
    /// Folder of database and bodies; belongs to this process alone.
    pub data: PathBuf,
    /// Folder of records, certificates and CRLs; watched for change.
    pub records: PathBuf,
    /// UDP address for links. The station record must name it (or the address it is reached by).
    pub listen: SocketAddr,
    /// HTTP address for health, metrics and queue views; loopback. `None`: none.
    pub ops: Option<SocketAddr>,
    /// Keys and certificates of the station.
    pub identity: IdentityFiles,
    /// The trust list's signers, pinned at enrolment: a PEM file (one certificate, or several with a
    /// line `needed: K of N`) or a folder of such files. `None`: the one written
    /// down in the data folder at the first start.
    pub trust_list_certificate: Option<PathBuf>,
    /// Time-stamp authorities in their order; without one evidence stays at the level `signed`.
    pub time_stamp_urls: Vec<String>,
    /// The only policies whose tokens count; empty: every one of a trusted authority.
    pub time_stamp_policies: Vec<String>,
    /// The authority that this station was enrolled at; renews its certificates and publishes
    /// records. `None`: both are done by hand.
    pub authority: Option<AuthoritySettings>,
    /// HTTP address where anybody may read this station's logs (C2SP tlog-tiles). `None`: only on `ops`.
    pub log_listen: Option<SocketAddr>,
    /// Where witnesses are asked to cosign our log; who they are is said by the trust list.
    pub witness_urls: Vec<String>,
    /// How much of the store the scrub reads in an hour, MiB.
    pub scrub_mib_per_hour: u64,
    /// Free disk space below which nothing new is taken, bytes.
    pub disk_floor_bytes: u64,
    /// Waits and intervals. Not in the file: tests shorten them.
    pub timing: Timing,
}

/// Where the keys of the station lie.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// TLS certificate chain, PEM, own certificate first.
    pub tls_cert: PathBuf,
    /// TLS key, PKCS#8 PEM.
    pub tls_key: PathBuf,
    /// Evidence certificate, PEM.
    pub evidence_cert: PathBuf,
    /// Evidence key, PKCS#8 PEM.
    pub evidence_key: PathBuf,
    /// Ed25519 key of the log, PKCS#8 PEM.
    pub log_key: PathBuf,
    /// File whose first line opens encrypted keys.
    pub passphrase_file: Option<PathBuf>,
}

/// Waits and intervals of a station.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// A dialled or calling peer must have finished handshake and Hello within this.
    pub greet: Duration,
    /// One frame or piece must have passed within this (1 MiB at 140 kbit/s).
    pub frame: Duration,
    /// Custody may take this long after the last byte: verification and a durable commit.
    pub custody: Duration,
    /// Ping on the control stream this often.
    pub ping: Duration,
    /// A link without any packet for this long is dead.
    pub idle: Duration,
    /// Links are judged again this often, besides whenever records change: certificates end by time.
    pub judge: Duration,
    /// The records folder is looked at this often.
    pub records: Duration,
    /// Longest pause between two tries to get a time-stamp.
    pub stamp: Duration,
    /// Heads of logs are told to each neighbour this often, and a log is asked for a proof at most this often.
    pub gossip: Duration,
    /// The spool is looked at for due legs this often, besides being woken.
    pub sweep: Duration,
    /// At shutdown, transfers in flight may take this long.
    pub drain: Duration,
    /// Certificates are looked at this often.
    pub renew: Duration,
    /// The scrub takes a step this often.
    pub scrub: Duration,
    /// A new certificate is used when it has been published for this long.
    pub overlap: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            greet: Duration::from_secs(10),
            frame: Duration::from_secs(60),
            custody: Duration::from_secs(60),
            ping: Duration::from_secs(15),
            idle: Duration::from_secs(30),
            judge: Duration::from_secs(30),
            records: Duration::from_secs(3),
            stamp: Duration::from_secs(60),
            gossip: Duration::from_secs(5),
            sweep: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            renew: Duration::from_secs(600),
            overlap: Duration::from_secs(600),
            scrub: Duration::from_secs(1),
        }
    }
}

/// What is wrong with the configuration (operator); the texts say the fix.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {path}; check the path and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("{path} is not valid TOML: {why}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        why: String,
    },
    /// A key is absent.
    #[error("`{key}` is missing; add `{example}`")]
    Missing {
        /// The key.
        key: &'static str,
        /// A line that would do.
        example: &'static str,
    },
    /// A value of a wrong kind.
    #[error("`{key}` cannot be used: {why}; write it like `{example}`")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong.
        why: String,
        /// A line that would do.
        example: &'static str,
    },
    /// Keys nobody knows.
    #[error("unknown setting {keys}; remove it or correct its spelling")]
    Unknown {
        /// Their names.
        keys: String,
    },
    /// A file or folder that a setting names does not exist.
    #[error("`{key}` names {path}, which does not exist; create it or correct the path")]
    Absent {
        /// The key.
        key: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// Two settings that cannot hold together.
    #[error("{0}")]
    Impossible(&'static str),
}

impl StationConfig {
    /// Reads a file that holds station settings only (`tram-relay`).
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (mut table, base) = read_table(path)?;
        let config = Self::take(&mut table, &base)?;
        refuse_rest(&table)?;
        Ok(config)
    }

    /// Takes the station's keys out of `table`; the rest stays for the caller. Files named must
    /// exist.
    pub fn take(table: &mut toml::Table, base: &Path) -> Result<Self, ConfigError> {
        let name: String = required(table, "name", r#"name = "relay-1.tram.test""#)?;
        let name = name
            .parse::<StationName>()
            .map_err(|error| ConfigError::Value {
                key: "name",
                why: error.to_string(),
                example: r#"name = "relay-1.tram.test""#,
            })?;
        let data: PathBuf = required(table, "data", r#"data = "data""#)?;
        let records: PathBuf = required(table, "records", r#"records = "records""#)?;
        let listen = required(table, "listen", r#"listen = "127.0.0.1:4101""#)?;
        let ops = optional(table, "ops", r#"ops = "127.0.0.1:4201""#)?;
        let identity: IdentitySection = required(table, "identity", "[identity]\ndir = \"keys\"")?;
        let trust: Option<TrustSection> =
            optional(table, "trust", "[trust]\nlist_key = \"trust-list.crt\"")?;
        let (time_stamp_urls, time_stamp_policies) = time_stamps::take(table)?;
        let log: Option<LogSection> = optional(table, "log", "[log]\nlisten = \"0.0.0.0:4301\"")?;
        let witness: Option<WitnessSection> = optional(
            table,
            "witness",
            "[witness]\nurls = [\"http://127.0.0.1:4401\"]",
        )?;
        let authority: Option<Section> = optional(table, "authority", AUTHORITY_EXAMPLE)?;
        let authority = authority.map(|section| section.settings()).transpose();
        let authority = authority.map_err(|error| ConfigError::Value {
            key: "authority",
            why: error.to_string(),
            example: AUTHORITY_EXAMPLE,
        })?;
        let disk_floor_mib: Option<u64> =
            optional(table, "disk_floor_mib", "disk_floor_mib = 512")?;
        let scrub_mib_per_hour: Option<u64> =
            optional(table, "scrub_mib_per_hour", "scrub_mib_per_hour = 3600")?;
        let identity = identity.files(base)?;
        let enrolled = identity.tls_cert.with_file_name(TRUST_LIST_FILE);
        let trust_list_certificate = trust
            .map(|section| base.join(section.list_key))
            .or_else(|| enrolled.exists().then_some(enrolled));
        let config = Self {
            name,
            data: base.join(data),
            records: base.join(records),
            listen,
            ops,
            identity,
            trust_list_certificate,
            time_stamp_urls,
            time_stamp_policies,
            log_listen: log.and_then(|section| section.listen),
            witness_urls: witness.map_or_else(Vec::new, |section| section.urls),
            authority,
            scrub_mib_per_hour: scrub_mib_per_hour.unwrap_or(SCRUB_MIB_PER_HOUR),
            disk_floor_bytes: disk_floor_mib
                .unwrap_or(DISK_FLOOR_MIB)
                .saturating_mul(1 << 20),
            timing: Timing::default(),
        };
        config.check()?;
        Ok(config)
    }

    /// Whether everything named is there. `take` has done this already.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.listen.port() == 0 {
            return Err(ConfigError::Impossible(
                "`listen` has port 0, but the station record must name a fixed port; choose one",
            ));
        }
        if self.ops.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(ConfigError::Impossible(
                "`ops` is not a loopback address; it has no access control, so bind 127.0.0.1 and \
                 put a proxy in front",
            ));
        }
        let files = [
            ("records", &self.records),
            ("identity.tls_cert", &self.identity.tls_cert),
            ("identity.tls_key", &self.identity.tls_key),
            ("identity.evidence_cert", &self.identity.evidence_cert),
            ("identity.evidence_key", &self.identity.evidence_key),
            ("identity.log_key", &self.identity.log_key),
        ];
        let trust = self
            .trust_list_certificate
            .as_ref()
            .map(|path| ("trust.list_key", path));
        for (key, path) in files.into_iter().chain(trust) {
            if !path.exists() {
                return Err(ConfigError::Absent {
                    key,
                    path: path.clone(),
                });
            }
        }
        Ok(())
    }
}

impl IdentityFiles {
    /// The usual names inside one folder: `tls.crt`, `tls.key`, `evidence.crt`, `evidence.key`,
    /// `log.key`.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self {
            tls_cert: folder.join("tls.crt"),
            tls_key: folder.join("tls.key"),
            evidence_cert: folder.join("evidence.crt"),
            evidence_key: folder.join("evidence.key"),
            log_key: folder.join("log.key"),
            passphrase_file: None,
        }
    }
}

/// Reads a TOML file; also returns its folder, from which relative paths count.
pub fn read_table(path: &Path) -> Result<(toml::Table, PathBuf), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let table = text
        .parse::<toml::Table>()
        .map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
    let base = path.parent().map(Path::to_owned).unwrap_or_default();
    Ok((table, base))
}

/// Refuses every key that nobody has taken.
pub fn refuse_rest(table: &toml::Table) -> Result<(), ConfigError> {
    if table.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = table.keys().map(|key| format!("`{key}`")).collect();
    Err(ConfigError::Unknown {
        keys: keys.join(", "),
    })
}

/// Takes a key that must be there.
pub fn required<T: DeserializeOwned>(
    table: &mut toml::Table,
    key: &'static str,
    example: &'static str,
) -> Result<T, ConfigError> {
    optional(table, key, example)?.ok_or(ConfigError::Missing { key, example })
}

/// Takes a key that may be absent.
pub fn optional<T: DeserializeOwned>(
    table: &mut toml::Table,
    key: &'static str,
    example: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = table.remove(key) else {
        return Ok(None);
    };
    value
        .try_into()
        .map(Some)
        .map_err(|error: toml::de::Error| ConfigError::Value {
            key,
            why: error.message().to_owned(),
            example,
        })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentitySection {
    dir: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    evidence_cert: Option<PathBuf>,
    evidence_key: Option<PathBuf>,
    log_key: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
}

impl IdentitySection {
    fn files(self, base: &Path) -> Result<IdentityFiles, ConfigError> {
        let usual = self.dir.map(|dir| IdentityFiles::within(&base.join(dir)));
        let pick = |own: Option<PathBuf>, usual: Option<&PathBuf>, key| {
            own.map(|path| base.join(path))
                .or_else(|| usual.cloned())
                .ok_or(ConfigError::Missing {
                    key,
                    example: "[identity]\ndir = \"keys\"",
                })
        };
        let usual = usual.as_ref();
        Ok(IdentityFiles {
            tls_cert: pick(
                self.tls_cert,
                usual.map(|u| &u.tls_cert),
                "identity.tls_cert",
            )?,
            tls_key: pick(self.tls_key, usual.map(|u| &u.tls_key), "identity.tls_key")?,
            evidence_cert: pick(
                self.evidence_cert,
                usual.map(|u| &u.evidence_cert),
                "identity.evidence_cert",
            )?,
            evidence_key: pick(
                self.evidence_key,
                usual.map(|u| &u.evidence_key),
                "identity.evidence_key",
            )?,
            log_key: pick(self.log_key, usual.map(|u| &u.log_key), "identity.log_key")?,
            passphrase_file: self.passphrase_file.map(|path| base.join(path)),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustSection {
    list_key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogSection {
    listen: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessSection {
    urls: Vec<String>,
}

const AUTHORITY_EXAMPLE: &str = "[authority]\nurl = \"https://authority-1.tram.test:8443\"\n\
     fingerprint = \"SHA-256 of the root\"";
/// Where enrolment puts the pinned certificate: beside our own.
const TRUST_LIST_FILE: &str = "trust-list.crt";
/// Free space that a station keeps for its database, log and receipts.
/// A mebibyte a second: a small station is read through in minutes, a terabyte in two weeks.
const SCRUB_MIB_PER_HOUR: u64 = 3_600;
const DISK_FLOOR_MIB: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with_files() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("temporary folder");
        for file in [
            "tls.crt",
            "tls.key",
            "evidence.crt",
            "evidence.key",
            "log.key",
            "list.crt",
        ] {
            std::fs::File::create(folder.path().join(file)).expect("file");
        }
        std::fs::create_dir(folder.path().join("records")).expect("folder");
        folder
    }

    const GOOD: &str = r#"
name = "relay-1.tram.test"
data = "data"
records = "records"
listen = "127.0.0.1:4101"
ops = "127.0.0.1:4201"
[identity]
dir = "."
[trust]
list_key = "list.crt"
[time_stamp]
url = "http://127.0.0.1:3180/"
"#;

    fn load(text: &str) -> Result<StationConfig, ConfigError> {
        let folder = folder_with_files();
        let path = folder.path().join("relay.toml");
        let mut file = std::fs::File::create(&path).expect("file");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
        StationConfig::load(&path)
    }

    #[test]
    fn a_complete_file_is_read_and_paths_count_from_its_folder() {
        let config = load(GOOD).expect("good file");
        assert_eq!(config.name.as_str(), "relay-1.tram.test");
        assert!(config.identity.log_key.ends_with("log.key"));
        assert!(config.data.is_absolute());
        assert_eq!(config.disk_floor_bytes, 512 << 20);
        assert_eq!(config.time_stamp_urls, ["http://127.0.0.1:3180/"]);
        assert!(config.time_stamp_policies.is_empty());
    }

    #[test]
    fn several_time_stamp_authorities_are_read_in_their_order() {
        let one = "url = \"http://127.0.0.1:3180/\"";
        let several =
            "url = [\"http://b.test/tsa\", \"https://a.test/\"]\npolicy = \"1.3.6.1.4.1.99\"";
        let config = load(&GOOD.replace(one, several)).expect("a list");
        assert_eq!(
            config.time_stamp_urls,
            ["http://b.test/tsa", "https://a.test/"]
        );
        assert_eq!(config.time_stamp_policies, ["1.3.6.1.4.1.99"]);
        for (bad, words) in [
            ("url = []", "one to 8 addresses"),
            ("url = \"ftp://a.test/\"", "no http address"),
            ("url = [\"http://a.test/\", \"http://a.test/\"]", "twice"),
            (
                "url = \"http://a.test/\"\npolicy = \"one\"",
                "no object identifier",
            ),
            ("urls = \"http://a.test/\"", "time_stamp"),
        ] {
            let error = load(&GOOD.replace(one, bad)).expect_err(bad).to_string();
            assert!(
                error.contains(words) && error.contains("time_stamp"),
                "{error}"
            );
        }
    }

    #[test]
    fn mistakes_stop_the_start_and_the_text_says_the_fix() {
        // (what is replaced, by what, words that must be in the error)
        let table = [
            ("data = \"data\"", "dta = \"data\"", "`data` is missing"),
            ("ops =", "opps =", "unknown setting `opps`"),
            ("dir = \".\"", "dir = \".\"\nkey = 1", "unknown field `key`"),
            ("127.0.0.1:4101", "127.0.0.1:0", "port 0"),
            ("127.0.0.1:4201", "0.0.0.0:4201", "loopback"),
            ("\"list.crt\"", "\"other.crt\"", "other.crt"),
            ("relay-1.tram.test", "Relay 1", "`name` cannot be used"),
            (
                "listen = \"127.0.0.1:4101\"",
                "listen = 5",
                "listen = \"127.0.0.1:4101\"",
            ),
        ];
        for (old, new, words) in table {
            let error = load(&GOOD.replace(old, new)).expect_err(new);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
