//! The desk's own queries. Reads run on the station's read-only pool; writes run inside the station's
//! commit (`relay::store::DeskWrite`) or, for users and keys, on an administrator's connection.
//! No table of the station is named here.

pub(crate) mod access;
pub(crate) mod acts;
pub(crate) mod archive;
pub(crate) mod checks;
pub(crate) mod commit;
pub(crate) mod deadlines;
pub(crate) mod documents;
pub(crate) mod inbox;
pub(crate) mod keeping;
pub(crate) mod kept;
pub(crate) mod ledger;
pub(crate) mod packets;
pub(crate) mod proofs;
pub(crate) mod queries;
pub(crate) mod receipts;
#[cfg(test)]
pub(crate) mod sample;
