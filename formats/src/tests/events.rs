//! The table of events as a document: `EVENTS.md` is what [`document`] prints.

use std::fmt::Write as _;

use crate::event::{Event, Proves, ReasonRule, Speaker};

const HEAD: &str = "\
# Events and their evidence

Printed from `formats/src/event.rs`; a test compares the two. Letters, names and clauses are those of ETSI EN 319 522-1,
clause 6.2 and table 1, as public implementations cite them (the text of the standard itself was not at hand). \"near\":
the standard's event that comes closest; ours says less or more. EN 319 522-2 and -3 give the same names to evidence and its XML.

Every event is a statement in a station's log: its receipt is the statement, the inclusion proof, a checkpoint with two
signatures and, once stamped, a time-stamp. One signature serves all statements of a commit.

| event | ETSI | said by | state at the sender's desk | final | reason | who gets the receipt |
|---|---|---|---|---|---|---|
";

const TAIL: &str = "
## What is no event here

* **Refused submissions that were never read** (no key, no packet, a body that is too large or breaks off, a busy or stopped
  station) are answered by `problem+json` alone. What was read and refused for good is a SubmissionRejection about the packet's
  digest; its receipt is in the answer. It names the sender as recipient, for there is no envelope.
* **Quarantined** is ContentConsignmentFailure with the reason of what did not verify; at a relay whose stored body is damaged,
  RelayFailure.
* **Business statuses (01 to 16)** are packets. Two things stand for one: the packet with its agency's signature, which says what was
  answered, and the ContentConsignment that the asking side's own home station states about the envelope of that packet, which
  says when it came. The answering agency gets that receipt like any sender. No statement repeats the status.
* **A relay's word is news.** RelayRejection and Expired of stations on the road are shown; a state ends by the home station, by the
  sender's own station where no road can cure the reason, or by the desk's own clock a day after `expires`. The last two stand in
  the timeline as what they are.
* **Local acts** (a wait for another try, a recall asked for, `expired` by the desk's clock, content deleted, a hold) are rows of
  the desk without a proof; the timeline marks them `local`.
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut whens = String::from("\n## When\n\n");
    for event in Event::ALL {
        let row = event.row();
        let etsi = row.etsi.map_or_else(
            || "none".to_owned(),
            |etsi| {
                let near = if etsi.same { "" } else { "near " };
                format!("{near}{} {} ({})", etsi.id, etsi.name, etsi.clause)
            },
        );
        let speaker = match row.speaker {
            Speaker::Home => "recipient's home station only",
            Speaker::OnTheRoad => "any station on the road",
            Speaker::Sender => "sender's home station",
        };
        let reason = match row.reason {
            ReasonRule::Free => "free",
            ReasonRule::Needed => "needed",
            ReasonRule::None => "none",
        };
        let word = row.proves.word().unwrap_or("—");
        let end = if row.proves.is_final() { "yes" } else { "no" };
        let told = row.told;
        let name = row.name;
        let _fits = writeln!(
            text,
            "| {name} | {etsi} | {speaker} | {word} | {end} | {reason} | {told} |"
        );
        let _fits = writeln!(
            whens,
            "* **{name}** ({} / {}): {}.",
            row.vi, row.en, row.when
        );
    }
    text + &whens + TAIL
}

#[test]
fn the_document_is_the_table() {
    let written = include_str!("../../EVENTS.md");
    let made = document();
    if written != made {
        let file = std::env::temp_dir().join("EVENTS.md");
        std::fs::write(&file, &made).unwrap();
        panic!(
            "formats/EVENTS.md differs; the right one is {}",
            file.display()
        );
    }
}

#[test]
fn every_line_of_the_document_is_an_event_and_every_event_has_one() {
    let written = include_str!("../../EVENTS.md");
    let lines = written.lines().filter_map(|line| line.strip_prefix("| "));
    let named: Vec<&str> = lines
        .filter_map(|line| line.split(" |").next())
        .filter(|name| *name != "event")
        .collect();
    let all: Vec<&str> = Event::ALL.into_iter().map(Event::name).collect();
    assert_eq!(named, all);
}

#[test]
fn names_read_back_and_rows_know_their_event() {
    for event in Event::ALL {
        assert_eq!(event.row().event, event);
        assert_eq!(Event::from_name(event.name()), Some(event));
        assert!(!event.row().vi.is_empty() && !event.row().en.is_empty());
    }
    assert_eq!(Event::from_name("Delivered"), None);
}

/// What ends a recipient's state is the home station's to say; `Expired` is said on the road too and
/// judged apart.
#[test]
fn what_is_final_is_said_by_the_home_station_or_judged_apart() {
    for event in Event::ALL {
        let row = event.row();
        if row.proves.is_final() {
            assert!(
                event.only_home_says() || event == Event::Expired,
                "{event:?}"
            );
        }
        if row.proves == Proves::Delivered {
            assert!(event.only_home_says());
        }
    }
}
