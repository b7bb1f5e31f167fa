//! Events: the one table of what a statement can say, who may say it, what it proves, and what people
//! read. `EVENTS.md` beside this crate is printed from it; a test compares the two.
//!
//! Names, letters and clauses are those of ETSI EN 319 522-1 (clause 6.2, table 1) as public
//! implementations cite them. Pure data: who signed, and whether that station is the one that may
//! speak, is judged by those who verify. Must not know states of a desk.

/// What happened, by the names of ETSI EN 319 522 where it has one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Event {
    /// The home station has the envelope for the recipient: delivered.
    ContentConsignment,
    /// The home station cannot deliver; final.
    ContentConsignmentFailure,
    /// The recipient's system or clerk took the document over.
    ContentHandover,
    /// The recipient's system cannot take the document; final.
    ContentHandoverFailure,
    /// Not delivered before `expires`; ours.
    Expired,
    /// Somebody of the recipient first looked into the document; ours.
    Opened,
    /// The home station wrote a tombstone for a recall, so it will never deliver; ours.
    Recalled,
    /// The station that says so took custody; it names the next one on the road, if there is one.
    RelayAcceptance,
    /// The leg ended at this station without custody of the next.
    RelayFailure,
    /// The next station refused for good.
    RelayRejection,
    /// The sender's station took the envelope in.
    SubmissionAcceptance,
    /// The sender's station refused a packet for good.
    SubmissionRejection,
}

/// Who may say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The station that the recipient's attachment named at that time, and nobody else.
    Home,
    /// Any station on the road, about itself and its neighbour.
    OnTheRoad,
    /// The sender's own station.
    Sender,
}

/// Whether a reason stands in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonRule {
    /// It may.
    Free,
    /// It must.
    Needed,
    /// It must not.
    None,
}

impl ReasonRule {
    /// Whether a statement with or without a reason keeps the rule.
    #[must_use]
    pub fn fits(self, given: bool) -> bool {
        match self {
            Self::Free => true,
            Self::Needed => given,
            Self::None => !given,
        }
    }
}

/// What a verified statement makes of the recipient's state at the sender's desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proves {
    /// `accepted`, the state that every recipient begins with.
    Accepted,
    /// `relayed`.
    Relayed,
    /// `delivered`.
    Delivered,
    /// `handed_over`, final.
    HandedOver,
    /// `refused`, final.
    Refused,
    /// `expired`, final unless a proof of delivery comes late.
    Expired,
    /// `withdrawn`, final unless a proof of delivery comes late.
    Withdrawn,
    /// No state: it is shown, and that is all.
    Nothing,
}

impl Proves {
    /// The state's word.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        Some(match self {
            Self::Accepted => "accepted",
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
            Self::HandedOver => "handed_over",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Nothing => return None,
        })
    }

    /// Nothing more is expected after it.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Accepted | Self::Relayed | Self::Delivered | Self::Nothing => false,
            Self::HandedOver | Self::Refused | Self::Expired | Self::Withdrawn => true,
        }
    }
}

/// How the event stands to ETSI EN 319 522-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Etsi {
    /// Letter and number of table 1, for example `D.1`.
    pub id: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// The clause that describes its kind.
    pub clause: &'static str,
    /// The event is that one; `false`: it is the nearest and ours says less or more.
    pub same: bool,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which event.
    pub event: Event,
    /// Its name in statements.
    pub name: &'static str,
    /// The standard's event; `None` if it has none that is near.
    pub etsi: Option<Etsi>,
    /// Who may say it.
    pub speaker: Speaker,
    /// What it proves.
    pub proves: Proves,
    /// Whether it says why.
    pub reason: ReasonRule,
    /// When it is said, in one sentence.
    pub when: &'static str,
    /// Who gets the receipt, and how.
    pub told: &'static str,
    /// What people read, Vietnamese.
    pub vi: &'static str,
    /// What people read, English.
    pub en: &'static str,
}

