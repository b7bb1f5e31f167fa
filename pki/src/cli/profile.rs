//! `tram-pki profile`: the table of roles for people, an operator's file judged, two compared.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use pki::permit;
use pki::profile::{BUILT_IN_TOML, Profile, Profiles};
use pki::role::Role;
use serde_json::{Value, json};

use super::failure::Next;
use super::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Every role with its name, issuers, validity and keys (liệt kê hồ sơ chứng thư).
    List {
        /// An operator's file over the built-in profiles.
        #[arg(long)]
        profiles: Option<PathBuf>,
    },
    /// One role in full (xem hồ sơ của một vai trò).
    Show {
        /// For example agency-signature.
        role: Role,
        /// An operator's file over the built-in profiles.
        #[arg(long)]
        profiles: Option<PathBuf>,
    },
    /// Check an operator's file: it may only narrow (kiểm tra tệp hồ sơ của đơn vị vận hành).
    Lint {
        /// The operator's file.
        file: PathBuf,
    },
    /// What differs between two operator's files; `built-in` stands for none (so sánh hai tệp hồ sơ).
    Diff {
        /// The earlier file.
        a: PathBuf,
        /// The later file.
        b: PathBuf,
    },
    /// Who may sign what, and who may issue whom, as Markdown (bảng đối tượng, vai trò, nơi cấp).
    Table,
    /// The built-in table as TOML (in bảng hồ sơ có sẵn).
    BuiltIn,
}

pub(super) fn run(command: &ProfileCommand) -> Result<Output, Failure> {
    match command {
        ProfileCommand::List { profiles } => Ok(list(&load(profiles.as_deref())?)),
        ProfileCommand::Show { role, profiles } => Ok(show(&load(profiles.as_deref())?, *role)),
        ProfileCommand::Lint { file } => lint(file),
        ProfileCommand::Diff { a, b } => Ok(diff(&load(Some(a))?, &load(Some(b))?)),
        ProfileCommand::Table => {
            let text = permit::document();
            let json = json!({ "kind": "roles", "markdown": text });
            Ok(Output::new(text, json))
        }
        ProfileCommand::BuiltIn => {
            let built_in = Profiles::built_in();
            let json = json!({ "toml": BUILT_IN_TOML, "sha256": built_in.sha256().to_string() });
            Ok(Output::new(BUILT_IN_TOML.to_owned(), json))
        }
    }
}

/// The profiles of a command: built in, or narrowed by a file.
pub(super) fn load(file: Option<&Path>) -> Result<Profiles, Failure> {
    match file {
        Some(file) if file != Path::new("built-in") => {
            Profiles::load(file).next("correct the file; `tram-pki profile lint FILE` checks it")
        }
        _ => Ok(Profiles::built_in().clone()),
    }
}

/// The facts of a profile as (name, Vietnamese name, value).
fn facts(profile: &Profile) -> Vec<(&'static str, &'static str, String)> {
    let join = |all: Vec<String>| all.join(", ");
    let usage = format!("{:?}", profile.key_usage());
    let mut facts = vec![
        (
            "extended key usage",
            "mục đích sử dụng",
            match (profile.eku(), profile.eku_word()) {
                (Some(id), Some(word)) => {
                    let critical = if profile.eku_critical() {
                        ", critical"
                    } else {
                        ""
                    };
                    format!("{word} ({id}{critical})")
                }
                _ => "none".to_owned(),
            },
        ),
        ("key usage", "sử dụng khóa", usage),
        (
            "name",
            "tên",
            format!("{:?}", profile.name()).to_lowercase(),
        ),
        (
            "issued by",
            "nơi cấp",
            join(profile.issuers().iter().map(ToString::to_string).collect()),
        ),
        (
            "valid days",
            "số ngày hiệu lực",
            profile.validity_days().to_string(),
        ),
        (
            "keys",
            "loại khóa",
            join(profile.keys().iter().map(ToString::to_string).collect()),
        ),
        (
            "approvals",
            "số người duyệt",
            profile.approvals().to_string(),
        ),
    ];
    if let Some(length) = profile.path_length() {
        facts.push((
            "authorities below",
            "số cấp CA bên dưới",
            length.to_string(),
        ));
    }
    if profile.no_check() {
        let text = "answered for by nobody (id-pkix-ocsp-nocheck)".to_owned();
        facts.push(("revocation", "thu hồi", text));
    }
    if let Some(remark) = profile.remark() {
        facts.push(("remark", "ghi chú", remark.to_owned()));
    }
    facts
}

