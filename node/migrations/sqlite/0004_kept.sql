-- What proof packages need when the directory has gone on: revocation lists, records and certificates of the
-- time when something was signed. Kept by content, never changed; rows end with the last document
-- that may need them.
CREATE TABLE desk_kept (
  seq INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,             -- SHA-256 of the bytes
  kind TEXT NOT NULL CHECK (kind IN ('authority', 'certificate', 'list', 'record')),
  subject TEXT NOT NULL,                   -- authority: its name; list: its issuer; record: what it is about
  begins INTEGER NOT NULL,                 -- notBefore, thisUpdate, issued
  ends INTEGER NOT NULL,                   -- notAfter, nextUpdate, not_after
  bytes BLOB NOT NULL
);
CREATE INDEX desk_kept_by_subject ON desk_kept (kind, subject, begins);
-- The last document whose recipients' records are kept.
CREATE TABLE desk_kept_place (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL
);
