-- What the store itself keeps: facts about this database, and the history of changes.

-- Named facts: database id, digest key, incarnation, certificate authority, counters of the rules.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY, -- stable snake_case name
    value TEXT NOT NULL             -- as text; binary facts in hexadecimal
) STRICT, WITHOUT ROWID;

-- One row an object and revision; the newest row is never removed, so revisions never start again.
CREATE TABLE change_log (
    revision INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3, ... in commit order
    op INTEGER NOT NULL CHECK (op IN (0, 1)), -- 0 put, 1 delete
    resource TEXT NOT NULL,                -- name of the resource ("vm-network"): numbers may move between versions
    id BLOB NOT NULL,                      -- of the object
    tenant_id BLOB,                        -- of the object; NULL is fabric
    at INTEGER NOT NULL                    -- wall clock of the write, ms since the epoch
) STRICT;
