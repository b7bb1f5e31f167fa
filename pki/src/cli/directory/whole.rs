//! Whole: rules that only the directory as a whole can break: circles, aliases of two agencies, codes
//! that nobody has; and the old codes that could be proposed. Pure.
//!
//! A fault that the file has no part in is a warning: it was there before.

use std::collections::HashSet;

use formats::id::{AgencyCode, OldAgencyCode};
use formats::limits;
use formats::record::Alias;
use formats::text::alias_key;

use super::compare::{Change, Wanted};
use super::finding::{Findings, Place, Text, both};
use super::table::{Column, Columns};

/// Old codes that agencies are likely to have had and that nobody claims. An administrator decides;
/// none is ever added by itself.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    pub(super) total: usize,
    /// The first of them.
    pub(super) kept: Vec<(AgencyCode, OldAgencyCode)>,
}

/// The directory as it will be, and where to say what is wrong with it.
pub(super) struct Whole<'w> {
    all: Vec<&'w Change>,
    columns: &'w Columns,
    errors: &'w mut Findings,
    warnings: &'w mut Findings,
}

impl<'w> Whole<'w> {
    pub(super) fn new(
        wanted: &'w Wanted,
        columns: &'w Columns,
        errors: &'w mut Findings,
        warnings: &'w mut Findings,
    ) -> Self {
        Self {
            all: wanted.values().collect(),
            columns,
            errors,
            warnings,
        }
    }

    /// Checks everything.
    pub(super) fn check(mut self) -> Proposals {
        let parents = self.others(Column::Parent, |change| change.agency.parent.as_ref());
        self.circles(Column::Parent, &parents);
        let successors = self.others(Column::Successor, |change| change.agency.successor.as_ref());
        let circling = self.circles(Column::Successor, &successors);
        self.long_chains(&successors, &circling);
        self.needless_successors();
        let claimed = self.aliases();
        self.proposals(&claimed)
    }

    fn index(&self, code: &AgencyCode) -> Option<usize> {
        self.all
            .binary_search_by(|change| change.agency.code.cmp(code))
            .ok()
    }

    /// Where the agency stands that each one names; a code that nobody has is a warning.
    fn others(
        &mut self,
        column: Column,
        other: impl Fn(&Change) -> Option<&AgencyCode>,
    ) -> Vec<Option<usize>> {
        let mut found = Vec::with_capacity(self.all.len());
        for at in 0..self.all.len() {
            let Some(change) = self.all.get(at).copied() else {
                continue;
            };
            let named = other(change);
            let there = named.and_then(|code| self.index(code));
            found.push(there);
            if let (Some(code), None, true) = (named, there, change.line > 0) {
                self.warnings.add(
                    self.columns.place(change.line, column),
                    code.as_str(),
                    both(
                        "is neither in the file nor in the directory",
                        "không có trong tệp và trong danh bạ",
                    ),
                    both(
                        "correct it, or import that agency too",
                        "sửa lại, hoặc nhập cả cơ quan đó",
                    ),
                );
            }
        }
        found
    }

    /// Reports each circle once. Gives who stands in one.
    fn circles(&mut self, column: Column, next: &[Option<usize>]) -> Vec<bool> {
        let mut in_circle = vec![false; next.len()];
        // On which walk each was seen first; 0: on none.
        let mut seen = vec![0_usize; next.len()];
        for start in 0..next.len() {
            let walk = start + 1;
            let mut here = Some(start);
            while let Some(at) = here {
                match seen.get(at) {
                    Some(0) => {
                        set(&mut seen, at, walk);
                        here = step(next, at);
                    }
                    Some(mark) if *mark == walk => {
                        self.circle(column, next, at, &mut in_circle);
                        break;
                    }
                    _ => break,
                }
            }
        }
        in_circle
    }

