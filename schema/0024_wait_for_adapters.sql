-- A host that claims an adapter which another host still has, as after a live migration: it gets it when that one lets go.
CREATE TABLE waiting_claim (
    adapter_id BLOB NOT NULL REFERENCES network_adapter (id) ON DELETE CASCADE, -- The adapter
    host_id BLOB NOT NULL REFERENCES host (id) ON DELETE CASCADE, -- The host that claims it
    interface TEXT NOT NULL, -- Where the VM is there
    since INTEGER NOT NULL, -- Wall clock, ms: the first one that waits is the first that gets it
    PRIMARY KEY (adapter_id, host_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_claim_by_host_id ON waiting_claim (host_id);