impl Event {
    /// All events, by name.
    pub const ALL: [Self; 12] = [
        Self::ContentConsignment,
        Self::ContentConsignmentFailure,
        Self::ContentHandover,
        Self::ContentHandoverFailure,
        Self::Expired,
        Self::Opened,
        Self::Recalled,
        Self::RelayAcceptance,
        Self::RelayFailure,
        Self::RelayRejection,
        Self::SubmissionAcceptance,
        Self::SubmissionRejection,
    ];

    /// Its line of the table.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        match self {
            Self::ContentConsignment => &CONTENT_CONSIGNMENT,
            Self::ContentConsignmentFailure => &CONTENT_CONSIGNMENT_FAILURE,
            Self::ContentHandover => &CONTENT_HANDOVER,
            Self::ContentHandoverFailure => &CONTENT_HANDOVER_FAILURE,
            Self::Expired => &EXPIRED,
            Self::Opened => &OPENED,
            Self::Recalled => &RECALLED,
            Self::RelayAcceptance => &RELAY_ACCEPTANCE,
            Self::RelayFailure => &RELAY_FAILURE,
            Self::RelayRejection => &RELAY_REJECTION,
            Self::SubmissionAcceptance => &SUBMISSION_ACCEPTANCE,
            Self::SubmissionRejection => &SUBMISSION_REJECTION,
        }
    }

    /// The name as written in statements.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The event of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }

    /// Whether a reason must, may or must not be given.
    #[must_use]
    pub fn reason(self) -> ReasonRule {
        self.row().reason
    }

    /// Only the recipient's home station of that time may say it (architecture 9). That is narrower
    /// than who proves a state: a relay's `Expired` is believed as news, never as the end.
    #[must_use]
    pub fn only_home_says(self) -> bool {
        self.row().speaker == Speaker::Home
    }
}

const fn same(id: &'static str, name: &'static str, clause: &'static str) -> Option<Etsi> {
    Some(Etsi {
        id,
        name,
        clause,
        same: true,
    })
}

const fn near(id: &'static str, name: &'static str, clause: &'static str) -> Option<Etsi> {
    Some(Etsi {
        id,
        name,
        clause,
        same: false,
    })
}

const BY_RECEIPT: &str = "sender's desk, by receipt";

