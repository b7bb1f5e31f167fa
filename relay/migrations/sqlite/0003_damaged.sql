-- Bodies that were found not to be what their signed headers say: the damaged copy is kept here (or its file
-- is), the envelope waits for a good one. Never removed by the program.
CREATE TABLE damaged_body (
    id INTEGER PRIMARY KEY,
    envelope INTEGER NOT NULL,
    -- Its name, for whoever reads this when the envelope's row is gone.
    envelope_id BLOB NOT NULL,
    file TEXT,
    body BLOB,
    found INTEGER NOT NULL,
    problem TEXT NOT NULL,
    -- When a good copy came; NULL: it is waited for.
    mended INTEGER
) STRICT;
CREATE INDEX damaged_body_open ON damaged_body (envelope) WHERE mended IS NULL;
CREATE UNIQUE INDEX damaged_body_file ON damaged_body (file) WHERE file IS NOT NULL;

-- Rows that were put right from what their digests prove, with the bytes that were found.
CREATE TABLE mended_row (
    id INTEGER PRIMARY KEY,
    place TEXT NOT NULL,
    row INTEGER NOT NULL,
    found INTEGER NOT NULL,
    was BLOB NOT NULL
) STRICT;
