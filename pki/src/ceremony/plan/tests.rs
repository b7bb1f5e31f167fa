//! Ceremony plans: a good one, and every rule broken at once.

use super::*;

const GOOD: &str = r#"
[ceremony]
authority = "Cơ quan thử nghiệm"
trust_domain = "tram.test"
[[participant]]
role = "leader"
[[participant]]
role = "operator"
[[participant]]
role = "witness"
[[participant]]
role = "custodian"
name = "người giữ 1"
[[participant]]
role = "custodian"
name = "người giữ 2"
[shares]
needed = 2
of = 2
[root]
algorithm = "ecdsa-p384"
valid_years = 20
list_days = 365
key = "file"
[[issuing]]
code = "H01"
algorithm = "rsa-pss-3072"
valid_years = 10
key = "csr"
[[issuing]]
algorithm = "ecdsa-p256"
valid_years = 10
key = "pkcs11:token=T;object=ca?module-path=/m.so&pin-source=file:pin"
"#;

fn problems(text: &str) -> Vec<String> {
    match CeremonyPlan::parse("ceremony.toml", text.to_owned(), Path::new("/plans")) {
        Err(PlanError::Problems(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_plan_is_read_national_authority_first() {
    let plan = CeremonyPlan::parse("f", GOOD.to_owned(), Path::new("/plans")).unwrap();
    let files: Vec<&str> = plan.issuing.iter().map(|one| one.file.as_str()).collect();
    assert_eq!(files, ["ca", "ca-H01"]);
    assert_eq!(plan.issuing[0].subtrees, ["tram.test"]);
    assert_eq!(plan.issuing[1].subtrees, ["h01.tram.test"]);
    assert_eq!(plan.issuing[1].place, KeyPlace::Elsewhere);
    let KeyPlace::Token(uri) = &plan.issuing[0].place else {
        panic!("a token");
    };
    assert_eq!(uri.pin_file().unwrap(), Path::new("/plans/pin"));
    assert_eq!(plan.digest, Digest::of(GOOD.as_bytes()));
}

#[test]
fn a_weak_plan_is_refused_with_all_its_problems_at_once() {
    let weak = GOOD
        .replace("needed = 2\nof = 2", "needed = 4\nof = 3")
        .replace("role = \"witness\"", "role = \"leader\"")
        .replace("người giữ 2", "người giữ 1")
        .replace("\"ecdsa-p384\"", "\"ecdsa-p256\"")
        .replace("list_days = 365", "list_days = 4000")
        .replace(
            "\"rsa-pss-3072\"\nvalid_years = 10",
            "\"rsa-1024\"\nvalid_years = 25",
        )
        .replace(
            "key = \"csr\"",
            "key = \"csr\"\nsubtrees = [\"h02.tram.test\", \"xtram.test\"]",
        )
        .replace("file:pin", "file:pin&pin-value=1");
    let found = problems(&weak);
    for words in [
        "shares.needed is 4 of 3",
        "3 shares for 2 custodians",
        "exactly one leader",
        "no witness",
        "người giữ 1 stands twice",
        "ecdsa-p256 is not allowed for a root",
        "list_days is 4000",
        "algorithm \"rsa-1024\" is not allowed",
        "valid_years is 25: 1 to the root's 20",
        "\"h02.tram.test\" is outside h01.tram.test",
        "\"xtram.test\" is outside the trust domain",
        "a PIN does not belong into the address",
    ] {
        let named = found.iter().any(|problem| problem.contains(words));
        assert!(named, "{words}: {found:#?}");
    }
    assert_eq!(found.len(), 12, "{found:#?}");
}

#[test]
fn other_weak_plans_are_refused_as_well() {
    let table = [
        (
            GOOD.replace("needed = 2", "needed = 1"),
            "at least 2 persons",
        ),
        (
            GOOD.replace("role = \"custodian\"", "role = \"witness\""),
            "0 custodians",
        ),
        (GOOD.replace("code = \"H01\"\n", ""), "2 national"),
        (
            GOOD.replace(
                "algorithm = \"ecdsa-p256\"",
                "code = \"H01\"\nalgorithm = \"ecdsa-p256\"",
            ),
            "ca-H01 stands twice",
        ),
        (
            GOOD.replace("key = \"file\"", "key = \"csr\""),
            "its key is made here",
        ),
        (
            GOOD.replace("\"Cơ quan thử nghiệm\"", "\" \""),
            "has no name",
        ),
        (
            GOOD.replace(
                "key = \"file\"",
                "key = \"pkcs11:token=T;object=r?module-path=/m.so\"",
            ),
            "a token's PIN is not divided",
        ),
        (
            GOOD.replace("[shares]\nneeded = 2\nof = 2\n", "")
                .replace("role = \"custodian\"", "role = \"witness\""),
            "nobody keeps the passphrase",
        ),
        (
            GOOD.replace(
                "valid_years = 10",
                "valid_years = 10\nsubtrees = [\"h01.tram.test\"]",
            ),
            "remove its subtrees",
        ),
    ];
    for (text, words) in table {
        let found = problems(&text);
        assert!(
            found.iter().any(|one| one.contains(words)),
            "{words}: {found:#?}"
        );
    }
    for text in [
        "",
        "[ceremony]",
        &GOOD.replace("[root]", "[root]\nunknown = 1"),
    ] {
        let refused = CeremonyPlan::parse("f", text.to_owned(), Path::new(""));
        assert!(
            matches!(refused, Err(PlanError::Form { .. })),
            "{refused:?}"
        );
    }
}
