-- A host's status says why its session is held, or that its identity is in use twice.
ALTER TABLE host ADD COLUMN problem TEXT; -- What is wrong with its session, a sentence; NULL: nothing
CREATE INDEX host_by_problem ON host (id) WHERE problem IS NOT NULL;
-- What happens again within a minute is counted in the row that is there.
ALTER TABLE event ADD COLUMN count INTEGER NOT NULL DEFAULT 1 CHECK (count >= 1); -- How often it happened within a minute
