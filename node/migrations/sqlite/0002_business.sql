-- The business life of documents: what agencies said about them after they were sent (edXML business
-- acts and status packets), and where each stands because of it.

-- One act about one document between its sender and one recipient. The thread is (agency, side, peer,
-- local_id): an act that overtakes its document waits here and counts when the document comes.
CREATE TABLE desk_act (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  agency TEXT NOT NULL,                    -- whose desk this is
  side TEXT NOT NULL CHECK (side IN ('sent', 'received')),  -- what the document is to that agency
  peer TEXT NOT NULL,                      -- the other agency of the thread
  local_id TEXT NOT NULL,                  -- DocumentId of the document; empty while it is not known
  code TEXT NOT NULL,                      -- number/notation as the act names it, may be empty
  promulgated TEXT,                        -- day of issue as the act names it
  kind TEXT NOT NULL CHECK (kind IN ('status', 'recall', 'update', 'removed', 'replace')),
  word TEXT,                               -- status: two digits; replace: the new DocumentId
  at INTEGER NOT NULL,                     -- when it happened, says who acted
  recorded INTEGER NOT NULL,
  who TEXT NOT NULL,                       -- the agency that acted
  packet TEXT NOT NULL,                    -- id of the document or envelope that says it
  reason TEXT,
  staff TEXT
);
CREATE INDEX desk_act_by_thread ON desk_act (agency, side, local_id, peer, seq);

-- Where a document stands, kept beside it for lists. NULL: nothing was said yet.
ALTER TABLE desk_recipient ADD COLUMN life TEXT;
ALTER TABLE desk_recipient ADD COLUMN request TEXT;
ALTER TABLE desk_inbox ADD COLUMN life TEXT;
ALTER TABLE desk_inbox ADD COLUMN request TEXT;
-- When the next deadline ends (edxml-model 4.4); NULL: none runs.
ALTER TABLE desk_inbox ADD COLUMN due INTEGER;
ALTER TABLE desk_recipient ADD COLUMN due INTEGER;
-- The status packet 01 is still to be written.
ALTER TABLE desk_inbox ADD COLUMN owes_arrived INTEGER NOT NULL DEFAULT 0;
CREATE INDEX desk_inbox_owes ON desk_inbox (seq) WHERE owes_arrived = 1;
CREATE INDEX desk_inbox_due ON desk_inbox (agency, due) WHERE due IS NOT NULL;
CREATE INDEX desk_recipient_due ON desk_recipient (due) WHERE due IS NOT NULL;

-- Number and notation are unique within an agency and a year (Decree 30/2020 art. 15): to warn.
CREATE INDEX desk_document_by_code ON desk_document (agency, json_extract(facts, '$.code'));
CREATE INDEX desk_inbox_by_code ON desk_inbox (agency, sender, json_extract(facts, '$.code'));
