//! Whatever is done to a package is found, by the script and by us alike: seeded changes of every member,
//! with the list of digests as it was and with the list written anew.
//!
//! The ordinary run takes a sample; `tests/run --full` takes every member ten times.

use node::evidence::Contents;

use crate::evidence::handed_over;
use crate::proof::Proof;
use crate::world::World;

/// A small generator, so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len())]
    }
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    if !bytes.is_empty() {
        let at = dice.roll(bytes.len());
        bytes[at] ^= 1 << dice.roll(8);
    }
}

/// One change of a member; what was done.
fn change(proof: &mut Proof, name: &str, dice: &mut Dice) -> String {
    let same_kind = |one: &&String| one.rsplit('/').next() == name.rsplit('/').next();
    match dice.roll(5) {
        0 => {
            proof.members.remove(name);
            format!("{name} dropped")
        }
        1 => {
            let content = proof.members.get_mut(name).unwrap();
            content.truncate(content.len() / 2);
            format!("{name} cut")
        }
        2 => {
            let others: Vec<String> = proof.members.keys().filter(same_kind).cloned().collect();
            let all: Vec<String> = proof.members.keys().cloned().collect();
            let other = dice
                .of(if others.len() > 1 { &others } else { &all })
                .clone();
            let (one, two) = (proof.members[name].clone(), proof.members[&other].clone());
            proof.members.insert(name.to_owned(), two);
            proof.members.insert(other.clone(), one);
            format!("{name} and {other} swapped")
        }
        3 => {
            let all: Vec<String> = proof.members.keys().cloned().collect();
            let other = dice.of(&all).clone();
            let content = proof.members[&other].clone();
            proof.members.insert(name.to_owned(), content);
            format!("{name} is a second {other}")
        }
        _ => {
            flip(proof.members.get_mut(name).unwrap(), dice);
            format!("a bit of {name} flipped")
        }
    }
}

fn full() -> bool {
    std::env::var("TRAM_TESTS_MODE").is_ok_and(|mode| mode == "full")
}

/// Seeded changes of these members, of a sample of them in the ordinary run.
fn changed(good: &Proof, names: &[String], seed: u64) -> Vec<(String, Proof)> {
    let mut dice = Dice(seed);
    let mut cases = Vec::new();
    let (rounds, step) = if full() { (10, 1) } else { (1, 4) };
    for _ in 0..rounds {
        for name in names.iter().skip(dice.roll(step)).step_by(step) {
            let mut proof = good.clone();
            let what = change(&mut proof, name, &mut dice);
            if proof.members != good.members {
                cases.push((what, proof));
            }
        }
    }
    assert!(
        cases.len() >= if full() { 60 } else { 8 },
        "{} changes",
        cases.len()
    );
    cases
}