    fn circle(&mut self, column: Column, next: &[Option<usize>], start: usize, marks: &mut [bool]) {
        let mut members = vec![start];
        set(marks, start, true);
        let mut here = step(next, start);
        while let Some(at) = here.filter(|at| *at != start) {
            members.push(at);
            set(marks, at, true);
            here = step(next, at);
        }
        if members.len() == 1 {
            // Its own parent or successor: said where the row is read.
            return;
        }
        let changes = members.iter().filter_map(|at| self.all.get(*at).copied());
        let codes: Vec<&str> = changes
            .clone()
            .map(|change| change.agency.code.as_str())
            .take(NAMED_MAX)
            .collect();
        let more = if members.len() > codes.len() {
            " → …"
        } else {
            ""
        };
        let circle = format!(
            "{}{more} → {}",
            codes.join(" → "),
            codes.first().unwrap_or(&"")
        );
        let line = changes
            .map(|change| change.line)
            .filter(|line| *line > 0)
            .min();
        self.say(
            line,
            column,
            codes.first().unwrap_or(&""),
            both(
                format!("lies in a circle: {circle}"),
                format!("nằm trong vòng lặp: {circle}"),
            ),
            both("correct one of them", "sửa một trong các cơ quan đó"),
        );
    }

    /// An error if the file says it, a warning if it was so before.
    fn say(&mut self, line: Option<u64>, column: Column, value: &str, problem: Text, fix: Text) {
        match line {
            Some(line) => {
                let place = self.columns.place(line, column);
                self.errors.add(place, value, problem, fix);
            }
            None => {
                let place = Place {
                    line: 0,
                    column: "directory (danh bạ)".to_owned(),
                };
                self.warnings.add(place, value, problem, fix);
            }
        }
    }

    /// A chain that is longer than anybody follows it.
    fn long_chains(&mut self, next: &[Option<usize>], circling: &[bool]) {
        for (start, change) in self.all.iter().enumerate() {
            let mut here = step(next, start);
            let mut length = 0;
            while let Some(at) = here.filter(|_| length <= limits::SUCCESSORS_MAX) {
                if circling.get(at).copied().unwrap_or_default() {
                    break;
                }
                length += 1;
                here = step(next, at);
            }
            if length > limits::SUCCESSORS_MAX && change.line > 0 {
                self.warnings.add(
                    self.columns.place(change.line, Column::Successor),
                    change.agency.code.as_str(),
                    both(
                        format!(
                            "has more than {} successors one after another, which nobody follows",
                            limits::SUCCESSORS_MAX
                        ),
                        format!(
                            "có hơn {} cơ quan kế thừa nối tiếp, quá dài để chuyển tiếp",
                            limits::SUCCESSORS_MAX
                        ),
                    ),
                    both(
                        "name the agency that receives now",
                        "ghi cơ quan đang nhận văn bản",
                    ),
                );
            }
        }
    }

    fn needless_successors(&mut self) {
        for change in &self.all {
            let agency = &change.agency;
            if let (Some(successor), None, true) =
                (&agency.successor, agency.valid_to, change.line > 0)
            {
                self.warnings.add(
                    self.columns.place(change.line, Column::Successor),
                    successor.as_str(),
                    both(
                        "receives nothing while the agency has no last day",
                        "chưa nhận thay vì cơ quan này chưa có ngày hết hiệu lực",
                    ),
                    both("give valid_to as well", "ghi thêm ngày hết hiệu lực"),
                );
            }
        }
    }

    /// Aliases against codes and against each other. Gives the keys of all.
    fn aliases(&mut self) -> HashSet<String> {
        let mut claims: Vec<(String, usize, usize)> = Vec::new();
        for at in 0..self.all.len() {
            let Some(change) = self.all.get(at).copied() else {
                continue;
            };
            for (nth, alias) in change.agency.aliases.iter().enumerate() {
                claims.push((alias_key(&alias.text), at, nth));
                self.alias_beside_codes(change, alias);
            }
        }
        claims.sort_unstable();
        let mut rest = claims.as_slice();
        while let Some((key, _, _)) = rest.first() {
            let same = rest.partition_point(|(other, _, _)| other == key);
            let (group, after) = rest.split_at_checked(same.max(1)).unwrap_or((rest, &[]));
            if group.len() > 1 {
                self.claims_of_one(group);
            }
            rest = after;
        }
        claims.into_iter().map(|(key, _, _)| key).collect()
    }

