//! An empty desk database and headers, for tests of rows.

use formats::header::{Class, Context, Header, Priority};
use formats::id::{Digest, EnvelopeId};
use formats::time::Timestamp;
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;

pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_795_318_262_114);

/// The desk's tables in memory.
pub(crate) async fn tables() -> SqlitePool {
    let options = SqlitePoolOptions::new().max_connections(1);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    for script in crate::desk::SCHEMA {
        sqlx::raw_sql(*script).execute(&pool).await.unwrap();
    }
    pool
}

/// A header of this sender; the same number gives the same id.
pub(crate) fn header(sender: &str, number: u8) -> Header {
    let context = Context {
        id: EnvelopeId::new(NOW, &[number; 10]),
        class: Class::Document,
        sender: sender.parse().unwrap(),
        sender_station: "node-a.tram.test".parse().unwrap(),
        recipients: vec!["H01.36.04".parse().unwrap()],
        priority: Priority::Normal,
        created: NOW,
        expires: NOW.plus_ms(86_400_000),
        signer: Digest::of(b"signer"),
        commitment: Some(Digest::of(b"commitment")),
        supersedes: None,
        addressed_as: vec![],
    };
    Header::new(context, Digest::of(b"body"), 600).unwrap()
}