/// Both verdicts of every case, two cases at a time.
fn judged(cases: Vec<(String, Proof)>) -> Vec<(String, bool, String)> {
    let half = cases.len().div_ceil(2);
    let judge = |part: &[(String, Proof)]| -> Vec<(String, bool, String)> {
        let both = part
            .iter()
            .map(|(what, proof)| (what.clone(), proof.both()));
        both.map(|(what, (yes, words))| (what, yes, words))
            .collect()
    };
    std::thread::scope(|scope| {
        let parts = cases
            .chunks(half)
            .map(|part| scope.spawn(move || judge(part)));
        let parts: Vec<_> = parts.collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_every_member_are_found_by_the_script_and_by_us() {
    let world = World::start().await;
    let id = handed_over(&world, "22").await;
    let good = Proof::of(&world, id, Contents::Packet).await;
    world.stop().await;
    assert!(good.both().0, "{}", good.both().1);
    let names: Vec<String> = good.members.keys().cloned().collect();
    let results = judged(changed(&good, &names, 22));
    for (what, yes, words) in &results {
        assert!(!yes, "{what} was not found\n{words}");
    }
    let tried = results.len();
    println!("RESULT {tried} changes of proof packages: all found by openssl and by us");
}

/// Who changes a member writes the digests anew; what counts then is the signatures. The parts that nobody
/// signs (page, readme, script, the list itself) may be anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_under_new_digests_are_found_and_both_agree() {
    let world = World::start().await;
    let id = handed_over(&world, "23").await;
    let good = Proof::of(&world, id, Contents::Packet).await;
    world.stop().await;
    let names: Vec<String> = good
        .members
        .keys()
        .filter(|name| name.contains('/'))
        .cloned()
        .collect();
    let cases = changed(&good, &names, 23).into_iter();
    let cases = cases.map(|(what, proof)| (what, proof.with_new_sums()));
    let results = judged(cases.collect());
    let mut found = 0;
    for (what, yes, words) in &results {
        // Less evidence is a smaller package, and records may stand in any order or twice; nothing else
        // passes.
        let moved = what.ends_with("swapped") || what.contains(" is a second records/");
        let harmless = what.ends_with("dropped") || what.starts_with("records/") && moved;
        assert!(!yes || harmless, "{what} was not found\n{words}");
        found += usize::from(!yes);
    }
    let tried = results.len();
    println!("RESULT {tried} changes under new digests: {found} found, both verdicts equal in all");
}

/// What a forger who knows the format would try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgeries_that_know_the_format_are_refused_by_both() {
    let world = World::start().await;
    let id = handed_over(&world, "24").await;
    let other = handed_over(&world, "25").await;
    let good = Proof::of(&world, id, Contents::Packet).await;
    let other = Proof::of(&world, other, Contents::Packet).await;
    world.stop().await;
    let receipts = good.names("receipts/").len() / 3;
    let last = format!("receipts/{receipts:04}");
    let text = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{from} not in {text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        }
    };
    let mut cases: Vec<(String, Proof)> = Vec::new();
    let mut spoil = |name: &str, spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut proof = good.clone();
        spoil(proof.members.get_mut(name).unwrap());
        cases.push((name.to_owned(), proof.with_new_sums()));
    };
    let statement = format!("{last}/statement.json");
    spoil(&statement, &text("ContentHandover", "ContentConsignment"));
    spoil(&statement, &text("node-b", "node-a"));
    spoil(&statement, &text("\"v\":1", "\"v\": 1"));
    spoil(&statement, &|bytes| bytes.push(b'\n'));
    spoil(&format!("{last}/inclusion.txt"), &text("index ", "index 1"));
    spoil(&format!("{last}/inclusion.txt"), &|bytes| {
        bytes.extend_from_slice(b"path ")
    });
    spoil("checkpoints/0001/body.txt", &text("/log/", "/lag/"));
    spoil("checkpoints/0001/note.txt", &|bytes| {
        let last = bytes.len() - 10;
        bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
    });
    spoil("document/packet.edxml", &|bytes| bytes[0] = b'1');
    spoil("document/document.asics", &|bytes| bytes[10] ^= 1);
    // The parts of another document, each good by itself.
    for name in [
        "document/packet.edxml",
        "document/signature.p7s",
        "document/document.asics",
    ] {
        let foreign = other.members[name].clone();
        spoil(name, &|bytes| bytes.clone_from(&foreign));
    }
    for part in ["statement.json", "salt.hex", "inclusion.txt"] {
        let foreign = other.members[&format!("receipts/0001/{part}")].clone();
        spoil(&format!("receipts/0001/{part}"), &|bytes| {
            bytes.clone_from(&foreign)
        });
    }
    // A receipt twice, and a second trust list.
    let mut twice = good.clone();
    for part in ["statement.json", "salt.hex", "inclusion.txt"] {
        let copy = twice.members[&format!("{last}/{part}")].clone();
        twice
            .members
            .insert(format!("receipts/{:04}/{part}", receipts + 1), copy);
    }
    cases.push(("a receipt twice".to_owned(), twice.with_new_sums()));
    let list = good.names("records/").into_iter().find(|name| {
        String::from_utf8_lossy(&good.members[name]).contains("\"record\":\"trust_list\"")
    });
    let mut lists = good.clone();
    let copy = lists.members[&list.unwrap()].clone();
    lists.members.insert("records/0999.rec".to_owned(), copy);
    cases.push(("two trust lists".to_owned(), lists.with_new_sums()));
    // Without revocation lists nobody is believed.
    let mut unlisted = good.clone();
    unlisted
        .members
        .retain(|name, _| !name.starts_with("crls/"));
    cases.push(("no revocation lists".to_owned(), unlisted.with_new_sums()));
    for (what, yes, words) in judged(cases) {
        assert!(!yes, "{what}: {words}");
    }
    // A cosignature line of somebody else does no harm.
    let mut witnessed = good.clone();
    let line = "\u{2014} witness.example/w1 vHPdLAAAAABqRdvVAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    let note = witnessed
        .members
        .get_mut("checkpoints/0001/note.txt")
        .unwrap();
    note.extend_from_slice(line.as_bytes());
    let (yes, words) = witnessed.with_new_sums().both();
    assert!(yes, "{words}");
}
