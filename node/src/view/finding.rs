//! Findings about a packet with the rules behind them, as a dry run and `tram edxml lint` show them.

use formats::edxml::rulebook;
use serde::Serialize;

use super::state::{FaultView, Phrase};

/// One finding and the rule behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it stops the packet.
    pub level: Level,
    /// Code, path and what is wrong here.
    #[serde(flatten)]
    pub fault: FaultView,
    /// The rule; absent for what only a directory knows and says in its own words.
    #[serde(flatten)]
    pub rule: Option<RuleView>,
}

/// A rule of the packet format in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleView {
    /// What the rule demands.
    pub rule: Phrase,
    /// Where the rule comes from.
    pub source: Phrase,
    /// What to do.
    pub fix: Phrase,
}

impl RuleView {
    /// The rule behind a code found at a path.
    #[must_use]
    pub fn of(code: &str, path: &str) -> Option<Self> {
        let rule = rulebook::rule(code, path)?;
        Some(Self {
            rule: Phrase::new(rule.vi, rule.en),
            source: Phrase::new(rule.source.vi(), rule.source.en()),
            fix: Phrase::new(rule.fix_vi, rule.fix_en),
        })
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The packet is refused.
    Error,
    /// It is accepted, and this is shown.
    Warning,
}

impl Finding {
    /// A fault or warning of the reader or the validator with its rule.
    #[must_use]
    pub fn of(level: Level, fault: FaultView) -> Self {
        let rule = RuleView::of(&fault.code, &fault.path);
        Self { level, fault, rule }
    }
}
