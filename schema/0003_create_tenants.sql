-- Tenants and what they own.

-- Somebody who owns VM networks and sees only what is his.
CREATE TABLE tenant (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL -- Version of the written fields, for If-Match; revision of their last change
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tenant_by_name ON tenant (name);
CREATE INDEX tenant_by_tenant_id ON tenant (tenant_id, id);

-- tenant.logical_network_ids: Logical networks the tenant may build VM networks on.
CREATE TABLE tenant_logical_network_ids (
    owner_id BLOB NOT NULL REFERENCES tenant (id) ON DELETE CASCADE, -- The tenant
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES logical_network (id) ON DELETE RESTRICT, -- The logical-network
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX tenant_logical_network_ids_by_target_id ON tenant_logical_network_ids (target_id);

-- tenant.port_classification_ids: Port classifications the tenant may choose.
CREATE TABLE tenant_port_classification_ids (
    owner_id BLOB NOT NULL REFERENCES tenant (id) ON DELETE CASCADE, -- The tenant
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES port_classification (id) ON DELETE RESTRICT, -- The port-classification
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX tenant_port_classification_ids_by_target_id ON tenant_port_classification_ids (target_id);

-- A tenant's isolated network.
CREATE TABLE vm_network (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    logical_network_id BLOB NOT NULL REFERENCES logical_network (id) ON DELETE RESTRICT, -- Logical network it runs over
    isolation TEXT NOT NULL, -- How it is kept apart: none | vlan | pvlan | network_virtualization
    routing_domain_id BLOB NOT NULL CHECK (length(routing_domain_id) = 16), -- Routing domain (RDID), assigned
    routing_domain_number INTEGER NOT NULL, -- The fast path's key for the RDID, never reused
    mtu INTEGER -- Largest packet of a VM in bytes; null: what the logical network carries
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX vm_network_by_scoped_name ON vm_network (tenant_id, name);
CREATE INDEX vm_network_by_tenant_id ON vm_network (tenant_id, id);
CREATE INDEX vm_network_by_name ON vm_network (name, id);
CREATE INDEX vm_network_by_logical_network_id ON vm_network (logical_network_id, id);
CREATE UNIQUE INDEX vm_network_by_routing_domain_id ON vm_network (routing_domain_id);
CREATE UNIQUE INDEX vm_network_by_routing_domain_number ON vm_network (routing_domain_number);

-- One IP subnet of a VM network: a broadcast domain.
CREATE TABLE vm_subnet (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    vm_network_id BLOB NOT NULL REFERENCES vm_network (id) ON DELETE RESTRICT, -- VM network it belongs to
    -- Its addresses, /8 to /29; may overlap with other VM networks'; address, then length in the family's bits
    prefix BLOB NOT NULL CHECK (length(prefix) = 17),
    vsid INTEGER, -- Virtual subnet ID on the wire; null: assigned
    -- Address of the built-in router: the first of the prefix; 16 bytes, IPv4 mapped
    gateway BLOB NOT NULL CHECK (length(gateway) = 16),
    -- Multicast group of the physical network for broadcasts; 16 bytes, IPv4 mapped
    pa_multicast_group BLOB CHECK (length(pa_multicast_group) = 16)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX vm_subnet_by_scoped_name ON vm_subnet (vm_network_id, name);
CREATE INDEX vm_subnet_by_tenant_id ON vm_subnet (tenant_id, id);
CREATE INDEX vm_subnet_by_name ON vm_subnet (name, id);
CREATE INDEX vm_subnet_by_vm_network_id ON vm_subnet (vm_network_id, id);
-- Prefixes of a VM network never overlap, so the neighbour in this order tells whether a new one fits.
CREATE INDEX vm_subnet_by_prefix ON vm_subnet (vm_network_id, prefix);
-- A VSID is unique in the data centre.
CREATE UNIQUE INDEX vm_subnet_by_vsid ON vm_subnet (vsid);

-- Freed VSIDs that some host may still hold: free again once every host that is not removed has synced that revision.
CREATE TABLE vsid_retired (
    vsid INTEGER NOT NULL PRIMARY KEY, -- The virtual subnet ID
    retired_at_revision INTEGER NOT NULL -- Revision of the delete
) STRICT, WITHOUT ROWID;
CREATE INDEX vsid_retired_by_retired_at_revision ON vsid_retired (retired_at_revision);

-- A VM's virtual network card.
CREATE TABLE network_adapter (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    vm_name TEXT NOT NULL, -- VM it belongs to
    vm_network_id BLOB NOT NULL REFERENCES vm_network (id) ON DELETE RESTRICT, -- VM network it is in
    vm_subnet_id BLOB NOT NULL REFERENCES vm_subnet (id) ON DELETE RESTRICT, -- VM subnet it is in
    mac BLOB CHECK (length(mac) = 6), -- MAC address; null: from a MAC pool
    ip_addresses TEXT, -- Addresses; null: one of the VM subnet's pool, []: none (learned); JSON
    -- Port classification; null: the built-in default
    classification_id BLOB REFERENCES port_classification (id) ON DELETE RESTRICT,
    host_id BLOB REFERENCES host (id) ON DELETE RESTRICT, -- Host it runs on; null: the one that claims it
    interface TEXT, -- Interface on the host; null: found by alias or MAC
    claimed INTEGER NOT NULL CHECK (claimed IN (0, 1)), -- host_id came from a claim
    bound INTEGER NOT NULL CHECK (bound IN (0, 1)), -- A port of a host carries it
    bound_interface TEXT, -- Interface of that port
    bound_reason TEXT -- Why it is not bound
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX network_adapter_by_scoped_name ON network_adapter (vm_network_id, name);
CREATE INDEX network_adapter_by_tenant_id ON network_adapter (tenant_id, id);
CREATE INDEX network_adapter_by_name ON network_adapter (name, id);
CREATE INDEX network_adapter_by_vm_name ON network_adapter (vm_name, id);
CREATE INDEX network_adapter_by_vm_network_id ON network_adapter (vm_network_id, id);
CREATE INDEX network_adapter_by_vm_subnet_id ON network_adapter (vm_subnet_id, id);
CREATE INDEX network_adapter_by_mac ON network_adapter (mac, id);
CREATE INDEX network_adapter_by_classification_id ON network_adapter (classification_id, id);
CREATE INDEX network_adapter_by_host_id ON network_adapter (host_id, id);
-- A MAC address is unique in a broadcast domain.
CREATE UNIQUE INDEX network_adapter_by_subnet_mac ON network_adapter (vm_subnet_id, mac);
