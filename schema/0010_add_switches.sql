-- The rest of the fabric: uplink port profiles, logical switches and where they are deployed, VM networks on VLANs. The
-- tables whose columns may be null from now on are made anew, with the rows they had.

-- Settings of a physical-facing port.
CREATE TABLE uplink_port_profile (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    load_balancing TEXT NOT NULL, -- How a team shares its traffic: switch_port | address_hash | dynamic
    teaming_mode TEXT NOT NULL, -- What the physical switch knows of a team: switch_independent | static | lacp
    -- Provider addresses come to uplinks that have it
    network_virtualization INTEGER NOT NULL CHECK (network_virtualization IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX uplink_port_profile_by_name ON uplink_port_profile (name);
CREATE INDEX uplink_port_profile_by_tenant_id ON uplink_port_profile (tenant_id, id);

-- uplink_port_profile.network_site_ids: Sites that an uplink with it reaches.
CREATE TABLE uplink_port_profile_network_site_ids (
    owner_id BLOB NOT NULL REFERENCES uplink_port_profile (id) ON DELETE CASCADE, -- The uplink-port-profile
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES network_site (id) ON DELETE RESTRICT, -- The network-site
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX uplink_port_profile_network_site_ids_by_target_id ON uplink_port_profile_network_site_ids (target_id);

-- The template of a host's virtual switch.
CREATE TABLE logical_switch (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    type TEXT NOT NULL, -- What its ports reach: external | internal | private
    uplink_mode TEXT NOT NULL, -- Whether its uplinks are a team: none | team
    minimum_bandwidth_mode TEXT NOT NULL, -- How minimum bandwidth is given: none | weight | absolute
    sriov INTEGER NOT NULL CHECK (sriov IN (0, 1)), -- Virtual functions of the network card
    extensions TEXT NOT NULL -- Extensions of the switch, in order; JSON
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX logical_switch_by_name ON logical_switch (name);
CREATE INDEX logical_switch_by_tenant_id ON logical_switch (tenant_id, id);

-- logical_switch.uplink_port_profile_ids: Profiles its uplinks may have.
CREATE TABLE logical_switch_uplink_port_profile_ids (
    owner_id BLOB NOT NULL REFERENCES logical_switch (id) ON DELETE CASCADE, -- The logical-switch
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES uplink_port_profile (id) ON DELETE RESTRICT, -- The uplink-port-profile
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX logical_switch_uplink_port_profile_ids_by_target_id ON logical_switch_uplink_port_profile_ids (target_id);

-- logical_switch.virtual_ports: The profile behind each classification.
CREATE TABLE logical_switch_virtual_ports (
    owner_id BLOB NOT NULL REFERENCES logical_switch (id) ON DELETE CASCADE, -- The logical-switch
    position INTEGER NOT NULL, -- Order in the list, from 0
    classification_id BLOB NOT NULL REFERENCES port_classification (id) ON DELETE RESTRICT, -- Port classification
    profile_id BLOB NOT NULL REFERENCES virtual_port_profile (id) ON DELETE RESTRICT, -- Profile its ports get
    -- For adapters whose classification is not in the list
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX logical_switch_virtual_ports_by_classification_id ON logical_switch_virtual_ports (classification_id);
CREATE INDEX logical_switch_virtual_ports_by_profile_id ON logical_switch_virtual_ports (profile_id);

-- A logical switch deployed on a host.
CREATE TABLE host_switch (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    host_id BLOB NOT NULL REFERENCES host (id) ON DELETE RESTRICT, -- Host it is on
    logical_switch_id BLOB NOT NULL REFERENCES logical_switch (id) ON DELETE RESTRICT -- Logical switch it is made of
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX host_switch_by_scoped_name ON host_switch (host_id, name);
CREATE INDEX host_switch_by_tenant_id ON host_switch (tenant_id, id);
CREATE INDEX host_switch_by_name ON host_switch (name, id);
CREATE INDEX host_switch_by_host_id ON host_switch (host_id, id);
CREATE INDEX host_switch_by_logical_switch_id ON host_switch (logical_switch_id, id);
-- A logical switch is on a host once.
CREATE UNIQUE INDEX host_switch_by_deployment ON host_switch (host_id, logical_switch_id);

-- host_switch.uplinks: Physical interfaces of the switch.
CREATE TABLE host_switch_uplinks (
    owner_id BLOB NOT NULL REFERENCES host_switch (id) ON DELETE CASCADE, -- The host-switch
    position INTEGER NOT NULL, -- Order in the list, from 0
    interface TEXT NOT NULL, -- Network interface on the host
    -- Profile of the uplink; null: the logical switch has none
    uplink_port_profile_id BLOB REFERENCES uplink_port_profile (id) ON DELETE RESTRICT,
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX host_switch_uplinks_by_uplink_port_profile_id ON host_switch_uplinks (uplink_port_profile_id, owner_id);

-- host_switch.host_adapters: The host's own adapters on the switch.
CREATE TABLE host_switch_host_adapters (
    owner_id BLOB NOT NULL REFERENCES host_switch (id) ON DELETE CASCADE, -- The host-switch
    position INTEGER NOT NULL, -- Order in the list, from 0
    name TEXT NOT NULL, -- Interface that the host gets
    -- Takes over MAC and addresses of the uplink
    inherit_from_uplink INTEGER NOT NULL CHECK (inherit_from_uplink IN (0, 1)),
    -- Port classification; null: the logical switch's default
    classification_id BLOB REFERENCES port_classification (id) ON DELETE RESTRICT,
    network_site_id BLOB REFERENCES network_site (id) ON DELETE RESTRICT, -- Site it is in; this or vm_network_id
    vm_network_id BLOB REFERENCES vm_network (id) ON DELETE RESTRICT, -- VM network it is in; this or network_site_id
    vlan_id INTEGER, -- VLAN, where the site has several
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX host_switch_host_adapters_by_classification_id ON host_switch_host_adapters (classification_id);
CREATE INDEX host_switch_host_adapters_by_network_site_id ON host_switch_host_adapters (network_site_id);
CREATE INDEX host_switch_host_adapters_by_vm_network_id ON host_switch_host_adapters (vm_network_id);

-- How many hosts in service of a host group have a logical switch: tells which groups have it on some hosts only.
CREATE TABLE host_group_switch (
    host_group_id BLOB NOT NULL REFERENCES host_group (id) ON DELETE CASCADE, -- The host group
    logical_switch_id BLOB NOT NULL REFERENCES logical_switch (id) ON DELETE CASCADE, -- The logical switch
    hosts INTEGER NOT NULL CHECK (hosts >= 0), -- Hosts of the group that have it
    PRIMARY KEY (host_group_id, logical_switch_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX host_group_switch_by_logical_switch_id ON host_group_switch (logical_switch_id);
ALTER TABLE host_group ADD COLUMN host_count INTEGER NOT NULL DEFAULT 0; -- Hosts in the group that are not removed
UPDATE host_group
SET host_count = (SELECT COUNT(*) FROM host WHERE host.host_group_id = host_group.id AND host.state <> 'removed');

-- Which hosts wait for an administrator before a changed virtual port profile counts on them.
CREATE INDEX host_by_remediation ON host (remediation, id);

-- Pools of a VM subnet belong to its tenant.
UPDATE ip_pool
SET tenant_id = (SELECT tenant_id FROM vm_subnet WHERE vm_subnet.id = ip_pool.vm_subnet_id)
WHERE vm_subnet_id IS NOT NULL;
UPDATE label
SET label_tenant_id = (SELECT tenant_id FROM ip_pool WHERE ip_pool.id = label_object_id)
WHERE label_kind = 'ip-pool';

-- Where a VM network without virtualization is: one VLAN of one site.
ALTER TABLE vm_network ADD COLUMN network_site_id BLOB REFERENCES network_site (id) ON DELETE RESTRICT; -- Site
ALTER TABLE vm_network ADD COLUMN vlan_id INTEGER; -- VLAN of that site
ALTER TABLE vm_network ADD COLUMN secondary_vlan_id INTEGER; -- Secondary VLAN of a private VLAN
CREATE INDEX vm_network_by_network_site_id ON vm_network (network_site_id, id);
-- One VLAN of a site serves one VM network.
CREATE UNIQUE INDEX vm_network_by_vlan ON vm_network (network_site_id, vlan_id);
-- A logical network has one VM network that passes through.
CREATE UNIQUE INDEX vm_network_passing_through ON vm_network (logical_network_id) WHERE isolation = 'none';

DROP VIEW effective_route;

-- One IP subnet of a VM network: a broadcast domain. On a VLAN it has no VSID, and a gateway only where a pool of the
-- site names one.
CREATE TABLE vm_subnet_new (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    vm_network_id BLOB NOT NULL REFERENCES vm_network (id) ON DELETE RESTRICT, -- VM network it belongs to
    -- Its addresses, IPv4 /8 to /29 or IPv6 /64; may overlap with other VM networks'; address, then length in the
    -- family's bits
    prefix BLOB NOT NULL CHECK (length(prefix) = 17),
    vsid INTEGER, -- Virtual subnet ID on the wire; null: on a VLAN
    -- Address of the router: built in, the first of the prefix; on a VLAN the physical one; 16 bytes, IPv4 mapped
    gateway BLOB CHECK (length(gateway) = 16),
    -- Multicast group of the physical network for broadcasts; 16 bytes, IPv4 mapped
    pa_multicast_group BLOB CHECK (length(pa_multicast_group) = 16)
) STRICT, WITHOUT ROWID;
INSERT INTO vm_subnet_new (
    id, tenant_id, name, description, labels, created_at, updated_at, etag, vm_network_id, prefix, vsid, gateway,
    pa_multicast_group
)
SELECT
    id, tenant_id, name, description, labels, created_at, updated_at, etag, vm_network_id, prefix, vsid, gateway,
    pa_multicast_group
FROM vm_subnet;
DROP TABLE vm_subnet;
ALTER TABLE vm_subnet_new RENAME TO vm_subnet;
CREATE UNIQUE INDEX vm_subnet_by_scoped_name ON vm_subnet (vm_network_id, name);
CREATE INDEX vm_subnet_by_tenant_id ON vm_subnet (tenant_id, id);
CREATE INDEX vm_subnet_by_name ON vm_subnet (name, id);
CREATE INDEX vm_subnet_by_vm_network_id ON vm_subnet (vm_network_id, id);
-- Prefixes of a VM network never overlap, so the neighbour in this order tells whether a new one fits.
CREATE INDEX vm_subnet_by_prefix ON vm_subnet (vm_network_id, prefix);
-- A VSID is unique in the data centre.
CREATE UNIQUE INDEX vm_subnet_by_vsid ON vm_subnet (vsid);
-- Counted as before.
CREATE TRIGGER tenant_usage_more_vm_subnets AFTER INSERT ON vm_subnet BEGIN
    UPDATE tenant_usage SET vm_subnets = vm_subnets + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_vm_subnets AFTER DELETE ON vm_subnet BEGIN
    UPDATE tenant_usage SET vm_subnets = vm_subnets - 1 WHERE tenant_id = old.tenant_id;
END;

-- Routes of the built-in routers: VM subnets on a VLAN have none. The + keeps the index of VSIDs out.
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
    CAST(NULL AS BLOB) AS next_hop, -- on the VM subnet
    id AS vm_subnet_id,
    CAST(NULL AS INTEGER) AS metric,
    CAST(NULL AS BLOB) AS customer_route_id
FROM vm_subnet
WHERE +vsid IS NOT NULL
UNION ALL
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
    destination,
    next_hop,
    vm_subnet_id,
    metric,
    id AS customer_route_id
FROM customer_route;

-- A VM's virtual network card. Without a VM subnet where its VM network has none.
CREATE TABLE network_adapter_new (
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
    vm_subnet_id BLOB REFERENCES vm_subnet (id) ON DELETE RESTRICT, -- VM subnet it is in; null: the VM network has none
    mac BLOB CHECK (length(mac) = 6), -- MAC address; null: from a MAC pool
    ip_addresses TEXT, -- Addresses; null: one of the VM subnet's pool, []: none (learned); JSON
    -- Port classification; null: the built-in default
    classification_id BLOB REFERENCES port_classification (id) ON DELETE RESTRICT,
    host_id BLOB REFERENCES host (id) ON DELETE RESTRICT, -- Host it runs on; null: the one that claims it
    interface TEXT, -- Interface on the host; null: found by alias or MAC
    claimed INTEGER NOT NULL CHECK (claimed IN (0, 1)), -- host_id came from a claim
    bound INTEGER NOT NULL CHECK (bound IN (0, 1)), -- A port of a host carries it
    bound_interface TEXT, -- Interface of that port
    bound_reason TEXT, -- Why it is not bound
    target_host_id BLOB REFERENCES host (id) ON DELETE RESTRICT, -- Host it is moving to; null: it is not
    target_interface TEXT, -- Interface there; null: found by alias or MAC
    target_claimed INTEGER NOT NULL DEFAULT 0 CHECK (target_claimed IN (0, 1)), -- Its interface has appeared there
    vlan_id INTEGER, -- VLAN in a VM network that passes through, where the host's site has several
    mirror TEXT NOT NULL DEFAULT 'none', -- Copies of its traffic: none | source | destination
    -- A network that fails takes the VM to another host
    protected_network INTEGER NOT NULL DEFAULT 0 CHECK (protected_network IN (0, 1))
) STRICT, WITHOUT ROWID;
INSERT INTO network_adapter_new (
    id, tenant_id, name, description, labels, created_at, updated_at, etag, vm_name, vm_network_id, vm_subnet_id,
    mac, ip_addresses, classification_id, host_id, interface, claimed, bound, bound_interface, bound_reason,
    target_host_id, target_interface, target_claimed
)
SELECT
    id, tenant_id, name, description, labels, created_at, updated_at, etag, vm_name, vm_network_id, vm_subnet_id,
    mac, ip_addresses, classification_id, host_id, interface, claimed, bound, bound_interface, bound_reason,
    target_host_id, target_interface, target_claimed
FROM network_adapter;
DROP TABLE network_adapter;
ALTER TABLE network_adapter_new RENAME TO network_adapter;
CREATE UNIQUE INDEX network_adapter_by_scoped_name ON network_adapter (vm_network_id, name);
CREATE INDEX network_adapter_by_tenant_id ON network_adapter (tenant_id, id);
CREATE INDEX network_adapter_by_name ON network_adapter (name, id);
CREATE INDEX network_adapter_by_vm_name ON network_adapter (vm_name, id);
CREATE INDEX network_adapter_by_vm_network_id ON network_adapter (vm_network_id, id);
CREATE INDEX network_adapter_by_vm_subnet_id ON network_adapter (vm_subnet_id, id);
CREATE INDEX network_adapter_by_mac ON network_adapter (mac, id);
CREATE INDEX network_adapter_by_classification_id ON network_adapter (classification_id, id);
CREATE INDEX network_adapter_by_host_id ON network_adapter (host_id, id);
CREATE INDEX network_adapter_by_target_host_id ON network_adapter (target_host_id, id);
-- A MAC address is unique in a broadcast domain.
CREATE UNIQUE INDEX network_adapter_by_subnet_mac ON network_adapter (vm_subnet_id, mac);
-- Counted as before.
CREATE TRIGGER tenant_usage_more_network_adapters AFTER INSERT ON network_adapter BEGIN
    UPDATE tenant_usage SET network_adapters = network_adapters + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_network_adapters AFTER DELETE ON network_adapter BEGIN
    UPDATE tenant_usage SET network_adapters = network_adapters - 1 WHERE tenant_id = old.tenant_id;
END;

-- Where a customer address is: its MAC, adapter, host and provider address. On a VLAN without VSID.
CREATE TABLE lookup_record_new (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    vm_network_id BLOB NOT NULL REFERENCES vm_network (id) ON DELETE RESTRICT, -- VM network
    vm_subnet_id BLOB REFERENCES vm_subnet (id) ON DELETE RESTRICT, -- VM subnet; null: the VM network has none
    network_adapter_id BLOB NOT NULL REFERENCES network_adapter (id) ON DELETE RESTRICT, -- Adapter that has the address
    vsid INTEGER, -- Virtual subnet ID; null: on a VLAN
    -- Address in the VM network; null: the MAC alone; 16 bytes, IPv4 mapped
    customer_address BLOB CHECK (length(customer_address) = 16),
    mac BLOB NOT NULL CHECK (length(mac) = 6), -- MAC address
    type TEXT NOT NULL, -- Where the record came from: static | dynamic | l2only | gateway | dhcp
    host_id BLOB REFERENCES host (id) ON DELETE RESTRICT -- Host the adapter is on
) STRICT, WITHOUT ROWID;
INSERT INTO lookup_record_new (
    id, tenant_id, name, description, labels, created_at, updated_at, etag, vm_network_id, vm_subnet_id,
    network_adapter_id, vsid, customer_address, mac, type, host_id
)
SELECT
    id, tenant_id, name, description, labels, created_at, updated_at, etag, vm_network_id, vm_subnet_id,
    network_adapter_id, vsid, customer_address, mac, type, host_id
FROM lookup_record;
DROP TABLE lookup_record;
ALTER TABLE lookup_record_new RENAME TO lookup_record;
CREATE INDEX lookup_record_by_tenant_id ON lookup_record (tenant_id, id);
CREATE INDEX lookup_record_by_vm_network_id ON lookup_record (vm_network_id, id);
CREATE INDEX lookup_record_by_vm_subnet_id ON lookup_record (vm_subnet_id, id);
CREATE INDEX lookup_record_by_network_adapter_id ON lookup_record (network_adapter_id, id);
CREATE INDEX lookup_record_by_vsid ON lookup_record (vsid, id);
CREATE INDEX lookup_record_by_customer_address ON lookup_record (customer_address, id);
CREATE INDEX lookup_record_by_mac ON lookup_record (mac, id);
CREATE INDEX lookup_record_by_host_id ON lookup_record (host_id, id);
-- A customer address is one adapter's in its VM network; a MAC alone (l2only) stands once.
CREATE UNIQUE INDEX lookup_record_by_network_address ON lookup_record (vm_network_id, customer_address);
CREATE UNIQUE INDEX lookup_record_by_subnet_mac ON lookup_record (vm_subnet_id, mac) WHERE customer_address IS NULL;
-- Counted as before.
CREATE TRIGGER tenant_usage_more_learned_addresses AFTER INSERT ON lookup_record WHEN new.type = 'dynamic' BEGIN
    UPDATE tenant_usage SET learned_addresses = learned_addresses + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_learned_addresses AFTER DELETE ON lookup_record WHEN old.type = 'dynamic' BEGIN
    UPDATE tenant_usage SET learned_addresses = learned_addresses - 1 WHERE tenant_id = old.tenant_id;
END;
CREATE TRIGGER tenant_usage_other_learned_addresses AFTER UPDATE OF type ON lookup_record
WHEN (new.type = 'dynamic') <> (old.type = 'dynamic') BEGIN
    UPDATE tenant_usage
    SET learned_addresses = learned_addresses + (new.type = 'dynamic') - (old.type = 'dynamic')
    WHERE tenant_id = new.tenant_id;
END;
