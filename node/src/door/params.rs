//! Query parameters of a request, read with all their faults.
//!
//! Names that a call does not know are faults too, so a misspelt filter is not silently ignored.

use axum::extract::Query;
use axum::http::Uri;

use formats::time::Timestamp;

use super::problem::{Fault, Kind, Problem};
use crate::screen::day::Day;

/// The parameters of one request. Read every one, then call [`Params::finish`].
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    read: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Params {
    /// The parameters of an address.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::new(Kind::InvalidParameter).cause(error))?;
        Ok(Self {
            pairs,
            read: Vec::new(),
            faults: Vec::new(),
        })
    }

    /// The value of a parameter; empty counts as absent.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.read.push(name);
        let found = self.pairs.iter().find(|(known, _)| known == name)?;
        let value = found.1.trim();
        if value.chars().count() > 500 {
            self.fault(name, "dài quá 500 ký tự", "longer than 500 characters");
            return None;
        }
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Every value of a parameter, given several times or with commas.
    pub(crate) fn list(&mut self, name: &'static str) -> Vec<String> {
        self.read.push(name);
        self.pairs
            .iter()
            .filter(|(known, _)| known == name)
            .flat_map(|(_, value)| value.split(','))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// A number from `least` to `most`.
    pub(crate) fn number(&mut self, name: &'static str, least: u32, most: u32) -> Option<u32> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.fault(
                    name,
                    &format!("phải là số từ {least} đến {most}"),
                    &format!("must be a number from {least} to {most}"),
                );
                None
            }
        }
    }

    /// A moment: RFC 3339, or a day, then its start (or its end, if `end`).
    pub(crate) fn moment(
        &mut self,
        name: &'static str,
        now: Timestamp,
        edge: fn(Day) -> Timestamp,
    ) -> Option<Timestamp> {
        let text = self.text(name)?;
        if let Ok(time) = Timestamp::parse_rfc3339(&text) {
            return Some(time);
        }
        let day = Day::parse(&text, now).map(edge);
        if day.is_none() {
            self.fault(
                name,
                "phải là thời điểm RFC 3339 hoặc ngày yyyy-mm-dd",
                "must be an RFC 3339 time or a day yyyy-mm-dd",
            );
        }
        day
    }

    /// Notes a fault.
    pub(crate) fn fault(&mut self, name: &str, vi: &str, en: &str) {
        self.faults.push(Fault::parameter(
            name,
            format!("{name}: {vi}"),
            format!("{name}: {en}"),
        ));
    }

    /// Ok if nothing was wrong; otherwise every fault at once.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let known = self.read.join(", ");
        let strange: Vec<String> = self
            .pairs
            .iter()
            .map(|(name, _)| name.chars().take(64).collect::<String>())
            .filter(|name| !self.read.contains(&name.as_str()))
            .take(20)
            .collect();
        for name in strange {
            self.fault(
                &name,
                &format!("không có tham số này; dùng được: {known}"),
                &format!("no such parameter; known are: {known}"),
            );
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::new(Kind::InvalidParameter).errors(self.faults))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::of(&format!("/x?{query}").parse().unwrap()).unwrap()
    }

    #[test]
    fn all_faults_come_together() {
        let mut found = params("limit=0&stat=new&wait=abc");
        assert_eq!(found.number("limit", 1, 200), None);
        assert_eq!(found.number("wait", 0, 60), None);
        let problem = found.finish().unwrap_err();
        assert_eq!(problem.faults().len(), 3);
    }

    #[test]
    fn lists_take_commas_and_repeats() {
        let mut found = params("state=new,claimed&state=quarantined&q=%C4%91");
        assert_eq!(found.list("state"), ["new", "claimed", "quarantined"]);
        assert_eq!(found.text("q").as_deref(), Some("đ"));
        assert!(found.finish().is_ok());
    }
}
