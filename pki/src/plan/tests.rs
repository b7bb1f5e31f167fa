//! Plans: good ones, and every rule broken at once.

use super::*;

const GOOD: &str = r#"
[authority]
name = "Trạm thử nghiệm"
trust_domain = "tram.test"
[[authority.delegated]]
code = "H01"
[tsa]
name = "tsa-1.tram.test"
url = "http://127.0.0.1:3180/"
[[station]]
name = "relay-1.tram.test"
kind = "relay"
address = "127.0.0.1:4101"
[[station]]
name = "node-a.tram.test"
kind = "node"
home_relays = ["relay-1.tram.test"]
[[agency]]
code = "H01.36"
name = "Sở Nội vụ"
aliases = ["000.01.36.H01"]
station = "node-a.tram.test"
"#;

#[test]
fn a_good_plan_is_read_and_its_digest_is_the_files() {
    let plan = Plan::parse("plan.toml", GOOD.to_owned()).unwrap();
    assert_eq!(plan.digest, Digest::of(GOOD.as_bytes()));
    let code = AgencyCode::parse("H01.36").unwrap();
    assert_eq!(plan.delegated_for(&code).unwrap().code.as_str(), "H01");
    assert!(
        plan.delegated_for(&AgencyCode::parse("H02").unwrap())
            .is_none()
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let bad = GOOD
        .replace(
            "station = \"node-a.tram.test\"",
            "station = \"node-z.tram.test\"",
        )
        .replace(
            "home_relays = [\"relay-1.tram.test\"]",
            "home_relays = [\"relay-9.tram.test\"]",
        )
        .replace("address = \"127.0.0.1:4101\"", "address = \"nowhere\"")
        .replace("name = \"tsa-1.tram.test\"", "name = \"tsa-1.other.test\"");
    let error = Plan::parse("plan.toml", bad).unwrap_err();
    let PlanError::Problems(problems) = &error else {
        panic!("{error}")
    };
    assert_eq!(problems.len(), 4, "{error}");
}

#[test]
fn unknown_keys_are_refused() {
    let bad = GOOD.replace("[tsa]", "[tsa]\ncolour = \"red\"");
    let text = Plan::parse("plan.toml", bad).unwrap_err().to_string();
    assert!(text.contains("colour"), "{text}");
}

/// A second node with an address, and a first that names it.
fn two_nodes() -> String {
    let second = "[[station]]\nname = \"node-b.tram.test\"\nkind = \"node\"\n\
                  address = \"127.0.0.1:4102\"\nneighbours = [\"node-a.tram.test\"]\n[[agency]]";
    GOOD.replace(
        "home_relays = [\"relay-1.tram.test\"]",
        "home_relays = []\nneighbours = [\"node-b.tram.test\"]",
    )
    .replacen("[[agency]]", second, 1)
}

#[test]
fn nodes_may_name_each_other_when_the_dialled_one_listens() {
    Plan::parse("plan.toml", two_nodes()).unwrap();
    let deaf = two_nodes().replace("address = \"127.0.0.1:4102\"\n", "");
    let text = Plan::parse("plan.toml", deaf).unwrap_err().to_string();
    assert!(text.contains("give node-b.tram.test an address"), "{text}");
    let one_sided = two_nodes().replace("neighbours = [\"node-a.tram.test\"]\n", "");
    let text = Plan::parse("plan.toml", one_sided).unwrap_err().to_string();
    assert!(text.contains("does not name it back"), "{text}");
    let itself = two_nodes().replace("[\"node-b.tram.test\"]", "[\"node-a.tram.test\"]");
    let text = Plan::parse("plan.toml", itself).unwrap_err().to_string();
    assert!(text.contains("not another relay"), "{text}");
}
