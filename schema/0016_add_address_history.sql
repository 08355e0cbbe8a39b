-- Who holds and held which address, and how full the pools of a VM subnet, a site and a logical network are together.

-- An address that somebody has or had. It outlives what it names: no foreign keys.
CREATE TABLE address_holding (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, in the order of time
    tenant_id BLOB CHECK (length(tenant_id) = 16), -- Tenant of the holder; null: the fabric's
    name TEXT NOT NULL, -- The address as text
    description TEXT NOT NULL, -- Empty
    labels TEXT NOT NULL, -- Empty map; JSON
    created_at INTEGER NOT NULL, -- When it was written down; ms since the epoch
    updated_at INTEGER NOT NULL, -- When it last changed
    etag INTEGER NOT NULL, -- Revision of the database then
    address BLOB NOT NULL CHECK (length(address) = 16), -- The address; 16 bytes, IPv4 mapped
    kind TEXT NOT NULL, -- How it is held: adapter | learned | provider | vip | manual
    owner_kind TEXT NOT NULL, -- Kind of who holds it
    owner_id BLOB NOT NULL CHECK (length(owner_id) = 16), -- Who holds it
    owner_name TEXT NOT NULL, -- Its name when it took it
    vm_network_id BLOB CHECK (length(vm_network_id) = 16), -- VM network the address is in
    vm_subnet_id BLOB CHECK (length(vm_subnet_id) = 16), -- VM subnet the address is in
    network_site_id BLOB CHECK (length(network_site_id) = 16), -- Site whose pool it is from
    ip_pool_id BLOB CHECK (length(ip_pool_id) = 16), -- Pool it is from
    held_from INTEGER NOT NULL, -- Since when; ms since the epoch
    held_until INTEGER, -- Until when; null: now
    source_id BLOB NOT NULL CHECK (length(source_id) = 16) -- Lookup record, provider address or allocation behind it
) STRICT, WITHOUT ROWID;
CREATE INDEX address_holding_by_tenant_id ON address_holding (tenant_id, id);
CREATE INDEX address_holding_by_address ON address_holding (address, id);
CREATE INDEX address_holding_by_owner_id ON address_holding (owner_id, id);
CREATE INDEX address_holding_by_vm_subnet_id ON address_holding (vm_subnet_id, id);
-- What stands behind a holding has one at a time.
CREATE UNIQUE INDEX address_holding_by_source_id ON address_holding (source_id) WHERE held_until IS NULL;
CREATE INDEX address_holding_by_held_until ON address_holding (held_until) WHERE held_until IS NOT NULL;

-- How many holdings have ended, for their bound.
CREATE TABLE address_holding_total (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- The only row
    ended INTEGER NOT NULL -- Rows of address_holding with held_until
) STRICT, WITHOUT ROWID;
INSERT INTO address_holding_total VALUES (1, 0);
CREATE TRIGGER address_holding_ended AFTER UPDATE OF held_until ON address_holding
WHEN old.held_until IS NULL AND new.held_until IS NOT NULL BEGIN
    UPDATE address_holding_total SET ended = ended + 1 WHERE id = 1;
END;
CREATE TRIGGER address_holding_pruned AFTER DELETE ON address_holding WHEN old.held_until IS NOT NULL BEGIN
    UPDATE address_holding_total SET ended = ended - 1 WHERE id = 1;
END;

-- Who holds an address now; the history begins here. What stands behind a holding lends it its id.
INSERT INTO address_holding
SELECT
    l.id, l.tenant_id, l.name, '', '{}', l.created_at, l.created_at, l.etag, l.customer_address,
    CASE l.type WHEN 'dynamic' THEN 'learned' ELSE 'adapter' END, 'network-adapter', a.id, a.name, l.vm_network_id,
    l.vm_subnet_id, p.network_site_id, p.id, l.created_at, NULL, l.id
FROM lookup_record l
JOIN network_adapter a ON a.id = l.network_adapter_id
LEFT JOIN ip_allocation i ON i.owner_id = a.id AND i.address = l.customer_address
LEFT JOIN ip_pool p ON p.id = i.ip_pool_id
WHERE l.customer_address IS NOT NULL;
INSERT INTO address_holding
SELECT
    r.id, NULL, r.name, '', '{}', r.created_at, r.created_at, r.etag, r.address, 'provider', 'host', h.id, h.name,
    NULL, NULL, r.network_site_id, r.ip_pool_id, r.created_at, NULL, r.id
FROM provider_address r
JOIN host h ON h.id = r.host_id
WHERE r.address IS NOT NULL;
INSERT INTO address_holding
SELECT
    i.id, p.tenant_id, i.name, '', '{}', i.created_at, i.created_at, i.etag, i.address, i.kind, 'ip-allocation', i.id,
    i.name, s.vm_network_id, s.id, p.network_site_id, p.id, i.created_at, NULL, i.id
FROM ip_allocation i
JOIN ip_pool p ON p.id = i.ip_pool_id
LEFT JOIN vm_subnet s ON s.id = p.vm_subnet_id
WHERE i.kind IN ('vip', 'manual') AND i.retired_at_revision IS NULL;

-- Allocations are the tenant's whose pool it is, and are found by their name, the address, and by what they are for.
CREATE UNIQUE INDEX ip_allocation_by_pool_name ON ip_allocation (ip_pool_id, name);
CREATE INDEX ip_allocation_by_name ON ip_allocation (name, id);
CREATE INDEX ip_allocation_by_kind ON ip_allocation (kind, id);
UPDATE ip_allocation SET tenant_id = (SELECT tenant_id FROM ip_pool WHERE ip_pool.id = ip_allocation.ip_pool_id);

-- Sums over the pools of a VM subnet, a network site or a logical network; decimal, for they may pass 64 bits. A parent
-- without pools has no row. The rules keep them, beginning at the first start.
CREATE TABLE ip_usage (
    parent_id BLOB NOT NULL PRIMARY KEY CHECK (length(parent_id) = 16), -- VM subnet, network site or logical network
    total TEXT NOT NULL, -- Addresses of the ranges
    allocated TEXT NOT NULL, -- Allocated addresses, resting ones too
    reserved TEXT NOT NULL, -- Reserved addresses and gateways
    vip TEXT NOT NULL -- Addresses kept for virtual IPs that nobody has
) STRICT, WITHOUT ROWID;
