//! Văn bản đi: the list of sent documents.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;

use super::day::Day;
use super::life;
use super::parts::{FilterLine, Foot, Frame, Pill, Tab, Tone, When, grouped, urgent};
use super::words::{Words, fill};
use super::{Answer, Place, Reader, address, frame, html};
use crate::desk::DocumentFilter;
use crate::door::Doors;
use crate::door::params::Params;
use crate::view::{Counts, DocumentRow, Page, RecipientState, StateCounts};

/// Rows of a page.
const ROWS: u32 = 20;
/// Segments of a bar at most.
const SEGMENTS: u64 = 12;

#[derive(Debug, Template)]
#[template(path = "outgoing.html")]
pub(crate) struct OutgoingPage {
    pub(crate) empty: (&'static str, &'static str),
    pub(crate) filter: FilterLine,
    pub(crate) foot: Foot,
    pub(crate) frame: Frame,
    pub(crate) rows: Vec<Row>,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) w: &'static Words,
}

/// One document.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) bar: Vec<&'static str>,
    pub(crate) code: String,
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) pill: Pill,
    pub(crate) progress: String,
    pub(crate) subject: String,
    pub(crate) urgent: String,
    pub(crate) when: When,
    pub(crate) who: String,
}

/// Which documents a tab shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    Arrived,
    Attention,
    Moving,
    Withdrawn,
}

impl Shown {
    const ALL: [Self; 5] = [
        Self::All,
        Self::Moving,
        Self::Attention,
        Self::Arrived,
        Self::Withdrawn,
    ];

