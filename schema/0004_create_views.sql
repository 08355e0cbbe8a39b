-- What the REST API shows as views: rows that the rules keep, and routes that follow from the VM subnets.

-- Where a customer address is: its MAC, adapter, host and provider address.
CREATE TABLE lookup_record (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    vm_network_id BLOB NOT NULL REFERENCES vm_network (id) ON DELETE RESTRICT, -- VM network
    vm_subnet_id BLOB NOT NULL REFERENCES vm_subnet (id) ON DELETE RESTRICT, -- VM subnet
    network_adapter_id BLOB NOT NULL REFERENCES network_adapter (id) ON DELETE RESTRICT, -- Adapter that has the address
    vsid INTEGER NOT NULL, -- Virtual subnet ID
    -- Address in the VM network; null: the MAC alone; 16 bytes, IPv4 mapped
    customer_address BLOB CHECK (length(customer_address) = 16),
    mac BLOB NOT NULL CHECK (length(mac) = 6), -- MAC address
    type TEXT NOT NULL, -- Where the record came from: static | dynamic | l2only | gateway | dhcp
    host_id BLOB REFERENCES host (id) ON DELETE RESTRICT -- Host the adapter is on
) STRICT, WITHOUT ROWID;
CREATE INDEX lookup_record_by_tenant_id ON lookup_record (tenant_id, id);
CREATE INDEX lookup_record_by_vm_network_id ON lookup_record (vm_network_id, id);
CREATE INDEX lookup_record_by_vm_subnet_id ON lookup_record (vm_subnet_id, id);
CREATE INDEX lookup_record_by_network_adapter_id ON lookup_record (network_adapter_id, id);
CREATE INDEX lookup_record_by_vsid ON lookup_record (vsid, id);
CREATE INDEX lookup_record_by_customer_address ON lookup_record (customer_address, id);
CREATE INDEX lookup_record_by_mac ON lookup_record (mac, id);
CREATE INDEX lookup_record_by_host_id ON lookup_record (host_id, id);
-- A customer address is one adapter's in its VM subnet; a MAC alone (l2only) stands once.
CREATE UNIQUE INDEX lookup_record_by_subnet_address ON lookup_record (vm_subnet_id, customer_address);
CREATE UNIQUE INDEX lookup_record_by_subnet_mac ON lookup_record (vm_subnet_id, mac) WHERE customer_address IS NULL;

