//! The status ladder: every transition, duplicates, out of order, recall and update beside it.

use proptest::prelude::*;

use crate::edxml::status::{
    LadderEvent, Outcome, Request, State, StatusCode, StatusLadder, is_allowed,
};
use crate::time::Timestamp;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_767_900_000_000 + second * 1_000)
}

/// Applies codes and words one second apart; `R` recall packet, `U` update packet.
fn story(steps: &str) -> (StatusLadder, Vec<Outcome>) {
    let mut ladder = StatusLadder::default();
    let mut outcomes = Vec::new();
    for (second, step) in (0..).zip(steps.split_whitespace()) {
        let event = match step {
            "R" => LadderEvent::Recall,
            "U" => LadderEvent::Update,
            code => LadderEvent::Status(StatusCode::parse(code).0),
        };
        let (next, outcome) = ladder.apply(&event, at(second));
        ladder = next;
        outcomes.push(outcome);
    }
    (ladder, outcomes)
}

fn end(steps: &str) -> (State, Request) {
    let (ladder, _) = story(steps);
    (ladder.state(), ladder.request())
}

#[test]
fn every_pair_of_states_follows_the_table() {
    let ways = [
        (State::Sent, ""),
        (State::Arrived, "01"),
        (State::Refused, "02"),
        (State::Accepted, "03"),
        (State::Assigned, "03 04"),
        (State::InProgress, "03 05"),
        (State::Completed, "03 06"),
        (State::Withdrawn, "03 13 15"),
    ];
    let steps = [
        (State::Arrived, "01"),
        (State::Refused, "02"),
        (State::Accepted, "03"),
        (State::Assigned, "04"),
        (State::InProgress, "05"),
        (State::Completed, "06"),
    ];
    let allowed = [
        "Sent>Arrived",
        "Sent>Refused",
        "Sent>Accepted",
        "Arrived>Refused",
        "Arrived>Accepted",
        "Accepted>Assigned",
        "Accepted>InProgress",
        "Accepted>Completed",
        "Assigned>InProgress",
        "Assigned>Completed",
        "Assigned>Assigned",
        "InProgress>Completed",
        "InProgress>Assigned",
    ];
    for (from, way) in ways {
        assert_eq!(end(way).0, from);
        for (to, code) in steps {
            let expected = allowed.contains(&format!("{from:?}>{to:?}").as_str());
            assert_eq!(is_allowed(from, to), expected, "{from:?}>{to:?}");
            let reached = end(&format!("{way} {code}")).0;
            assert_eq!(
                reached,
                if expected { to } else { from },
                "{from:?} then {code}"
            );
        }
    }
}

#[test]
fn a_code_counts_once_except_reassignment() {
    let (ladder, outcomes) = story("01 01 03 03 04 04 05 05 04 06 06");
    use Outcome::{Duplicate, Moved};
    assert_eq!(
        outcomes,
        [
            Moved, Duplicate, Moved, Duplicate, Moved, Moved, Moved, Duplicate, Moved, Moved,
            Duplicate
        ]
    );
    assert_eq!(ladder.state(), State::Completed);
}

#[test]
fn codes_out_of_order_never_move_the_state_backwards() {
    for (steps, state) in [
        ("03 01", State::Accepted),
        ("04 03", State::Assigned),
        ("05 01 03", State::InProgress),
        ("06 05 04 03 01", State::Completed),
        ("06 03 05", State::Completed),
        ("02 03", State::Refused),
        ("03 02", State::Accepted),
        ("03 06 04", State::Completed),
        ("01 05", State::Arrived),
        ("01 07 14 99", State::Arrived),
    ] {
        assert_eq!(end(steps).0, state, "{steps}");
    }
    assert_eq!(story("04 03").1, [Outcome::Early, Outcome::Moved]);
}

#[test]
fn an_assignment_that_only_came_late_is_history() {
    let status = |code: &str| LadderEvent::Status(StatusCode::parse(code).0);
    let (ladder, _) = StatusLadder::default().apply(&status("03"), at(0));
    let (ladder, _) = ladder.apply(&status("05"), at(20));
    let (late, outcome) = ladder.clone().apply(&status("04"), at(10));
    assert_eq!((late.state(), outcome), (State::InProgress, Outcome::Kept));
    let (again, outcome) = ladder.apply(&status("04"), at(30));
    assert_eq!((again.state(), outcome), (State::Assigned, Outcome::Moved));
}

#[test]
fn recall_and_update_run_beside_the_ladder() {
    for (steps, expected) in [
        ("01 13", (State::Arrived, Request::RecallAsked)),
        ("01 R", (State::Arrived, Request::RecallAsked)),
        ("01 13 15", (State::Withdrawn, Request::Withdrawn)),
        ("01 13 16", (State::Arrived, Request::None)),
        ("01 13 16 13 15", (State::Withdrawn, Request::Withdrawn)),
        ("03 U 15", (State::Accepted, Request::Updated)),
        ("03 U 16", (State::Accepted, Request::None)),
        ("03 U 15 U 15", (State::Accepted, Request::Updated)),
        ("03 U R", (State::Accepted, Request::RecallAsked)),
        ("03 R U", (State::Accepted, Request::RecallAsked)),
        ("03 06 R 15", (State::Withdrawn, Request::Withdrawn)),
        ("01 R 03", (State::Accepted, Request::RecallAsked)),
        ("03 R 15 06", (State::Withdrawn, Request::Withdrawn)),
        ("01 15", (State::Arrived, Request::None)),
        ("02 R", (State::Refused, Request::None)),
        ("R 15 R", (State::Withdrawn, Request::Withdrawn)),
    ] {
        assert_eq!(end(steps), expected, "{steps}");
    }
    assert_eq!(story("R 13 15 15").1[1], Outcome::Duplicate);
    assert_eq!(story("R 13 15 15").1[3], Outcome::Duplicate);
}

#[test]
fn labels_and_codes_agree_in_both_directions() {
    for code in StatusCode::KNOWN {
        assert_eq!(StatusCode::parse(code.as_str()), (code.clone(), false));
        assert!(!code.vi().is_empty() && !code.en().is_empty());
    }
    assert_eq!(StatusCode::parse("1"), (StatusCode::Arrived, true));
    assert_eq!(StatusCode::parse("é").0, StatusCode::Other("é".to_owned()));
}

/// Everything that can happen to a document at a receiver.
const STEPS: [&str; 11] = [
    "01", "02", "03", "04", "05", "06", "13", "15", "16", "R", "U",
];

proptest! {
    #[test]
    fn arrival_order_of_first_codes_does_not_change_the_end(
        order in Just(vec!["01", "03", "05", "06"]).prop_shuffle()
    ) {
        // The codes happened in their order and arrive in any.
        let mut ladder = StatusLadder::default();
        for code in order {
            let second: i64 = code.parse().unwrap();
            let event = LadderEvent::Status(StatusCode::parse(code).0);
            ladder = ladder.apply(&event, at(second)).0;
        }
        prop_assert_eq!(ladder.state(), State::Completed);
    }

    #[test]
    fn final_states_stay(steps in proptest::collection::vec(
        proptest::sample::select(STEPS.to_vec()),
        0..30,
    )) {
        let (mut gone, mut before) = (None, String::new());
        for step in steps {
            before = format!("{before} {step}");
            let state = end(&before).0;
            if let Some(last) = gone {
                prop_assert_eq!(state, last);
            }
            if matches!(state, State::Refused | State::Withdrawn) {
                gone = Some(state);
            }
        }
    }
}