    const fn code(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Arrived => "arrived",
            Self::Attention => "attention",
            Self::Moving => "moving",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn states(self) -> Vec<RecipientState> {
        match self {
            Self::All => Vec::new(),
            Self::Arrived => vec![RecipientState::Delivered, RecipientState::HandedOver],
            Self::Attention => vec![RecipientState::Refused, RecipientState::Expired],
            Self::Moving => vec![RecipientState::Accepted, RecipientState::Relayed],
            Self::Withdrawn => vec![RecipientState::Withdrawn],
        }
    }

    fn text(self, w: &'static Words, counts: &Counts) -> String {
        let with = |text, number| fill(text, &[("n", &grouped(number))]);
        match self {
            Self::All => with(w.tab_all, counts.sent),
            Self::Arrived => w.tab_arrived.to_owned(),
            Self::Attention => with(w.tab_attention, counts.trouble),
            Self::Moving => with(w.tab_moving, counts.moving),
            Self::Withdrawn => w.tab_withdrawn.to_owned(),
        }
    }
}

/// `GET /documents`
pub(crate) async fn list(State(doors): State<Doors>, reader: Reader, uri: Uri) -> Answer {
    let w = reader.w;
    let now = doors.desk().now();
    let mut params = Params::of(&uri)?;
    let tab = params.text("tab").unwrap_or_default();
    let shown = Shown::ALL
        .into_iter()
        .find(|shown| shown.code() == tab)
        .unwrap_or(Shown::All);
    let q = params.text("q").unwrap_or_default();
    let from = params.text("from").unwrap_or_default();
    let to = params.text("to").unwrap_or_default();
    let cursor = params.text("cursor");
    let day = |text: &str| (!text.is_empty()).then(|| Day::parse(text, now));
    let (from_day, to_day) = (day(&from), day(&to));
    let wrong = [(&from, from_day), (&to, to_day)]
        .into_iter()
        .find(|(_, day)| *day == Some(None));
    let written = |text: &str, day: Option<Option<Day>>| {
        day.flatten()
            .map_or_else(|| text.to_owned(), Day::vietnamese)
    };
    let filter_line = FilterLine {
        action: "/documents",
        dates: true,
        fault: wrong
            .map(|(text, _)| fill(w.date_wrong, &[("text", text)]))
            .unwrap_or_default(),
        from: written(&from, from_day),
        from_wrong: from_day == Some(None),
        q: q.clone(),
        tab: shown.code().to_owned(),
        to: written(&to, to_day),
        to_wrong: to_day == Some(None),
        used: !(q.is_empty() && from.is_empty() && to.is_empty()),
    };
    let filter = DocumentFilter {
        kind: Some("document"),
        states: shown.states(),
        text: (!q.is_empty()).then_some(q),
        from: from_day.flatten().map(Day::start),
        to: to_day.flatten().map(Day::end),
    };
    let place = if shown == Shown::Attention {
        Place::Attention
    } else {
        Place::Outgoing
    };
    let (frame, counts) = frame(&doors, &reader, place, w.outgoing).await?;
    let agency = &reader.caller.agency;
    let found = doors
        .desk()
        .documents(agency, &filter, cursor.as_deref(), ROWS)
        .await?;
    html(&page(
        frame,
        filter_line,
        shown,
        &counts,
        &found,
        cursor.is_some(),
    ))
}

fn page(
    frame: Frame,
    filter: FilterLine,
    shown: Shown,
    counts: &Counts,
    found: &Page<DocumentRow>,
    later: bool,
) -> OutgoingPage {
    let w = frame.w;
    let link = |tab: &str, cursor: &str| {
        address::with_query(
            "/documents",
            &[
                ("tab", tab),
                ("q", &filter.q),
                ("from", &filter.from),
                ("to", &filter.to),
                ("cursor", cursor),
            ],
        )
    };
    let tabs = Shown::ALL
        .into_iter()
        .map(|tab| Tab {
            here: tab == shown,
            href: link(tab.code(), ""),
            text: tab.text(w, counts),
        })
        .collect();
    let foot = Foot {
        first: if later {
            link(shown.code(), "")
        } else {
            String::new()
        },
        next: found
            .next
            .as_deref()
            .map(|next| link(shown.code(), next))
            .unwrap_or_default(),
        shown: fill(w.shown, &[("n", &found.items.len().to_string())]),
    };
    let empty = if filter.used || shown != Shown::All {
        (w.empty_found, w.empty_found_next)
    } else {
        (w.empty_out, w.empty_out_next)
    };
    let rows = found
        .items
        .iter()
        .map(|document| row(w, document))
        .collect();
    OutgoingPage {
        empty,
        filter,
        foot,
        frame,
        rows,
        tabs,
        w,
    }
}

/// A document as a line of the list.
pub(crate) fn row(w: &'static Words, document: &DocumentRow) -> Row {
    let counts = &document.counts;
    let id = document.id.to_string();
    Row {
        bar: bar(counts),
        code: document.code.clone(),
        href: format!("/documents/{id}"),
        id,
        pill: pill(w, document.state),
        progress: progress(w, counts),
        subject: document.subject.clone(),
        urgent: urgent(w, document.priority),
        when: When::at(document.updated),
        who: match life::act_name(w, document.business) {
            Some(act) => format!(
                "{act} · {}",
                names(&document.recipient_names, counts.total())
            ),
            None => names(&document.recipient_names, counts.total()),
        },
    }
}

/// `31/36 nơi nhận`
pub(crate) fn progress(w: &'static Words, counts: &StateCounts) -> String {
    let (n, m) = (counts.arrived().to_string(), counts.total().to_string());
    fill(w.n_of_m, &[("n", &n), ("m", &m)])
}

/// The first names and how many more.
fn names(first: &[String], total: u64) -> String {
    let shown: Vec<&str> = first.iter().take(3).map(String::as_str).collect();
    let more = total.saturating_sub(u64::try_from(shown.len()).unwrap_or(0));
    let mut text = shown.join("; ");
    if more > 0 {
        text.push_str(&format!("; +{more}"));
    }
    text
}

/// The badge of a state.
pub(crate) fn pill(w: &'static Words, state: RecipientState) -> Pill {
    match state {
        RecipientState::Accepted => Pill::new(Tone::Info, w.state_accepted),
        RecipientState::Relayed => Pill::new(Tone::Info, w.state_relayed),
        RecipientState::Delivered => Pill::new(Tone::Info, w.state_delivered),
        RecipientState::HandedOver => Pill::new(Tone::Ok, w.state_handed_over),
        RecipientState::Refused => Pill::new(Tone::Bad, w.state_refused),
        RecipientState::Expired => Pill::new(Tone::Bad, w.state_expired),
        RecipientState::Withdrawn => Pill::new(Tone::Mute, w.state_withdrawn),
    }
}

/// Classes of the segments: one a recipient up to [`SEGMENTS`], else in proportion. What has not
/// arrived is rounded up, so that trouble never disappears.
pub(crate) fn bar(counts: &StateCounts) -> Vec<&'static str> {
    let total = counts.total();
    let share = |count: u64| match total {
        0..=SEGMENTS => count,
        _ => count.saturating_mul(SEGMENTS).div_ceil(total),
    };
    let rest = [
        ("w", share(counts.accepted.saturating_add(counts.relayed))),
        ("b", share(counts.refused.saturating_add(counts.expired))),
        ("x", share(counts.withdrawn)),
    ];
    let others = rest.iter().map(|(_, count)| count).sum();
    let arrived = total.min(SEGMENTS).saturating_sub(others);
    std::iter::once(("d", arrived))
        .chain(rest)
        .flat_map(|(class, count)| std::iter::repeat_n(class, usize::try_from(count).unwrap_or(0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(arrived: u64, moving: u64, bad: u64) -> StateCounts {
        StateCounts {
            handed_over: arrived,
            relayed: moving,
            refused: bad,
            ..Default::default()
        }
    }

    #[test]
    fn a_bar_has_a_segment_for_every_recipient_or_in_proportion() {
        assert_eq!(bar(&counts(2, 1, 1)), ["d", "d", "w", "b"]);
        let many = bar(&counts(31, 5, 0));
        assert_eq!(many.iter().filter(|class| **class == "d").count(), 10);
        assert_eq!(many.iter().filter(|class| **class == "w").count(), 2);
        assert!(
            bar(&counts(1000, 0, 1)).contains(&"b"),
            "trouble is never rounded away"
        );
        assert!(bar(&StateCounts::default()).is_empty());
    }

    #[test]
    fn names_say_how_many_more() {
        let first = ["A".to_owned(), "B".to_owned()];
        assert_eq!(names(&first, 2), "A; B");
        assert_eq!(names(&first, 12), "A; B; +10");
    }
}
