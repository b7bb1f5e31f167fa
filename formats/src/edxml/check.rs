//! Rules that many fields share, and the list their findings go to.
//!
//! Must not know: which field has which rule.

use super::date::Date;
use super::document_id;
use super::finding::{Fault, Validation, Warning};
use super::labels;
use super::model::{ResponseFor, Staff};
use super::organ::{Org, OrganId, OrganIdKind};
use super::text::length;
use crate::limits::AGENCY_CODE_CHARS_MAX;

/// Collects findings; small rules that many fields share.
pub(super) struct Check {
    pub(super) out: Validation,
}

impl Check {
    pub(super) fn new(faults: &[Fault], warnings: &[Warning]) -> Self {
        Self {
            out: Validation {
                faults: faults.to_vec(),
                warnings: warnings.to_vec(),
            },
        }
    }

    pub(super) fn has_fault_at(&self, path: &str) -> bool {
        self.out.faults.iter().any(|fault| fault.path == path)
    }

    /// `N.`, unless reading has said already what is wrong there.
    pub(super) fn required(&mut self, path: &str, text: &str) {
        if text.is_empty() && !self.has_fault_at(path) {
            self.out.faults.push(Fault::missing(path));
        }
    }

    /// Missing, but not on the mandatory list.
    pub(super) fn absent(&mut self, path: &str) {
        if !self.has_fault_at(path) {
            let Fault { path, vi, en, .. } = Fault::missing(path);
            self.out.warnings.push(Warning {
                code: "W-MISSING",
                path,
                vi,
                en,
            });
        }
    }

    /// `R.` above `max` characters, counted in the composed form.
    pub(super) fn length(&mut self, path: &str, text: &str, max: usize) {
        let count = length(text);
        if count > max {
            let (found, allowed) = (count.to_string(), format!("≤ {max}"));
            self.out.faults.push(Fault::range(path, &found, &allowed));
        }
    }

    pub(super) fn length_of(&mut self, path: &str, text: Option<&str>, max: usize) {
        self.length(path, text.unwrap_or_default(), max);
    }

    /// W-LEN above `max` characters.
    pub(super) fn soft_length(&mut self, path: &str, text: &str, max: usize) {
        let count = length(text);
        if count > max {
            self.long(path, count, max);
        }
    }

    pub(super) fn long(&mut self, path: &str, found: usize, max: usize) {
        let fault = Fault::range(path, &found.to_string(), &format!("≤ {max}"));
        let (vi, en) = (fault.vi, fault.en);
        self.out.warnings.push(Warning::new("W-LEN", path, vi, en));
    }

    /// `R.` above `max`.
    pub(super) fn number(&mut self, path: &str, value: Option<u32>, max: u32) {
        if let Some(value) = value.filter(|value| *value > max) {
            let allowed = format!("0…{max}");
            self.out
                .faults
                .push(Fault::range(path, &value.to_string(), &allowed));
        }
    }

    /// A warning about one field, worded "<field> <what>".
    pub(super) fn odd(&mut self, code: &'static str, path: &str, vi: &str, en: &str) {
        let label = labels::of(path);
        self.out.warnings.push(Warning::new(
            code,
            path,
            format!("Lưu ý {label}: {vi}"),
            format!("{path}: {en}"),
        ));
    }

    /// W-CLOCK for a time after tomorrow.
    pub(super) fn not_later(&mut self, path: &str, date: Option<Date>, today: Date) {
        if date.is_some_and(|date| date.days() > today.days() + 1) {
            self.odd("W-CLOCK", path, "ở tương lai", "in the future");
        }
    }

    pub(super) fn org(&mut self, path: &str, org: &Org) {
        self.organ_id(&format!("{path}/OrganId"), &org.organ_id);
        let at = |name: &str| format!("{path}/{name}");
        if org.name.is_empty() {
            self.absent(&at("OrganName"));
        }
        self.length(&at("OrganName"), &org.name, 200);
        self.length_of(&at("OrganizationInCharge"), org.in_charge.as_deref(), 200);
        self.length_of(&at("OrganAdd"), org.address.as_deref(), 250);
        self.email(&at("Email"), org.email.as_deref());
        for (name, number) in [("Telephone", &org.telephone), ("Fax", &org.fax)] {
            let number = number.as_deref().unwrap_or_default();
            self.length(&at(name), number, 50);
            self.soft_length(&at(name), number, 20);
        }
        self.length_of(&at("Website"), org.website.as_deref(), 100);
    }

    pub(super) fn organ_id(&mut self, path: &str, id: &OrganId) {
        self.required(path, id.as_str());
        if id.is_empty() {
            return;
        }
        self.length(path, id.as_str(), AGENCY_CODE_CHARS_MAX);
        match id.kind() {
            OrganIdKind::Other => {
                self.out.faults.push(Fault::wrong_type(
                    path,
                    id.as_str(),
                    "H29.03, 000.00.03.H29",
                ));
            }
            OrganIdKind::New => {
                if !id
                    .normalised()
                    .starts_with(|letter| matches!(letter, 'A'..='K'))
                {
                    self.odd(
                        "W-TYPE",
                        path,
                        "ký tự đầu ngoài A…K",
                        "first letter outside A…K",
                    );
                }
            }
            OrganIdKind::Old => {}
        }
        if id.kind() != OrganIdKind::Other && id.as_str() != id.normalised() {
            self.odd("W-TYPE", path, "viết chữ thường", "written in lower case");
        }
    }

    pub(super) fn email(&mut self, path: &str, email: Option<&str>) {
        let Some(email) = email else {
            return;
        };
        self.length(path, email, 100);
        if email.matches('@').count() != 1 {
            self.out
                .faults
                .push(Fault::wrong_type(path, email, "ten@don-vi.gov.vn"));
        }
    }

    /// At least DocumentId, or the three that identify a document together.
    pub(super) fn response(&mut self, path: &str, response: &ResponseFor) {
        let at = |name: &str| format!("{path}/{name}");
        let known = response.document_id.is_some();
        if !response.organ_id.is_empty() || !known {
            self.organ_id(&at("OrganId"), &response.organ_id);
        }
        if known {
            for (missing, name) in [
                (response.organ_id.is_empty(), "OrganId"),
                (response.code.is_empty(), "Code"),
                (response.date.is_none(), "PromulgationDate"),
            ] {
                if missing {
                    self.absent(&at(name));
                }
            }
        } else {
            self.required(&at("Code"), &response.code);
            if response.date.is_none() {
                self.required(&at("PromulgationDate"), "");
            }
            self.absent(&at("DocumentId"));
        }
        self.length(&at("Code"), &response.code, 42);
        let document_id = response.document_id.as_deref();
        self.length_of(&at("DocumentId"), document_id, document_id::CHARS_MAX);
    }

    pub(super) fn staff(&mut self, path: &str, staff: &Staff) {
        self.length_of(
            &format!("{path}/Department"),
            staff.department.as_deref(),
            200,
        );
        self.length_of(&format!("{path}/Staff"), staff.name.as_deref(), 100);
        self.email(&format!("{path}/Email"), staff.email.as_deref());
        self.length_of(&format!("{path}/Mobile"), staff.mobile.as_deref(), 50);
    }
}
