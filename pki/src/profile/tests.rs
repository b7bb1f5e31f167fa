//! The table of profiles: what must never change unnoticed, and what an operator may narrow.

use super::*;

/// Architecture, section 7, written out once more by hand: a change of the table that touches what
/// the whole country's verifiers read must be made here too.
const EXPECTED: [(&str, &str, &str, &str, &str, u32); 11] = [
    (
        "agency-encryption",
        "1.3.6.1.4.1.32473.1.2.1",
        "keyAgreement",
        "Agency",
        "national delegated",
        365,
    ),
    (
        "agency-signature",
        "1.3.6.1.5.5.7.3.36",
        "digitalSignature nonRepudiation",
        "Agency",
        "national delegated",
        365,
    ),
    (
        "delegate",
        "1.3.6.1.4.1.32473.1.2.5",
        "digitalSignature",
        "Agency",
        "national delegated",
        365,
    ),
    (
        "issuing-ca",
        "",
        "keyCertSign cRLSign",
        "None",
        "root",
        3650,
    ),
    (
        "ocsp",
        "1.3.6.1.5.5.7.3.9",
        "digitalSignature",
        "Station",
        "national",
        90,
    ),
    (
        "registry",
        "1.3.6.1.4.1.32473.1.2.4",
        "digitalSignature",
        "Station",
        "national",
        365,
    ),
    ("root", "", "keyCertSign cRLSign", "None", "itself", 7300),
    (
        "station-evidence",
        "1.3.6.1.4.1.32473.1.2.3",
        "digitalSignature nonRepudiation",
        "Station",
        "national delegated",
        365,
    ),
    (
        "station-tls",
        "1.3.6.1.4.1.32473.1.2.2",
        "digitalSignature",
        "Station",
        "national delegated",
        90,
    ),
    (
        "time-stamping",
        "1.3.6.1.5.5.7.3.8",
        "digitalSignature",
        "Station",
        "national",
        1095,
    ),
    (
        "trust-list",
        "1.3.6.1.4.1.32473.1.2.6",
        "digitalSignature",
        "Station",
        "national",
        1825,
    ),
];

#[test]
fn the_table_says_what_architecture_says_and_roles_read_it() {
    for ((word, eku, usage, name, issuers, days), role) in EXPECTED.into_iter().zip(Role::ALL) {
        assert_eq!(role.as_str(), word);
        assert_eq!(
            role.eku().map(|id| id.to_string()).unwrap_or_default(),
            eku,
            "{word}"
        );
        let bits = table::KEY_USAGES
            .into_iter()
            .filter(|(_, bit)| role.key_usage().contains(*bit))
            .map(|(word, _)| word);
        assert_eq!(bits.collect::<Vec<_>>().join(" "), usage, "{word}");
        assert_eq!(format!("{:?}", role.name_kind()), name, "{word}");
        let said: Vec<_> = role
            .profile()
            .issuers()
            .iter()
            .map(|one| one.as_str())
            .collect();
        assert_eq!(said.join(" "), issuers, "{word}");
        assert_eq!(role.validity_days(), days, "{word}");
        assert_eq!(
            role.may_be_delegated(),
            issuers.contains("delegated"),
            "{word}"
        );
        assert_eq!(role.profile().eku_critical(), role == Role::TimeStamping);
        assert_eq!(role.profile().no_check(), role == Role::Ocsp);
        assert_eq!(role.profile().approvals(), 1);
    }
    assert_eq!(Role::Root.profile().path_length(), Some(1));
    assert_eq!(Role::IssuingCa.profile().path_length(), Some(0));
    assert_eq!(
        Profiles::built_in().sha256(),
        Digest::of(BUILT_IN_TOML.as_bytes())
    );
}

#[test]
fn an_operator_narrows_and_the_digest_tells_it() {
    let file = "version = 1\n[profile.agency-signature]\nvalidity_days = 180\napprovals = 2\n\
                keys = [\"P-384\", \"RSA-3072\"]\nremark = \"Hai người duyệt\"\n";
    let narrowed = Profiles::narrowed(file).unwrap();
    let profile = narrowed.of(Role::AgencySignature);
    assert_eq!((profile.validity_days(), profile.approvals()), (180, 2));
    assert_eq!(profile.keys(), [KeyRule::P384, KeyRule::Rsa(3072)]);
    assert_eq!(profile.remark(), Some("Hai người duyệt"));
    assert_eq!(profile.eku(), Role::AgencySignature.eku());
    assert_eq!(narrowed.of(Role::Delegate), Role::Delegate.profile());
    assert_ne!(narrowed.sha256(), Profiles::built_in().sha256());
    let other = Profiles::narrowed(&file.replace("180", "181")).unwrap();
    assert_ne!(narrowed.sha256(), other.sha256());
}

#[test]
fn an_operator_never_widens() {
    for (file, reason) in [
        ("validity_days = 366", "longer than the 365"),
        ("validity_days = 0", "validity_days is 0"),
        (
            "keys = [\"P-256\", \"RSA-2048\", \"P-521\"]",
            "unknown kind of key",
        ),
        ("keys = []", "no kind of key"),
        ("keys = [\"RSA-1024\"]", "unknown kind of key"),
        ("approvals = 0", "less than the 1"),
        ("approvals = 6", "1 to 5"),
        ("eku = \"registry\"", "unknown field"),
        ("key_usage = [\"keyCertSign\"]", "unknown field"),
        ("name = \"station\"", "unknown field"),
        ("issuers = [\"delegated\"]", "unknown field"),
        ("path_length = 1", "unknown field"),
        ("no_check = true", "unknown field"),
        ("remark = \"a\\u0007b\"", "control characters"),
    ] {
        let text = format!("version = 1\n[profile.agency-signature]\n{file}\n");
        let refused = Profiles::narrowed(&text).unwrap_err().to_string();
        assert!(refused.contains(reason), "{file}: {refused}");
    }
    let wider = "version = 1\n[profile.agency-encryption]\nkeys = [\"RSA-3072\"]\n\
                 [profile.root]\nkeys = [\"RSA-2048\"]\n[profile.tls]\napprovals = 2\n";
    let TableError::Problems(all) = Profiles::narrowed(wider).unwrap_err() else {
        panic!("problems are told at once");
    };
    assert_eq!(all.len(), 3, "{all:?}");
    let old = Profiles::narrowed("version = 9\n").unwrap_err().to_string();
    assert!(old.contains("version 9"), "{old}");
}

#[test]
fn a_table_with_a_hole_or_a_contradiction_is_no_table() {
    let hole = BUILT_IN_TOML.replace("[profile.ocsp]", "[profile.ocsp2]");
    let refused = table::read(&hole).unwrap_err().to_string();
    assert!(refused.contains("[profile.ocsp] is missing"), "{refused}");
    assert!(
        refused.contains("[profile.ocsp2]: no such role"),
        "{refused}"
    );
    for (from, to, reason) in [
        ("path_length = 0", "", "path_length"),
        (
            "needs = \"keyAgreement\"",
            "needs = \"cRLSign\"",
            "not in key_usage",
        ),
        (
            "eku = \"registry\"",
            "eku = \"everything\"",
            "unknown extended key usage",
        ),
        ("issuers = [\"root\"]", "issuers = []", "nobody"),
        ("name = \"none\"", "name = \"agency\"", "no name"),
    ] {
        let text = BUILT_IN_TOML.replacen(from, to, 1);
        assert_ne!(text, BUILT_IN_TOML, "{from}");
        let refused = table::read(&text).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}
