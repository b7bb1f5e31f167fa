//! Compare: what a table changes in the directory. Pure.

use std::collections::{BTreeMap, HashMap, btree_map};

use formats::id::AgencyCode;
use formats::record::{Agency, AgencyState, Alias};
use formats::time::Timestamp;

use super::bundles::Bundles;
use super::cell::Moment;
use super::finding::{Findings, Place, both};
use super::table::{Column, Row, Table};

/// One agency and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// As it will be.
    pub(super) agency: Agency,
    pub(super) kind: Kind,
    /// Where the file speaks of it; 0: nowhere.
    pub(super) line: u64,
}

/// What becomes of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Added,
    /// These fields change, from and to.
    Changed(Vec<Field>),
    /// It gets an end, and perhaps other changes.
    Ended(Vec<Field>),
    Unchanged,
    /// The directory has it and the file does not; it stays as it is.
    Missing,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) from: String,
    pub(super) to: String,
}

/// The directory as it will be, by code.
pub(super) type Wanted = BTreeMap<AgencyCode, Change>;

/// Compares. Faults are codes that stand twice and ends before beginnings.
pub(super) fn compare(
    table: &Table,
    bundles: &Bundles,
    end_missing: Option<Moment>,
    now: Timestamp,
    errors: &mut Findings,
) -> Wanted {
    let mut wanted = Wanted::new();
    let mut lines: HashMap<&AgencyCode, u64> = HashMap::with_capacity(table.rows.len());
    for row in &table.rows {
        if let Some(first) = lines.get(&row.code) {
            errors.add(
                table.columns.place(row.line, Column::Code),
                row.code.as_str(),
                both(
                    format!("stands on line {first} already"),
                    format!("đã có ở dòng {first}"),
                ),
                both("remove one of the two lines", "bỏ một trong hai dòng"),
            );
            continue;
        }
        lines.insert(&row.code, row.line);
        let old = bundles.get(&row.code);
        let agency = merged(row, old, now);
        check_row(table, row, &agency, errors);
        let kind = old.map_or(Kind::Added, |old| kind(old, &agency));
        let change = Change {
            agency,
            kind,
            line: row.line,
        };
        wanted.insert(row.code.clone(), change);
    }
    for old in bundles.all() {
        if let btree_map::Entry::Vacant(place) = wanted.entry(old.code.clone()) {
            place.insert(missing(old, end_missing, errors));
        }
    }
    wanted
}

/// The row over what the directory says.
fn merged(row: &Row, old: Option<&Agency>, now: Timestamp) -> Agency {
    Agency {
        code: row.code.clone(),
        name: row.name.clone(),
        aliases: row
            .aliases
            .clone()
            .or_else(|| old.map(|old| old.aliases.clone()))
            .unwrap_or_default(),
        parent: row
            .parent
            .clone()
            .unwrap_or_else(|| old.and_then(|old| old.parent.clone())),
        valid_from: row
            .valid_from
            .or_else(|| old.map(|old| old.valid_from))
            .unwrap_or_else(|| now.floor_s()),
        valid_to: row
            .valid_to
            .unwrap_or_else(|| old.and_then(|old| old.valid_to)),
        successor: row
            .successor
            .clone()
            .unwrap_or_else(|| old.and_then(|old| old.successor.clone())),
    }
}

fn check_row(table: &Table, row: &Row, agency: &Agency, errors: &mut Findings) {
    let at = |column| table.columns.place(row.line, column);
    if agency.valid_to.is_some_and(|end| end <= agency.valid_from) {
        errors.add(
            at(Column::ValidTo),
            &agency.valid_to.map(last_shown).unwrap_or_default(),
            both(
                format!(
                    "does not lie after {}, from when on it exists",
                    shown(agency.valid_from)
                ),
                format!(
                    "không sau {} là lúc bắt đầu hiệu lực",
                    shown(agency.valid_from)
                ),
            ),
            both(
                "correct the days; an agency that has ended needs valid_from as well",
                "sửa ngày; cơ quan đã ngừng phải có cả ngày bắt đầu hiệu lực",
            ),
        );
    }
    for (column, other) in [
        (Column::Parent, &agency.parent),
        (Column::Successor, &agency.successor),
    ] {
        if other.as_ref() == Some(&agency.code) {
            errors.add(
                at(column),
                agency.code.as_str(),
                both("is the agency itself", "chính là cơ quan đó"),
                both(
                    "name another one, or none",
                    "ghi cơ quan khác, hoặc bỏ trống",
                ),
            );
        }
    }
}

