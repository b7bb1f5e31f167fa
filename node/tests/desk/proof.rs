//! Proof packages in the hands of a test: unpacked, changed, packed again, judged by the script under dash
//! and by us.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use formats::id::Digest;
use formats::proof::{Member, ProofReader, ProofWriter, Sums};
use node::evidence::Contents;
use node::evidence::verify::{self, Limits, Report};

use crate::world::{World, sender};

/// The members of a package by name.
#[derive(Clone)]
pub struct Proof {
    pub members: BTreeMap<String, Vec<u8>>,
}

impl Proof {
    /// Of a sent document of node A's first agency.
    pub async fn of(world: &World, id: formats::id::EnvelopeId, contents: Contents) -> Self {
        let zip = world.a.evidence(&sender(), id, contents).await.unwrap();
        Self::read(&zip.body.read_all().unwrap())
    }

    pub fn read(zip: &[u8]) -> Self {
        let mut reader = ProofReader::open(Cursor::new(zip)).unwrap();
        let members: Vec<_> = reader.members().cloned().collect();
        let read = |member: &Member| (member.to_string(), reader.read(member).unwrap());
        Self {
            members: members.iter().map(read).collect(),
        }
    }

    /// As a package; names that no package has are left out.
    pub fn zip(&self) -> Vec<u8> {
        let mut zip = ProofWriter::new(Cursor::new(Vec::new()));
        for (name, content) in &self.members {
            if let Ok(member) = name.parse::<Member>() {
                zip.add(&member, content).unwrap();
            }
        }
        zip.finish().unwrap().into_inner()
    }

    /// Whoever changes a member can write the sums anew.
    pub fn with_new_sums(mut self) -> Self {
        let members = self
            .members
            .iter()
            .filter(|(name, _)| *name != "SHA256SUMS");
        let sums = members.map(|(name, bytes)| (name.parse().unwrap(), Digest::of(bytes)));
        let text = Sums(sums.collect()).to_text();
        self.members
            .insert("SHA256SUMS".to_owned(), text.into_bytes());
        self
    }

    pub fn unpack(&self, folder: &Path) {
        for (name, content) in &self.members {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }

    /// Our verdict.
    pub fn report(&self) -> Report {
        verify::package(Cursor::new(self.zip()), None, Limits::default()).unwrap()
    }

    /// The script's verdict with what it said.
    pub fn script(&self, arguments: &[&str]) -> (bool, String) {
        let (package, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        self.unpack(package.path());
        // A script that was changed says nothing about itself: who checks brings a good one.
        let script = ours.path().join("verify.sh");
        std::fs::write(&script, SCRIPT).unwrap();
        let folder = package.path().to_str().unwrap();
        run_script(&script, &[arguments, &[folder]].concat(), &[])
    }

    /// Both verdicts, which must be the same; true with the words of both.
    pub fn both(&self) -> (bool, String) {
        let report = self.report();
        let (yes, text) = self.script(&[]);
        let ours: Vec<&str> = report
            .checks
            .iter()
            .map(|check| check.text.en.as_str())
            .collect();
        let words = format!("script:\n{text}\nours:\n{}", ours.join("\n"));
        assert_eq!(yes, report.valid, "the two disagree\n{words}");
        if let Some(level) = report.level {
            assert!(
                text.contains(&format!("/ level: {}\n", level.code())),
                "{words}"
            );
        }
        (yes, words)
    }

    pub fn names(&self, start: &str) -> Vec<String> {
        let names = self.members.keys().filter(|name| name.starts_with(start));
        names.cloned().collect()
    }
}

/// The script of this build.
const SCRIPT: &str = include_str!("../../assets/verify.sh");

/// Runs the script with dash in an environment; whether it said yes, and everything that it said.
pub fn run_script(script: &Path, arguments: &[&str], env: &[(&str, String)]) -> (bool, String) {
    let output = Command::new("dash")
        .arg(script)
        .args(arguments)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let yes = output.status.success();
    assert_eq!(yes, text.lines().any(|line| line == "VALID"), "{text}");
    (yes, text)
}

/// Environment that moves a process's clock, as the `faketime` command sets it up.
pub fn faketime(by: &str) -> Vec<(&'static str, String)> {
    let output = Command::new("faketime").args(["-f", by, "env"]).output();
    let output = output.expect("faketime is installed by tests/run");
    let show = String::from_utf8_lossy(&output.stdout).into_owned();
    let preload = show
        .lines()
        .find_map(|line| line.strip_prefix("LD_PRELOAD="));
    vec![
        ("LD_PRELOAD", preload.expect("faketime preloads").to_owned()),
        ("FAKETIME", by.to_owned()),
    ]
}

/// A program of this build.
pub fn bin(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    me.parent().and_then(Path::parent).unwrap().join(name)
}