    fn alias_beside_codes(&mut self, change: &Change, alias: &Alias) {
        if change.line == 0 {
            return;
        }
        let own = &change.agency.code;
        let upper = alias.text.to_ascii_uppercase();
        let place = self.columns.place(change.line, Column::Aliases);
        match AgencyCode::parse(&upper) {
            Ok(code) if code == *own => self.warnings.add(
                place,
                &alias.text,
                both("is its own code", "chính là mã của cơ quan này"),
                both("leave it out", "bỏ đi"),
            ),
            Ok(code) if self.index(&code).is_some() => self.errors.add(
                place,
                &alias.text,
                both("is the code of another agency", "là mã của một cơ quan khác"),
                both(
                    format!("leave it out; if {code} has ended, give it its last day and {own} as successor"),
                    format!("bỏ đi; nếu {code} đã ngừng thì ghi ngày hết hiệu lực và cơ quan kế thừa {own} cho mã đó"),
                ),
            ),
            _ => {}
        }
        let likely = OldAgencyCode::parse(&upper)
            .ok()
            .and_then(|old| old.likely_code())
            .filter(|code| code != own && self.index(code).is_some());
        if let Some(code) = likely {
            let place = self.columns.place(change.line, Column::Aliases);
            self.warnings.add(
                place,
                &alias.text,
                both(
                    format!("looks like the old code of {code}"),
                    format!("giống mã cũ của {code}"),
                ),
                both(
                    "check to whom it belongs",
                    "kiểm tra lại mã này của cơ quan nào",
                ),
            );
        }
    }

    /// Aliases with one key: two that meet are a fault.
    fn claims_of_one(&mut self, group: &[(String, usize, usize)]) {
        let mut claims: Vec<(&Change, &Alias)> = group
            .iter()
            .filter_map(|(_, at, nth)| {
                let change = self.all.get(*at).copied()?;
                Some((change, change.agency.aliases.get(*nth)?))
            })
            .collect();
        claims.sort_by_key(|(_, alias)| alias.from);
        let mut longest: Option<(&Change, &Alias)> = None;
        for (change, alias) in claims {
            if let Some((other, _)) = longest.filter(|(other, held)| {
                held.meets(alias) && other.agency.code != change.agency.code
            }) {
                let line = change.line.max(other.line);
                let named = if line == change.line { other } else { change };
                let other = format!("{} ({})", named.agency.code, named.agency.name);
                self.say(
                    (line > 0).then_some(line),
                    Column::Aliases,
                    &alias.text,
                    both(
                        format!("is claimed at the same time by {other}"),
                        format!("cùng lúc được ghi cho {other}"),
                    ),
                    both(
                        "remove one of the two or give them periods (text@from..to): what two claim reaches nobody",
                        "bỏ một trong hai hoặc ghi thời hạn (tên@từ..đến): tên của hai cơ quan thì không đến cơ quan nào",
                    ),
                );
            }
            let ends_later = longest.is_none_or(|(_, held)| match (held.to, alias.to) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(held), Some(end)) => end > held,
            });
            if ends_later {
                longest = Some((change, alias));
            }
        }
    }

    fn proposals(&self, claimed: &HashSet<String>) -> Proposals {
        let mut proposals = Proposals::default();
        for change in self.all.iter().filter(|change| change.line > 0) {
            let agency = &change.agency;
            let has_one = agency
                .aliases
                .iter()
                .any(|alias| OldAgencyCode::parse(&alias.text.to_ascii_uppercase()).is_ok());
            let likely = agency.code.likely_old_code().filter(|_| !has_one);
            if let Some(old) = likely.filter(|old| !claimed.contains(&alias_key(old.as_str()))) {
                proposals.total += 1;
                if proposals.kept.len() < PROPOSED_MAX {
                    proposals.kept.push((agency.code.clone(), old));
                }
            }
        }
        proposals
    }
}

fn step(next: &[Option<usize>], at: usize) -> Option<usize> {
    next.get(at).copied().flatten()
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

/// Members of a circle that are named.
const NAMED_MAX: usize = 5;
/// Proposals that are listed.
const PROPOSED_MAX: usize = 1_000;
