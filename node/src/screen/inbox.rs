//! Văn bản đến: the list of received documents.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;

use super::life;
use super::parts::{FilterLine, Foot, Frame, Pill, Tab, Tone, When, grouped, urgent};
use super::words::{Words, fill};
use super::{Answer, Place, Reader, address, frame, html};
use crate::door::Doors;
use crate::door::params::Params;
use crate::view::{Counts, InboxRow, InboxState, Page};

/// Rows of a page.
const ROWS: u32 = 20;

#[derive(Debug, Template)]
#[template(path = "inbox.html")]
pub(crate) struct InboxPage {
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
    pub(crate) code: String,
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) pill: Pill,
    pub(crate) subject: String,
    pub(crate) unread: bool,
    pub(crate) urgent: String,
    pub(crate) when: When,
    pub(crate) who: String,
}

/// Which documents a tab shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    Held,
    New,
    Taken,
}

impl Shown {
    const ALL: [Self; 4] = [Self::All, Self::New, Self::Taken, Self::Held];

    const fn code(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Held => "held",
            Self::New => "new",
            Self::Taken => "taken",
        }
    }

    fn states(self) -> Vec<InboxState> {
        match self {
            Self::All => Vec::new(),
            Self::Held => vec![InboxState::Quarantined],
            Self::New => vec![InboxState::New, InboxState::Claimed],
            Self::Taken => vec![InboxState::Acknowledged],
        }
    }

    /// People read documents here; statuses stand in the history of the document they answer. What is held
    /// is shown whatever it is.
    const fn kind(self) -> Option<&'static str> {
        match self {
            Self::All | Self::New | Self::Taken => Some("document"),
            Self::Held => None,
        }
    }

    fn text(self, w: &'static Words, counts: &Counts) -> String {
        let with = |text, number| fill(text, &[("n", &grouped(number))]);
        match self {
            Self::All => with(w.tab_all, counts.inbox),
            Self::Held => with(w.tab_held, counts.quarantined),
            Self::New => with(w.tab_new, counts.inbox_new),
            Self::Taken => w.tab_taken.to_owned(),
        }
    }
}

/// `GET /inbox`
pub(crate) async fn list(State(doors): State<Doors>, reader: Reader, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    let tab = params.text("tab").unwrap_or_default();
    let shown = Shown::ALL
        .into_iter()
        .find(|shown| shown.code() == tab)
        .unwrap_or(Shown::All);
    let q = params.text("q");
    let cursor = params.text("cursor");
    let (frame, counts) = frame(&doors, &reader, Place::Incoming, reader.w.incoming).await?;
    let agency = &reader.caller.agency;
    let found = doors
        .desk()
        .inbox(
            agency,
            &shown.states(),
            shown.kind(),
            q.as_deref(),
            cursor.as_deref(),
            ROWS,
        )
        .await?;
    let q = q.unwrap_or_default();
    html(&page(frame, shown, &q, &counts, &found, cursor.is_some()))
}

fn page(
    frame: Frame,
    shown: Shown,
    q: &str,
    counts: &Counts,
    found: &Page<InboxRow>,
    later: bool,
) -> InboxPage {
    let w = frame.w;
    let link = |tab: &str, cursor: &str| {
        address::with_query("/inbox", &[("tab", tab), ("q", q), ("cursor", cursor)])
    };
    let tabs = Shown::ALL
        .into_iter()
        .filter(|tab| *tab != Shown::Held || counts.quarantined > 0 || *tab == shown)
        .map(|tab| Tab {
            here: tab == shown,
            href: link(tab.code(), ""),
            text: tab.text(w, counts),
        })
        .collect();
    let filtered = !q.is_empty() || shown != Shown::All;
    InboxPage {
        empty: if filtered {
            (w.empty_found, w.empty_found_next)
        } else {
            (w.empty_in, w.empty_in_next)
        },
        filter: FilterLine {
            action: "/inbox",
            q: q.to_owned(),
            tab: shown.code().to_owned(),
            used: !q.is_empty(),
            ..FilterLine::default()
        },
        foot: Foot {
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
        },
        frame,
        rows: found
            .items
            .iter()
            .map(|document| row(w, document))
            .collect(),
        tabs,
        w,
    }
}

/// A document as a line of the list.
pub(crate) fn row(w: &'static Words, document: &InboxRow) -> Row {
    let id = document.id.to_string();
    let mut who = document.sender_name.clone();
    let kind = Some(document.type_name.as_str()).filter(|kind| !kind.is_empty());
    for part in kind.into_iter().chain(life::act_name(w, document.business)) {
        who = format!("{who} · {part}");
    }
    Row {
        code: document.code.clone(),
        href: format!("/inbox/{id}"),
        pill: pill(w, document.state),
        subject: if document.subject.is_empty() {
            id.clone()
        } else {
            document.subject.clone()
        },
        id,
        unread: document.state == InboxState::New,
        urgent: urgent(w, document.priority),
        when: When::at(document.received),
        who,
    }
}

/// The badge of a state.
pub(crate) fn pill(w: &'static Words, state: InboxState) -> Pill {
    match state {
        InboxState::New => Pill::new(Tone::Info, w.state_new),
        InboxState::Claimed => Pill::new(Tone::Wait, w.state_claimed),
        InboxState::Acknowledged => Pill::new(Tone::Ok, w.state_taken),
        InboxState::Quarantined => Pill::new(Tone::Bad, w.state_quarantined),
    }
}
