-- Whether the log under a receipt is time-stamped (0, 1). A receipt that came before its log was
-- stamped is asked for again and moves to the bundle that proves more.
ALTER TABLE desk_receipt ADD COLUMN level INTEGER NOT NULL DEFAULT 0;
-- When the stations of an envelope were last asked for their statements, and how often by itself.
ALTER TABLE desk_envelope ADD COLUMN asked INTEGER;
ALTER TABLE desk_envelope ADD COLUMN asked_times INTEGER NOT NULL DEFAULT 0;
CREATE INDEX desk_envelope_asking ON desk_envelope (created) WHERE asked_times < 2;

-- The recipient has looked into the document: stated once.
ALTER TABLE desk_inbox ADD COLUMN opened INTEGER;

-- Content that is here no more, and by which rule; what proves it stays.
ALTER TABLE desk_document ADD COLUMN content_deleted INTEGER;
ALTER TABLE desk_document ADD COLUMN content_rule TEXT;
ALTER TABLE desk_inbox ADD COLUMN content_deleted INTEGER;
ALTER TABLE desk_inbox ADD COLUMN content_rule TEXT;
CREATE INDEX desk_document_content ON desk_document (created) WHERE content_deleted IS NULL;
CREATE INDEX desk_inbox_content ON desk_inbox (received) WHERE content_deleted IS NULL;
CREATE INDEX desk_document_packet ON desk_document (packet_digest);
CREATE INDEX desk_inbox_packet ON desk_inbox (packet_digest);

-- What was done about keeping a document: who, why, when. Rows are only ever added.
CREATE TABLE desk_keeping (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  agency TEXT NOT NULL,
  id TEXT NOT NULL,                        -- document or received envelope
  side TEXT NOT NULL CHECK (side IN ('sent', 'received')),
  act TEXT NOT NULL CHECK (act IN ('hold', 'release', 'deleted')),
  who TEXT NOT NULL,
  why TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX desk_keeping_by_id ON desk_keeping (agency, id, seq);
