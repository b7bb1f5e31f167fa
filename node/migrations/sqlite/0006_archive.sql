-- Proof packages kept for decades: one row for each, what its evidence record (RFC 4998) rests on now. Package and
-- records are files in the directory `archive`; a record is durable there before its row names it.
CREATE TABLE desk_archive (
  document TEXT PRIMARY KEY,
  agency TEXT NOT NULL,
  archived INTEGER NOT NULL,
  package_bytes INTEGER NOT NULL,
  record INTEGER NOT NULL,                 -- number of the newest record; the older ones stay
  hash TEXT NOT NULL,                      -- of its newest chain
  stamped INTEGER NOT NULL,                -- time of its newest time-stamp
  tsa TEXT NOT NULL,
  certificate_end INTEGER NOT NULL,        -- of the time-stamp authority, or of one above it
  algorithm TEXT,                          -- the first one that ends
  algorithm_end INTEGER,
  renew_before INTEGER NOT NULL            -- the earlier end
) WITHOUT ROWID;
CREATE INDEX desk_archive_by_end ON desk_archive (renew_before);
CREATE INDEX desk_archive_by_agency ON desk_archive (agency, renew_before);
