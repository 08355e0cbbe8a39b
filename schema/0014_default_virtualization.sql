-- Whether a logical network is virtualized may be left to its isolation: null at create is a value, none that stays.
CREATE TABLE logical_network_new (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    isolation TEXT NOT NULL, -- How its sites and VM networks are kept apart: connected | vlan | pvlan
    -- VM networks with addresses of their own run over it; the rules never leave it null
    network_virtualization INTEGER CHECK (network_virtualization IN (0, 1)),
    encapsulation TEXT NOT NULL, -- Wire format between hosts: nvgre | vxlan
    mtu INTEGER NOT NULL -- Largest packet of the physical network in bytes, outer headers included
) STRICT, WITHOUT ROWID;
INSERT INTO logical_network_new (
    id, tenant_id, name, description, labels, created_at, updated_at, etag, isolation, network_virtualization,
    encapsulation, mtu
)
SELECT
    id, tenant_id, name, description, labels, created_at, updated_at, etag, isolation, network_virtualization,
    encapsulation, mtu
FROM logical_network;
DROP TABLE logical_network;
ALTER TABLE logical_network_new RENAME TO logical_network;
CREATE UNIQUE INDEX logical_network_by_name ON logical_network (name);
CREATE INDEX logical_network_by_tenant_id ON logical_network (tenant_id, id);
