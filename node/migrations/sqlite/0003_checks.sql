-- What the signatures inside PDF attachments are worth: one row for each attachment of a received packet
-- that was checked. Rows can be lost without harm: the attachment is checked again.
CREATE TABLE desk_check (
  packet BLOB NOT NULL,                    -- digest of the packet
  attachment INTEGER NOT NULL,             -- its number in the packet, from 1
  anchors BLOB NOT NULL,                   -- whom the check trusted; with others it is made again
  verdict TEXT NOT NULL CHECK (verdict IN ('none', 'valid', 'unknown', 'invalid')),
  report TEXT NOT NULL,                    -- JSON
  checked INTEGER NOT NULL,
  PRIMARY KEY (packet, attachment)
) WITHOUT ROWID;
