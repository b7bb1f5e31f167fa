//! The tables of the inventory as lines of JSON arrays, the same for both engines.
//!
//! Owns: which tables and columns there are. Bytes are base64 after `b64:`. A table is read in
//! pages by its key, so that a large one does not fill the memory twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::BackupError;
use crate::authority::db::{DbError, Row, Tx, Value};

/// One table.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Kinds of the columns in order.
    columns: &'static [Kind],
    select: &'static str,
    insert: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Bytes,
    Int,
    Text,
}

use Kind::{Bytes, Int, Text};

/// Every table but the engine's own, in an order in which references are there before who refers.
pub(super) const ALL: &[Table] = &[
    Table {
        name: "meta",
        columns: &[Text, Text],
        select: "SELECT name, value FROM meta ORDER BY name",
        insert: "INSERT INTO meta VALUES ($1, $2)",
    },
    Table {
        name: "audit",
        columns: &[Int, Text, Text],
        select: "SELECT seq, line, hash FROM audit ORDER BY seq",
        insert: "INSERT INTO audit VALUES ($1, $2, $3)",
    },
    Table {
        name: "certificate",
        columns: &[
            Text, Int, Text, Text, Text, Int, Int, Int, Text, Bytes, Int, Text, Text,
        ],
        select: "SELECT serial, seq, issuer, role, name, not_before, not_after, planned, sha256,
                        der, revoked, reason, spki FROM certificate ORDER BY seq",
        insert: "INSERT INTO certificate
                 (serial, seq, issuer, role, name, not_before, not_after, planned, sha256, der,
                  revoked, reason, spki)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    },
    Table {
        name: "crl",
        columns: &[Text, Int],
        select: "SELECT issuer, number FROM crl ORDER BY issuer",
        insert: "INSERT INTO crl VALUES ($1, $2)",
    },
    Table {
        name: "leaf",
        columns: &[Int, Bytes, Text, Bytes],
        select: "SELECT place, hash, serial, head FROM leaf ORDER BY place",
        insert: "INSERT INTO leaf VALUES ($1, $2, $3, $4)",
    },
    Table {
        name: "checkpoint",
        columns: &[Int, Int, Bytes],
        select: "SELECT size, made, signed FROM checkpoint ORDER BY size",
        insert: "INSERT INTO checkpoint VALUES ($1, $2, $3)",
    },
    Table {
        name: "token_grant",
        columns: &[
            Text, Text, Text, Text, Text, Text, Int, Int, Text, Int, Text, Text, Int,
        ],
        select: "SELECT id, token_hash, station, kind, agencies, home_relays, created, expires,
                        made_by, spent, request_hash, answer, withdrawn
                 FROM token_grant ORDER BY created, id",
        insert: "INSERT INTO token_grant VALUES
                 ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    },
    Table {
        name: "request",
        columns: &[Text, Int, Int, Text, Text, Text, Text, Int, Text, Text],
        select: "SELECT id, made, expires, made_by, kind, hash, body, needed, state, answer
                 FROM request ORDER BY made, id",
        insert: "INSERT INTO request VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    },
    Table {
        name: "approval",
        columns: &[Text, Text, Int, Int, Bytes],
        select: "SELECT request, approver, made, agreed, signature FROM approval
                 ORDER BY request, approver",
        insert: "INSERT INTO approval VALUES ($1, $2, $3, $4, $5)",
    },
    Table {
        name: "published",
        columns: &[Text, Int, Text, Int],
        select: "SELECT name, seq, sha256, bytes FROM published ORDER BY seq",
        insert: "INSERT INTO published VALUES ($1, $2, $3, $4)",
    },
    Table {
        name: "found_revocation",
        columns: &[Text, Text, Int, Text],
        select: "SELECT issuer, serial, revoked, reason FROM found_revocation
                 ORDER BY issuer, serial",
        insert: "INSERT INTO found_revocation VALUES ($1, $2, $3, $4)",
    },
];

impl Table {
    /// The whole table.
    pub(super) async fn dump(&self, tx: &mut Tx) -> Result<String, DbError> {
        let mut text = String::new();
        for row in tx.rows(self.select, []).await? {
            let cells = self.columns.iter().enumerate();
            let cells = cells.map(|(place, kind)| cell(&row, place, *kind));
            text += &Json::Array(cells.collect::<Result<_, _>>()?).to_string();
            text.push('\n');
        }
        Ok(text)
    }

    /// Fills the empty table; gives the number of rows.
    pub(super) async fn load(&self, tx: &mut Tx, text: &str) -> Result<u64, BackupError> {
        let mut count = 0_u64;
        for (line, one) in (1..).zip(text.lines()) {
            let damaged = |reason| BackupError::Table {
                table: self.name,
                line,
                reason,
            };
            let cells: Vec<Json> =
                serde_json::from_str(one).map_err(|_| damaged("is no JSON array"))?;
            if cells.len() != self.columns.len() {
                return Err(damaged("has another number of columns"));
            }
            let pairs = self.columns.iter().zip(cells);
            let values: Option<Vec<Value>> = pairs.map(|(kind, cell)| value(*kind, cell)).collect();
            let values = values.ok_or_else(|| damaged("has a value of another kind"))?;
            tx.execute(self.insert, values).await?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

fn cell(row: &Row, place: usize, kind: Kind) -> Result<Json, DbError> {
    Ok(match kind {
        Int => row.int_or_none(place)?.map_or(Json::Null, Json::from),
        Text => row.text_or_none(place)?.map_or(Json::Null, Json::from),
        Bytes => match row.bytes_or_none(place)? {
            Some(bytes) => Json::from(format!("{BASE64}{}", STANDARD.encode(bytes))),
            None => Json::Null,
        },
    })
}

fn value(kind: Kind, cell: Json) -> Option<Value> {
    Some(match (kind, cell) {
        (Int, Json::Null) => Value::Int(None),
        (Int, Json::Number(number)) => Value::Int(Some(number.as_i64()?)),
        (Text, Json::Null) => Value::Text(None),
        (Text, Json::String(text)) => Value::Text(Some(text)),
        (Bytes, Json::Null) => Value::Bytes(None),
        (Bytes, Json::String(text)) => {
            Value::Bytes(Some(STANDARD.decode(text.strip_prefix(BASE64)?).ok()?))
        }
        _ => return None,
    })
}

const BASE64: &str = "b64:";
