-- Statements that the sender's station asked for again (status query): they are proven in a time-stamped
-- checkpoint where one covers them.
ALTER TABLE owed_receipt ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
