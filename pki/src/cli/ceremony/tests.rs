//! The commands that only look: example, plan, script.

use super::super::tests::{text, tram_pki};

fn example() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ceremony.toml");
    std::fs::write(&file, super::EXAMPLE).unwrap();
    (dir, file)
}

#[test]
fn the_example_is_a_good_plan_and_its_script_has_every_step() {
    let (_dir, file) = example();
    let plan = tram_pki(&["ceremony", "plan", text(&file)]).unwrap();
    assert_eq!(plan["authorities"].as_array().unwrap().len(), 3);
    let script = tram_pki(&["ceremony", "script", text(&file)]).unwrap();
    assert_eq!(script["plan"], plan["digest"]);
    assert!(script["steps"].as_array().unwrap().len() > 9);
}

#[test]
fn the_script_is_a_whole_page_in_both_languages_and_hides_no_markup() {
    let (_dir, file) = example();
    let changed = super::EXAMPLE.replace("name = \"Tỉnh H01\"", "name = \"<b>&\\\"\"");
    std::fs::write(&file, changed).unwrap();
    let plan = super::load(&file).unwrap();
    let page = super::script::print(&plan, super::Format::Html)
        .choose(false)
        .to_string();
    assert!(
        page.contains("&lt;b&gt;&amp;&quot;") && !page.contains("<b>"),
        "{page}"
    );
    let lines = super::script::print(&plan, super::Format::Text)
        .choose(false)
        .to_string();
    for words in [
        "KEY CEREMONY SCRIPT",
        "KỊCH BẢN",
        "ca-H01",
        "2 of the 3",
        "signature (ký)",
    ] {
        assert!(lines.contains(words), "{words}: {lines}");
    }
    assert_eq!(lines.matches(&plan.digest.to_string()).count(), 3);
}
