-- What lists by labels, exact watches and retried requests rest on.

-- One row a label of an object, kept by the store with every write, so that ?labels= needs no scan. No name of a column
-- is one of a resource's, so that a query can join the two without prefixes.
CREATE TABLE label (
    label_kind TEXT NOT NULL,  -- name of the resource ("vm-network")
    label_name TEXT NOT NULL,  -- the label
    label_value TEXT NOT NULL, -- its value
    label_object_id BLOB NOT NULL CHECK (length(label_object_id) = 16), -- of the object
    label_tenant_id BLOB,      -- of the object; NULL is fabric
    PRIMARY KEY (label_kind, label_name, label_value, label_object_id)
) STRICT, WITHOUT ROWID;
-- A tenant's list must not walk over what other tenants have labelled alike.
CREATE INDEX label_by_tenant ON label (label_kind, label_name, label_value, label_tenant_id, label_object_id);

INSERT INTO label SELECT 'tenant', l.key, l.value, o.id, o.tenant_id FROM tenant o, json_each(o.labels) l;
INSERT INTO label SELECT 'host-group', l.key, l.value, o.id, o.tenant_id FROM host_group o, json_each(o.labels) l;
INSERT INTO label SELECT 'logical-network', l.key, l.value, o.id, o.tenant_id FROM logical_network o, json_each(o.labels) l;
INSERT INTO label SELECT 'network-site', l.key, l.value, o.id, o.tenant_id FROM network_site o, json_each(o.labels) l;
INSERT INTO label SELECT 'ip-pool', l.key, l.value, o.id, o.tenant_id FROM ip_pool o, json_each(o.labels) l;
INSERT INTO label SELECT 'mac-pool', l.key, l.value, o.id, o.tenant_id FROM mac_pool o, json_each(o.labels) l;
INSERT INTO label SELECT 'virtual-port-profile', l.key, l.value, o.id, o.tenant_id FROM virtual_port_profile o, json_each(o.labels) l;
INSERT INTO label SELECT 'port-classification', l.key, l.value, o.id, o.tenant_id FROM port_classification o, json_each(o.labels) l;
INSERT INTO label SELECT 'host', l.key, l.value, o.id, o.tenant_id FROM host o, json_each(o.labels) l;
INSERT INTO label SELECT 'vm-network', l.key, l.value, o.id, o.tenant_id FROM vm_network o, json_each(o.labels) l;
INSERT INTO label SELECT 'vm-subnet', l.key, l.value, o.id, o.tenant_id FROM vm_subnet o, json_each(o.labels) l;
INSERT INTO label SELECT 'network-adapter', l.key, l.value, o.id, o.tenant_id FROM network_adapter o, json_each(o.labels) l;
INSERT INTO label SELECT 'join-token', l.key, l.value, o.id, o.tenant_id FROM join_token o, json_each(o.labels) l;
INSERT INTO label SELECT 'token', l.key, l.value, o.id, o.tenant_id FROM token o, json_each(o.labels) l;

-- The filter fields of a deleted object, or of one before a change that touched any of them, as a JSON object: a watch
-- with filters tells by them whom the object leaves. NULL: none of them changed.
ALTER TABLE change_log ADD COLUMN fields TEXT;

-- What a POST with an Idempotency-Key has done, in the transaction that did it. Kept for 24 hours, 10,000 a principal.
CREATE TABLE idempotency (
    principal_id BLOB NOT NULL CHECK (length(principal_id) = 16), -- who asked
    key TEXT NOT NULL,           -- as it was sent
    number INTEGER NOT NULL,     -- 1, 2, 3, ... of the principal: the oldest go first
    path TEXT NOT NULL,          -- of the request, which was a POST
    body_hash BLOB NOT NULL CHECK (length(body_hash) = 32), -- SHA-256
    revision INTEGER NOT NULL,   -- of the write's last change; 0: it changed nothing
    objects TEXT NOT NULL,       -- JSON array of {status, kind, id}, one an operation
    created_at INTEGER NOT NULL, -- wall clock, ms since the epoch
    PRIMARY KEY (principal_id, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX idempotency_by_number ON idempotency (principal_id, number);
CREATE INDEX idempotency_by_created_at ON idempotency (created_at);
