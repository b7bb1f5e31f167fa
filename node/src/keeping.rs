//! How long content is kept: rules by class of document, holds that stop them, and the deletion itself,
//! which is a recorded fact.
//!
//! Content is the packet: it goes by a rule of the configuration, never while somebody holds the document,
//! never before its recipients were heard and its sealed copy is gone, and never what is in quarantine.
//! Evidence is not content: facts for the register, signature, salts, receipts and statements stay.
//! The row goes in a commit, the file after it; what a crash leaves is removed at the next start.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use serde::Deserialize;

use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use relay::store::{Change, CommitError, DeskRefusal};

use crate::desk::Topic;
use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::life::Side;
use crate::store::commit::{desk_rows, desk_write};
use crate::store::keeping::{self as rows, Act, Over};

/// Which documents a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Class {
    /// Documents whose type has no rule of its own.
    Document,
    /// Status packets.
    Status,
    /// Documents of this type, as the packet names it.
    Type(String),
}

/// Content of this class goes after so many years.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) class: Class,
    years: u16,
}

impl Rule {
    /// The rule's name in records and on screens.
    pub(crate) fn name(&self) -> String {
        let years = self.years;
        match &self.class {
            Class::Document => format!("retention.document_years = {years}"),
            Class::Status => format!("retention.status_years = {years}"),
            Class::Type(name) => format!("retention.types.\"{name}\" = {years}"),
        }
    }

    /// What came before this time is over.
    fn before(&self, now: Timestamp) -> Timestamp {
        now.minus_ms(i64::from(self.years) * YEAR_MS)
    }
}

/// Section `[retention]`: years by class; 0 keeps. Without the section documents are kept, for the agency's
/// archive decides about them by its own schedule (2 to 70 years, or for ever), and status packets go after
/// ten years: what they said stays in the document's history.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Documents without a rule for their type.
    pub document_years: u16,
    /// Status packets.
    pub status_years: u16,
    /// Documents by the name of their type, for example `"Giấy mời" = 5`.
    pub types: BTreeMap<String, u16>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            document_years: 0,
            status_years: 10,
            types: BTreeMap::new(),
        }
    }
}

impl Retention {
    fn rules(&self) -> Vec<Rule> {
        let typed = self
            .types
            .iter()
            .map(|(name, years)| (Class::Type(name.clone()), *years));
        [
            (Class::Document, self.document_years),
            (Class::Status, self.status_years),
        ]
        .into_iter()
        .chain(typed)
        .filter(|(_, years)| *years > 0)
        .map(|(class, years)| Rule { class, years })
        .collect()
    }

    /// Types that the rule for all other documents is not about.
    fn named(&self) -> Vec<&str> {
        self.types.keys().map(String::as_str).collect()
    }
}

/// Deletes what the rules give free, a part at a time.
pub(crate) async fn apply(core: &Core, now: Timestamp) -> Result<(), DeskError> {
    let named = core.retention.named();
    for rule in core.retention.rules() {
        for side in [Side::Sent, Side::Received] {
            let before = rule.before(now);
            let over = rows::over(&core.reader(), side, &rule, &named, before, AT_ONCE).await?;
            for one in over {
                delete(core, one, side, &rule, now).await?;
            }
        }
    }
    Ok(())
}

async fn delete(
    core: &Core,
    over: Over,
    side: Side,
    rule: &Rule,
    now: Timestamp,
) -> Result<(), DeskError> {
    let act = Act {
        agency: over.agency,
        id: over.id,
        side,
        act: "deleted",
        who: core.station().name().to_string(),
        why: rule.name(),
        at: now,
    };
    let (said, packet) = (act.clone(), over.packet);
    let (tell, told) = tokio::sync::oneshot::channel();
    let write = desk_write(move |desk, _| {
        async move {
            let file = rows::delete(desk, &act, packet).await?;
            // Whoever waits for it is this function; it counts when the commit is durable.
            drop(tell.send(file));
            Ok(())
        }
        .boxed()
    });
    let change = Change::with_desk(Vec::new(), write);
    match core.station().commit(change).await {
        Ok(_) => {}
        Err(CommitError::Desk(DeskRefusal::Refused(_))) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if let Ok(Some(file)) = told.await {
        core.packets.unlink(file).await;
    }
    tracing::info!(agency = %said.agency, document = %said.id, rule = said.why, "content deleted");
    core.changed(Topic::document(said.id));
    Ok(())
}

/// Whether somebody keeps a document from being deleted from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Its content stays, whatever the rules say.
    Hold,
    /// The rules count again.
    Release,
}

/// Notes a hold or its end, with who and why.
pub(crate) async fn hold(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
    side: Side,
    what: Holding,
    who: &str,
    why: &str,
) -> Result<(), DeskError> {
    let why = why.trim();
    if why.is_empty() || why.chars().count() > WHY_CHARS_MAX || why.chars().any(char::is_control) {
        return Err(DeskError::Invalid(format!(
            "why: 1 to {WHY_CHARS_MAX} characters"
        )));
    }
    if !rows::side_of(&core.reader(), agency, id, side).await? {
        return Err(DeskError::NotFound);
    }
    let act = Act {
        agency: agency.clone(),
        id,
        side,
        act: match what {
            Holding::Hold => "hold",
            Holding::Release => "release",
        },
        who: who.to_owned(),
        why: why.to_owned(),
        at: core.now(),
    };
    tracing::info!(%agency, document = %id, act = act.act, who, "keeping");
    let write = desk_rows(move |desk, _| {
        rows::put(desk, &act);
        Ok(())
    });
    core.station()
        .commit(Change::with_desk(Vec::new(), write))
        .await?;
    core.changed(Topic::document(id));
    Ok(())
}

/// Documents of one rule and side in one look, so that a look stays short.
const AT_ONCE: u32 = 100;
/// Characters of a reason.
const WHY_CHARS_MAX: usize = 500;
/// 365 days and a quarter: a day more or less is nobody's right.
const YEAR_MS: i64 = 31_557_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_section_documents_stay_and_statuses_go_after_ten_years() {
        let rules = Retention::default().rules();
        let names: Vec<String> = rules.iter().map(Rule::name).collect();
        assert_eq!(names, ["retention.status_years = 10"]);
    }

    #[test]
    fn a_type_has_its_own_rule_and_zero_keeps() {
        let text = "document_years = 20\nstatus_years = 0\n[types]\n\"Giấy mời\" = 5\n\"Quyết định\" = 0\n";
        let retention: Retention = toml::from_str(text).unwrap();
        let names: Vec<String> = retention.rules().iter().map(Rule::name).collect();
        assert_eq!(
            names,
            [
                "retention.document_years = 20",
                "retention.types.\"Giấy mời\" = 5"
            ]
        );
        assert_eq!(retention.named(), ["Giấy mời", "Quyết định"]);
        assert!(toml::from_str::<Retention>("document_year = 1").is_err());
    }
}