fn value(profile: &Profile) -> Value {
    let (en, vi) = profile.words();
    json!({
        "role": profile.role().as_str(), "en": en, "vi": vi,
        "eku": profile.eku().map(|id| id.to_string()), "eku_word": profile.eku_word(),
        "eku_critical": profile.eku_critical(),
        "key_usage": format!("{:?}", profile.key_usage()),
        "name": format!("{:?}", profile.name()).to_lowercase(),
        "issuers": profile.issuers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "path_length": profile.path_length(), "no_check": profile.no_check(),
        "validity_days": profile.validity_days(),
        "keys": profile.keys().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "approvals": profile.approvals(), "remark": profile.remark(),
    })
}

fn head(profiles: &Profiles) -> Value {
    json!({ "version": profiles.version(), "sha256": profiles.sha256().to_string() })
}

fn list(profiles: &Profiles) -> Output {
    let mut text = String::new();
    for profile in profiles.iter() {
        let (en, vi) = profile.words();
        let keys: Vec<String> = profile.keys().iter().map(ToString::to_string).collect();
        let issuers: Vec<String> = profile.issuers().iter().map(ToString::to_string).collect();
        text += &format!(
            "{:<18} {en} ({vi})\n{:18} {} days (ngày), {}, by (cấp bởi) {}, approvals (duyệt) {}\n",
            profile.role().as_str(),
            "",
            profile.validity_days(),
            keys.join("/"),
            issuers.join("/"),
            profile.approvals(),
        );
    }
    text += &format!(
        "Version {}, SHA-256 {}\n",
        profiles.version(),
        profiles.sha256()
    );
    let mut json = head(profiles);
    json["profiles"] = profiles.iter().map(value).collect();
    Output::new(text, json)
}

fn show(profiles: &Profiles, role: Role) -> Output {
    let profile = profiles.of(role);
    let (en, vi) = profile.words();
    let mut text = format!("{role}: {en} ({vi})\n");
    for (name, vietnamese, value) in facts(profile) {
        text += &format!("  {name} ({vietnamese}): {value}\n");
    }
    text += &format!("Profiles SHA-256: {}\n", profiles.sha256());
    let mut json = head(profiles);
    json["profile"] = value(profile);
    Output::new(text, json)
}

fn lint(file: &Path) -> Result<Output, Failure> {
    let narrowed = Profiles::load(file).next(
        "correct every line named above; an operator's file may say validity_days, keys, approvals \
         and remark, and only narrow",
    )?;
    let changes = changes(Profiles::built_in(), &narrowed);
    let text = format!(
        "The file is good (tệp hợp lệ): it narrows {} value(s).\n{}SHA-256 to record: {}\n",
        changes.len(),
        lines(&changes),
        narrowed.sha256()
    );
    let mut json = head(&narrowed);
    json["narrowed"] = changes.iter().map(Change::json).collect();
    Ok(Output::new(text, json))
}

/// One value that differs.
struct Change {
    role: Role,
    name: &'static str,
    vietnamese: &'static str,
    before: String,
    after: String,
}

impl Change {
    fn json(&self) -> Value {
        json!({
            "role": self.role.as_str(), "what": self.name,
            "before": self.before, "after": self.after,
        })
    }
}

fn changes(a: &Profiles, b: &Profiles) -> Vec<Change> {
    let mut all = Vec::new();
    for role in Role::ALL {
        let (before, after) = (facts(a.of(role)), facts(b.of(role)));
        for (name, vietnamese, new) in &after {
            let old = before.iter().find(|(known, ..)| known == name);
            let old = old.map_or_else(|| "none".to_owned(), |(_, _, value)| value.clone());
            if old != *new {
                all.push(Change {
                    role,
                    name,
                    vietnamese,
                    before: old,
                    after: new.clone(),
                });
            }
        }
        for (name, vietnamese, old) in before {
            if !after.iter().any(|(known, ..)| *known == name) {
                let (before, after) = (old, "none".to_owned());
                all.push(Change {
                    role,
                    name,
                    vietnamese,
                    before,
                    after,
                });
            }
        }
    }
    all
}

fn lines(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        text += &format!(
            "  {}: {} ({}): {} → {}\n",
            change.role, change.name, change.vietnamese, change.before, change.after
        );
    }
    text
}

fn diff(a: &Profiles, b: &Profiles) -> Output {
    let changes = changes(a, b);
    let text = if changes.is_empty() {
        "No difference (không khác nhau).".to_owned()
    } else {
        lines(&changes)
    };
    let json = json!({
        "a": head(a), "b": head(b),
        "changes": changes.iter().map(Change::json).collect::<Vec<_>>(),
    });
    Output::new(text, json)
}
