//! What an envelope carries and how urgent it is.

/// What an envelope carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A request between stations (recall, status query); plain.
    Control,
    /// A document packet; sealed.
    Document,
    /// Receipts between stations; plain.
    Receipt,
    /// A business status packet; sealed.
    Status,
}

impl Class {
    /// Whether the body is encrypted and has a capsule, and sender and recipients are agencies.
    #[must_use]
    pub fn is_sealed(self) -> bool {
        match self {
            Self::Document | Self::Status => true,
            Self::Control | Self::Receipt => false,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Document => 1,
            Self::Status => 2,
            Self::Receipt => 3,
            Self::Control => 4,
        }
    }

    /// The class of this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Document, Self::Status, Self::Receipt, Self::Control]
            .into_iter()
            .find(|class| class.number() == number)
    }

    /// The name in text forms: `document`, `status`, `receipt`, `control`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Document => "document",
            Self::Receipt => "receipt",
            Self::Status => "status",
        }
    }
}

/// Độ khẩn, with the numbers of edXML (OtherInfo/Priority), least urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// 0, thường.
    #[default]
    Normal,
    /// 1, khẩn.
    Urgent,
    /// 2, thượng khẩn.
    VeryUrgent,
    /// 3, hỏa tốc.
    Immediate,
    /// 4, hỏa tốc hẹn giờ.
    ImmediateTimed,
}

impl Priority {
    /// All, least urgent first.
    pub const ALL: [Self; 5] = [
        Self::Normal,
        Self::Urgent,
        Self::VeryUrgent,
        Self::Immediate,
        Self::ImmediateTimed,
    ];

    /// 0 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Urgent => 1,
            Self::VeryUrgent => 2,
            Self::Immediate => 3,
            Self::ImmediateTimed => 4,
        }
    }

    /// From 0 to 4.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|priority| u64::from(priority.number()) == number)
    }
}