-- The outer address of a host at a site.
CREATE TABLE provider_address (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    host_id BLOB NOT NULL REFERENCES host (id) ON DELETE RESTRICT, -- Host
    network_site_id BLOB NOT NULL REFERENCES network_site (id) ON DELETE RESTRICT, -- Site
    logical_network_id BLOB NOT NULL REFERENCES logical_network (id) ON DELETE RESTRICT, -- Logical network
    ip_pool_id BLOB REFERENCES ip_pool (id) ON DELETE RESTRICT, -- Pool it came from
    uplink TEXT NOT NULL, -- Interface on the host
    address BLOB CHECK (length(address) = 16), -- The address; null: none is left, see reason; 16 bytes, IPv4 mapped
    subnet BLOB NOT NULL CHECK (length(subnet) = 17), -- Subnet of the site; address, then length in the family's bits
    gateway BLOB CHECK (length(gateway) = 16), -- Gateway to the other sites; 16 bytes, IPv4 mapped
    vlan_id INTEGER NOT NULL, -- VLAN on the wire, 0 = untagged
    reason TEXT -- Why there is no address
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_address_by_tenant_id ON provider_address (tenant_id, id);
CREATE INDEX provider_address_by_host_id ON provider_address (host_id, id);
CREATE INDEX provider_address_by_network_site_id ON provider_address (network_site_id, id);
CREATE INDEX provider_address_by_logical_network_id ON provider_address (logical_network_id, id);
CREATE INDEX provider_address_by_ip_pool_id ON provider_address (ip_pool_id, id);
CREATE INDEX provider_address_by_address ON provider_address (address, id);
-- Rows that wait for an address, tried again when the site's pools gain one.
CREATE INDEX provider_address_waiting ON provider_address (network_site_id) WHERE address IS NULL;
-- One provider address an uplink and site.
CREATE UNIQUE INDEX provider_address_by_uplink ON provider_address (host_id, network_site_id, uplink);

-- An address taken from a pool.
CREATE TABLE ip_allocation (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    ip_pool_id BLOB NOT NULL REFERENCES ip_pool (id) ON DELETE RESTRICT, -- Pool
    address BLOB NOT NULL CHECK (length(address) = 16), -- Address; 16 bytes, IPv4 mapped
    kind TEXT NOT NULL, -- What it is for: adapter | provider | vip | manual
    owner_id BLOB CHECK (length(owner_id) = 16), -- Adapter or provider address that has it
    retired_at_revision INTEGER -- Freed here; free once every host has seen it
) STRICT, WITHOUT ROWID;
CREATE INDEX ip_allocation_by_tenant_id ON ip_allocation (tenant_id, id);
CREATE INDEX ip_allocation_by_ip_pool_id ON ip_allocation (ip_pool_id, id);
CREATE INDEX ip_allocation_by_address ON ip_allocation (address, id);
CREATE INDEX ip_allocation_by_owner_id ON ip_allocation (owner_id, id);
-- An address is taken once from its pool, retired ones included.
CREATE UNIQUE INDEX ip_allocation_by_pool_address ON ip_allocation (ip_pool_id, address);
CREATE INDEX ip_allocation_by_retired_at_revision ON ip_allocation (retired_at_revision)
    WHERE retired_at_revision IS NOT NULL;

-- One thing on a host that is not as it must be.
CREATE TABLE compliance (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    host_id BLOB NOT NULL REFERENCES host (id) ON DELETE RESTRICT, -- Host that differs
    object_kind TEXT NOT NULL, -- port, filter, map-entry, provider-address, uplink or program
    object_id BLOB CHECK (length(object_id) = 16), -- Object of the model it belongs to
    object TEXT NOT NULL, -- What it is, readable
    field TEXT NOT NULL, -- What of it differs
    expected TEXT NOT NULL, -- As it must be
    found TEXT NOT NULL, -- As it is
    since INTEGER NOT NULL -- When it was found; ms since the epoch
) STRICT, WITHOUT ROWID;
CREATE INDEX compliance_by_tenant_id ON compliance (tenant_id, id);
CREATE INDEX compliance_by_host_id ON compliance (host_id, id);
CREATE INDEX compliance_by_object_kind ON compliance (object_kind, id);
CREATE INDEX compliance_by_object_id ON compliance (object_id, id);

-- Something that happened.
CREATE TABLE event (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    reason TEXT NOT NULL, -- What happened, a stable word
    message TEXT NOT NULL, -- What happened, a sentence
    object_kind TEXT NOT NULL, -- Kind of the object it is about
    object_id BLOB CHECK (length(object_id) = 16), -- Object it is about
    host_id BLOB CHECK (length(host_id) = 16) -- Host it is about
) STRICT, WITHOUT ROWID;
CREATE INDEX event_by_tenant_id ON event (tenant_id, id);
CREATE INDEX event_by_reason ON event (reason, id);
CREATE INDEX event_by_object_id ON event (object_id, id);
CREATE INDEX event_by_host_id ON event (host_id, id);

-- Routes of the built-in routers: one to each VM subnet of the VM network. id is the VM subnet's.
CREATE VIEW effective_route AS
SELECT
    id,
    tenant_id,
    name,
    '' AS description,
    '{}' AS labels,
    created_at,
    updated_at,
    etag,
    vm_network_id,
    prefix AS destination,
    NULL AS next_hop, -- on the VM subnet
    id AS vm_subnet_id
FROM vm_subnet;