/// What becomes of an agency that the file does not name.
fn missing(old: &Agency, end: Option<Moment>, errors: &mut Findings) -> Change {
    let stays = |kind| Change {
        agency: old.clone(),
        kind,
        line: 0,
    };
    let end = end.map(Moment::end);
    // One that ends earlier anyway keeps its end.
    let Some(end) = end.filter(|end| old.state_at(*end) != AgencyState::Ended) else {
        return stays(Kind::Missing);
    };
    if end <= old.valid_from {
        errors.add(
            Place {
                line: 0,
                column: "--end-missing".to_owned(),
            },
            old.code.as_str(),
            both(
                format!("exists only from {}", shown(old.valid_from)),
                format!("chỉ bắt đầu hiệu lực từ {}", shown(old.valid_from)),
            ),
            both(
                "give a later day, or a row for it",
                "chọn ngày sau đó, hoặc ghi một dòng cho cơ quan này",
            ),
        );
        return stays(Kind::Missing);
    }
    let agency = Agency {
        valid_to: Some(end),
        ..old.clone()
    };
    let kind = kind(old, &agency);
    Change {
        agency,
        kind,
        line: 0,
    }
}

fn kind(old: &Agency, new: &Agency) -> Kind {
    let code =
        |code: &Option<AgencyCode>| code.as_ref().map(ToString::to_string).unwrap_or_default();
    let end = |end: Option<Timestamp>| end.map(last_shown).unwrap_or_default();
    let aliases = |agency: &Agency| {
        let all: Vec<String> = agency.aliases.iter().map(alias_text).collect();
        all.join("; ")
    };
    let mut fields = Vec::new();
    let mut field = |name, differs: bool, texts: &dyn Fn(&Agency) -> String| {
        if differs {
            fields.push(Field {
                name,
                from: texts(old),
                to: texts(new),
            });
        }
    };
    field("name", old.name != new.name, &|agency| agency.name.clone());
    field("aliases", old.aliases != new.aliases, &aliases);
    field("parent", old.parent != new.parent, &|agency| {
        code(&agency.parent)
    });
    field("valid_from", old.valid_from != new.valid_from, &|agency| {
        shown(agency.valid_from)
    });
    field("valid_to", old.valid_to != new.valid_to, &|agency| {
        end(agency.valid_to)
    });
    field("successor", old.successor != new.successor, &|agency| {
        code(&agency.successor)
    });
    if fields.is_empty() {
        Kind::Unchanged
    } else if old.valid_to.is_none() && new.valid_to.is_some() {
        Kind::Ended(fields)
    } else {
        Kind::Changed(fields)
    }
}

/// As the file writes it.
fn alias_text(alias: &Alias) -> String {
    let from = alias.from.map(shown).unwrap_or_default();
    let to = alias.to.map(last_shown).unwrap_or_default();
    if from.is_empty() && to.is_empty() {
        return alias.text.clone();
    }
    format!("{}@{from}..{to}", alias.text)
}

/// An instant; a day alone where it is the first instant of one.
pub(super) fn shown(at: Timestamp) -> String {
    let text = at.vietnam();
    text.strip_suffix(" 00:00:00")
        .map_or_else(|| text.clone(), str::to_owned)
}

/// The end of a period as the file writes it: the last day where it ends with one.
pub(super) fn last_shown(end: Timestamp) -> String {
    if end.vietnam().ends_with(" 00:00:00") {
        end.minus_ms(1).vietnam_day()
    } else {
        end.vietnam()
    }
}