const CONTENT_CONSIGNMENT: Row = Row {
    event: Event::ContentConsignment,
    name: "ContentConsignment",
    etsi: same("D.1", "ContentConsignment", "6.2.5"),
    speaker: Speaker::Home,
    proves: Proves::Delivered,
    reason: ReasonRule::None,
    when: "the document was opened, every binding verified, and lies in the recipient's inbox",
    told: BY_RECEIPT,
    vi: "Đã đến trạm cơ quan nhận",
    en: "At the recipient's station",
};
const CONTENT_CONSIGNMENT_FAILURE: Row = Row {
    event: Event::ContentConsignmentFailure,
    name: "ContentConsignmentFailure",
    etsi: same("D.2", "ContentConsignmentFailure", "6.2.5"),
    speaker: Speaker::Home,
    proves: Proves::Refused,
    reason: ReasonRule::Needed,
    when: "it is not for this recipient, cannot be opened, or does not verify and is quarantined",
    told: BY_RECEIPT,
    vi: "Trạm cơ quan nhận từ chối",
    en: "Refused by the recipient's station",
};
const CONTENT_HANDOVER: Row = Row {
    event: Event::ContentHandover,
    name: "ContentHandover",
    etsi: same("E.1", "ContentHandover", "6.2.6"),
    speaker: Speaker::Home,
    proves: Proves::HandedOver,
    reason: ReasonRule::None,
    when: "the recipient's system or clerk acknowledged it",
    told: BY_RECEIPT,
    vi: "Hệ thống QLVB đã nhận",
    en: "Taken by the recipient's system",
};
const CONTENT_HANDOVER_FAILURE: Row = Row {
    event: Event::ContentHandoverFailure,
    name: "ContentHandoverFailure",
    etsi: same("E.2", "ContentHandoverFailure", "6.2.6"),
    speaker: Speaker::Home,
    proves: Proves::Refused,
    reason: ReasonRule::Needed,
    when: "the recipient's system cannot take the delivered document and says so",
    told: BY_RECEIPT,
    vi: "Hệ thống QLVB bên nhận từ chối",
    en: "Refused by the recipient's system",
};
const EXPIRED: Row = Row {
    event: Event::Expired,
    name: "Expired",
    etsi: near("D.2", "ContentConsignmentFailure", "6.2.5"),
    speaker: Speaker::OnTheRoad,
    proves: Proves::Expired,
    reason: ReasonRule::Free,
    when: "the end of its life came while this station held the leg; final only from the home station",
    told: "sender's desk, by receipt; of its own station, in its log",
    vi: "Hết hạn tại trạm này",
    en: "Its time ended at this station",
};
const OPENED: Row = Row {
    event: Event::Opened,
    name: "Opened",
    etsi: near("D.6", "ContentAccessTracking", "6.2.5"),
    speaker: Speaker::Home,
    proves: Proves::Nothing,
    reason: ReasonRule::None,
    when: "a person of the recipient first opened the document on the screens; once (a system's taking is ContentHandover)",
    told: BY_RECEIPT,
    vi: "Bên nhận đã mở xem",
    en: "Opened by the recipient",
};
const RECALLED: Row = Row {
    event: Event::Recalled,
    name: "Recalled",
    etsi: None,
    speaker: Speaker::Home,
    proves: Proves::Withdrawn,
    reason: ReasonRule::Free,
    when: "the sender took it back before delivery; it will never be delivered",
    told: BY_RECEIPT,
    vi: "Đã thu hồi trước khi đến",
    en: "Withdrawn before it arrived",
};
const RELAY_ACCEPTANCE: Row = Row {
    event: Event::RelayAcceptance,
    name: "RelayAcceptance",
    etsi: same("B.1", "RelayAcceptance", "6.2.3"),
    speaker: Speaker::OnTheRoad,
    proves: Proves::Relayed,
    reason: ReasonRule::None,
    when: "this station took custody of the leg from the one before",
    told: "the station before, with custody; beyond the first hop also the sender's desk, by receipt",
    vi: "Đã chuyển qua trục",
    en: "Taken over by the backbone",
};
const RELAY_FAILURE: Row = Row {
    event: Event::RelayFailure,
    name: "RelayFailure",
    etsi: same("B.3", "RelayFailure", "6.2.3"),
    speaker: Speaker::OnTheRoad,
    proves: Proves::Nothing,
    reason: ReasonRule::Needed,
    when: "the leg was stopped here: its stored body is damaged, or its sender took it back",
    told: "sender's desk, by receipt; of its own station, in its log",
    vi: "Dừng lại tại trạm này",
    en: "Stopped at this station",
};
const RELAY_REJECTION: Row = Row {
    event: Event::RelayRejection,
    name: "RelayRejection",
    etsi: same("B.2", "RelayRejection", "6.2.3"),
    speaker: Speaker::OnTheRoad,
    proves: Proves::Nothing,
    reason: ReasonRule::Needed,
    when: "the next station refused the leg for good",
    told: "sender's desk, by receipt; of its own station, in its log",
    vi: "Trạm kế tiếp từ chối",
    en: "Refused by the next station",
};
const SUBMISSION_ACCEPTANCE: Row = Row {
    event: Event::SubmissionAcceptance,
    name: "SubmissionAcceptance",
    etsi: same("A.1", "SubmissionAcceptance", "6.2.2"),
    speaker: Speaker::Sender,
    proves: Proves::Accepted,
    reason: ReasonRule::None,
    when: "the document was signed, sealed and is durable at the sender's station",
    told: "sender's desk, in its own log",
    vi: "Trạm gửi đã nhận",
    en: "Accepted by the sending station",
};
const SUBMISSION_REJECTION: Row = Row {
    event: Event::SubmissionRejection,
    name: "SubmissionRejection",
    etsi: same("A.2", "SubmissionRejection", "6.2.2"),
    speaker: Speaker::Sender,
    proves: Proves::Nothing,
    reason: ReasonRule::Needed,
    when: "a packet whose bytes were read was refused for good; it has no header, its digest stands there",
    told: "who submitted it, in the refusal's answer",
    vi: "Trạm gửi từ chối",
    en: "Refused by the sending station",
};
