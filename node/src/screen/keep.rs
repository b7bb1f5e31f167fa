//! Keeping on the pages: what was done about a document's content, and the form that holds or releases it.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;

use super::parts::Fact;
use super::words::{Words, fill};
use super::{Answer, Reader};
use crate::door::Doors;
use crate::door::rest::id;
use crate::keeping::Holding;
use crate::view::{ContentDeleted, KeepingView, is_held};

/// The form, for those who may use it.
#[derive(Debug)]
pub(crate) struct Keep {
    /// Somebody holds it now: the form releases.
    pub(crate) held: bool,
    pub(crate) href: String,
}

impl Keep {
    /// The form of the document below `base`; none when nothing is left to keep.
    pub(crate) fn of(keeping: &[KeepingView], base: &str) -> Option<Self> {
        let gone = keeping.iter().any(|one| one.act == "deleted");
        (!gone).then(|| Self {
            held: is_held(keeping),
            href: format!("{base}/hold"),
        })
    }
}

/// Facts about keeping: content that was deleted, a hold that counts.
pub(crate) fn facts(
    w: &'static Words,
    keeping: &[KeepingView],
    gone: Option<&ContentDeleted>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(gone) = gone {
        let (t, rule) = (gone.at.vietnam(), gone.rule.as_str());
        let text = fill(w.content_deleted, &[("t", &t), ("rule", rule)]);
        facts.push(Fact::text(w.fact_content, text));
    }
    let last = keeping.last().filter(|_| is_held(keeping));
    if let Some(hold) = last {
        let t = hold.at.vietnam();
        let text = [("t", t.as_str()), ("who", &hold.who), ("why", &hold.why)];
        facts.push(Fact::text(w.fact_hold, fill(w.held_by, &text)));
    }
    facts
}

/// The form's fields.
#[derive(Debug, Deserialize)]
pub(crate) struct KeepForm {
    #[serde(default)]
    csrf: String,
    act: KeepAct,
    why: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeepAct {
    Hold,
    Release,
}

impl From<KeepAct> for Holding {
    fn from(act: KeepAct) -> Self {
        match act {
            KeepAct::Hold => Self::Hold,
            KeepAct::Release => Self::Release,
        }
    }
}

/// `POST /documents/{id}/hold`
pub(crate) async fn sent(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    Form(form): Form<KeepForm>,
) -> Answer {
    reader.session.check(&form.csrf)?;
    let (id, caller) = (id(&text)?, &reader.caller);
    doors
        .desk()
        .hold_sent(&caller.agency, id, form.act.into(), &caller.name, &form.why)
        .await?;
    Ok(Redirect::to(&format!("/documents/{id}")).into_response())
}

/// `POST /inbox/{id}/hold`
pub(crate) async fn received(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    Form(form): Form<KeepForm>,
) -> Answer {
    reader.session.check(&form.csrf)?;
    let (id, caller) = (id(&text)?, &reader.caller);
    doors
        .desk()
        .hold_received(&caller.agency, id, form.act.into(), &caller.name, &form.why)
        .await?;
    Ok(Redirect::to(&format!("/inbox/{id}")).into_response())
}
