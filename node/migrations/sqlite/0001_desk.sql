-- The desk's tables. They lie in the station's database and change in the station's commits; the desk
-- never names a table of the station. Ids and codes are text, times are milliseconds UTC, digests are
-- 32-byte blobs, lists and facts are JSON as the views write them.

-- Packets by digest: a document sent to several boxes of one desk is kept once.
CREATE TABLE desk_packet (
  digest BLOB PRIMARY KEY,
  bytes INTEGER NOT NULL,
  inline BLOB,                      -- up to 64 KiB
  file TEXT,                        -- name in the directory `packets`, else
  CHECK ((inline IS NULL) <> (file IS NULL))
) WITHOUT ROWID;

CREATE TABLE desk_document (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of acceptance: the cursor of lists
  id TEXT NOT NULL UNIQUE,                 -- id of the first envelope
  agency TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('document', 'status')),
  natural TEXT NOT NULL,                   -- natural key without sender and recipient (architecture 4)
  local_id TEXT NOT NULL,
  facts TEXT NOT NULL,
  attachments TEXT NOT NULL,
  warnings TEXT NOT NULL,
  search_text TEXT NOT NULL,
  packet_digest BLOB NOT NULL,
  packet_bytes INTEGER NOT NULL,
  packet_signature BLOB NOT NULL,
  certificate BLOB NOT NULL,               -- SHA-256 of the signer's certificate
  signed_at INTEGER NOT NULL,
  stamped_at INTEGER,
  resend_reason TEXT,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  updated INTEGER NOT NULL
);
CREATE INDEX desk_document_by_agency ON desk_document (agency, seq);
CREATE INDEX desk_document_by_natural ON desk_document (agency, natural);

CREATE TABLE desk_envelope (
  id TEXT PRIMARY KEY,
  document TEXT NOT NULL,
  header BLOB NOT NULL,
  header_digest BLOB NOT NULL,
  header_signature BLOB NOT NULL,
  salt BLOB NOT NULL,                      -- opens the commitment in the header
  released INTEGER NOT NULL DEFAULT 0,     -- the station keeps the sealed body no longer
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX desk_envelope_by_document ON desk_envelope (document);
CREATE INDEX desk_envelope_held ON desk_envelope (created) WHERE released = 0;

CREATE TABLE desk_recipient (
  envelope TEXT NOT NULL,
  recipient TEXT NOT NULL,
  document TEXT NOT NULL,
  position INTEGER NOT NULL,               -- order in the packet
  name TEXT NOT NULL,
  written_as TEXT,
  state TEXT NOT NULL,
  reason TEXT,
  retry_reason TEXT,
  retry_at INTEGER,
  retry_attempt INTEGER,
  accepted_at INTEGER NOT NULL,
  relayed_at INTEGER,
  delivered_at INTEGER,
  handed_over_at INTEGER,
  final INTEGER NOT NULL DEFAULT 0,
  replaced INTEGER NOT NULL DEFAULT 0,     -- a later envelope carries the document to this recipient
  expires INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (envelope, recipient)
) WITHOUT ROWID;
CREATE INDEX desk_recipient_by_document ON desk_recipient (document, position);
CREATE INDEX desk_recipient_open ON desk_recipient (expires) WHERE final = 0;

-- What happened to a recipient after acceptance, in the order it became known here.
CREATE TABLE desk_step (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  envelope TEXT NOT NULL,
  recipient TEXT NOT NULL,
  event TEXT NOT NULL,
  at INTEGER NOT NULL,
  recorded INTEGER NOT NULL,
  who TEXT NOT NULL,
  leaf BLOB,                               -- the receipt behind it
  reason TEXT,
  clock_unsure INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX desk_step_by_leg ON desk_step (envelope, recipient, seq);

-- Receipts as they came: bundles kept verbatim, once, and where each statement lies in them.
CREATE TABLE desk_bundle (
  digest BLOB PRIMARY KEY,
  bundle BLOB NOT NULL,
  station TEXT NOT NULL,
  received INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE desk_receipt (
  leaf BLOB PRIMARY KEY,
  envelope TEXT NOT NULL,
  recipient TEXT NOT NULL,
  event TEXT NOT NULL,
  at INTEGER NOT NULL,
  station TEXT NOT NULL,
  bundle BLOB NOT NULL,
  position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX desk_receipt_by_envelope ON desk_receipt (envelope, recipient);

CREATE TABLE desk_idempotency (
  agency TEXT NOT NULL,
  key TEXT NOT NULL,
  request_digest BLOB NOT NULL,
  document TEXT NOT NULL,
  duplicate INTEGER NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (agency, key)
) WITHOUT ROWID;
CREATE INDEX desk_idempotency_by_age ON desk_idempotency (created);

CREATE TABLE desk_inbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  envelope TEXT NOT NULL,
  agency TEXT NOT NULL,
  sender TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('document', 'status')),
  natural TEXT NOT NULL,
  local_id TEXT NOT NULL,
  facts TEXT NOT NULL,
  attachments TEXT NOT NULL,
  warnings TEXT NOT NULL,
  search_text TEXT NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('new', 'acknowledged', 'quarantined')),
  reason TEXT,
  detail TEXT,
  packet_digest BLOB,
  packet_bytes INTEGER NOT NULL,
  packet_signature BLOB,
  certificate BLOB,
  signed_at INTEGER,
  stamped_at INTEGER,
  header BLOB NOT NULL,
  header_signature BLOB NOT NULL,
  salt BLOB,
  leg BLOB NOT NULL,                       -- the station's name of the leg, opaque here
  sent INTEGER NOT NULL,
  received INTEGER NOT NULL,
  claim TEXT,
  lease_until INTEGER,
  acknowledged INTEGER,
  UNIQUE (envelope, agency)
);
CREATE INDEX desk_inbox_by_agency ON desk_inbox (agency, seq);
CREATE INDEX desk_inbox_new ON desk_inbox (agency, priority DESC, seq) WHERE state = 'new';
CREATE INDEX desk_inbox_by_natural ON desk_inbox (agency, sender, natural);

CREATE TABLE desk_user (
  name TEXT PRIMARY KEY,
  display TEXT NOT NULL,
  agency TEXT NOT NULL,
  scopes TEXT NOT NULL,
  password TEXT NOT NULL,                  -- argon2id, PHC string
  created INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE desk_session (
  token BLOB PRIMARY KEY,                  -- SHA-256 of the cookie
  user TEXT NOT NULL,
  created INTEGER NOT NULL,
  until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE desk_key (
  id TEXT PRIMARY KEY,
  secret BLOB NOT NULL UNIQUE,             -- SHA-256 of the key
  agency TEXT NOT NULL,
  label TEXT NOT NULL,
  prefix TEXT NOT NULL,
  scopes TEXT NOT NULL,
  live INTEGER NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  last_used INTEGER,
  revoked INTEGER
) WITHOUT ROWID;
CREATE INDEX desk_key_by_agency ON desk_key (agency, created);
