//! Who you are on Trạm and whether to believe it.
//!
//! Trust in one page:
//!
//! * A **root** certifies issuing authorities; an authority certifies end certificates. Each end
//!   certificate has one [`role`], said by exactly one extended key usage, and one dNSName below
//!   the trust domain. An agency code is a DNS name (`H01.36.04` is `04.36.h01.<trust domain>`),
//!   so a province's authority is limited by a critical name constraint.
//! * A [`cert::Certificate`] is bytes that were parsed; it claims. A [`chain::VerifiedCert`] is
//!   believed: only [`chain::Validator`] makes one, after strict path validation at a given time.
//! * What a peer signed is believed only as a value that the verifying module made: the type
//!   carries the proof.
//! * [`key`]s sign and decrypt and never show themselves. [`algorithm`] is the one allow-list.
//! * [`revoke`] judges revocation lists and [`ocsp`] answers; freshness is the caller's decision,
//!   because traffic goes on for a day without new lists.
//!
//! The crate is silent, has no clock (`now` is a parameter) and opens no socket without the feature
//! `authority`.

#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions
    )
)]

pub mod algorithm;
#[cfg(feature = "authority")]
pub mod authority;
pub mod ceremony;
pub mod cert;
pub mod chain;
pub mod clock;
pub mod csr;
pub mod enrol;
pub mod ers;
pub mod inspect;
pub mod issue;
pub mod key;
pub mod ledger;
pub mod lint;
pub mod note;
pub mod ocsp;
pub mod pair;
pub mod parcel;
pub mod pdf;
pub mod permit;
pub mod plan;
pub mod profile;
pub mod record;
pub mod revoke;
pub mod role;
pub mod seal;
pub mod sign;
#[cfg(test)]
#[cfg(feature = "pkcs11")]
mod softhsm;
pub mod stamp;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod witness;

#[cfg(test)]
mod fixture;
