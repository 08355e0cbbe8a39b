-- The fabric: what administrators own. Columns are the fields of lib/resource/<object>.c in their order; choices are
-- checked there, so that one can be added without making a table anew.

-- A node of the tree that hosts are sorted into.
CREATE TABLE host_group (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    -- Group above this one; null at create: the root "All hosts"
    parent_id BLOB REFERENCES host_group (id) ON DELETE RESTRICT,
    claims INTEGER NOT NULL CHECK (claims IN (0, 1)), -- Hosts of this group may claim adapters by an interface's alias
    built_in INTEGER NOT NULL CHECK (built_in IN (0, 1)) -- Made with the database; cannot be deleted
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX host_group_by_name ON host_group (name);
CREATE INDEX host_group_by_tenant_id ON host_group (tenant_id, id);
CREATE INDEX host_group_by_parent_id ON host_group (parent_id, id);

-- A named physical network as the administrator sees it.
CREATE TABLE logical_network (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    isolation TEXT NOT NULL, -- How its sites and VM networks are kept apart: connected | vlan | pvlan
    -- VM networks with addresses of their own run over it
    network_virtualization INTEGER NOT NULL CHECK (network_virtualization IN (0, 1)),
    encapsulation TEXT NOT NULL, -- Wire format between hosts: nvgre | vxlan
    mtu INTEGER NOT NULL -- Largest packet of the physical network in bytes, outer headers included
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX logical_network_by_name ON logical_network (name);
CREATE INDEX logical_network_by_tenant_id ON logical_network (tenant_id, id);

-- Where a logical network is: host groups with their subnets and VLANs.
CREATE TABLE network_site (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    -- Logical network the site belongs to
    logical_network_id BLOB NOT NULL REFERENCES logical_network (id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX network_site_by_scoped_name ON network_site (logical_network_id, name);
CREATE INDEX network_site_by_tenant_id ON network_site (tenant_id, id);
CREATE INDEX network_site_by_name ON network_site (name, id);
CREATE INDEX network_site_by_logical_network_id ON network_site (logical_network_id, id);

-- network_site.host_group_ids: Host groups the site holds for, with everything below them.
CREATE TABLE network_site_host_group_ids (
    owner_id BLOB NOT NULL REFERENCES network_site (id) ON DELETE CASCADE, -- The network-site
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES host_group (id) ON DELETE RESTRICT, -- The host-group
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX network_site_host_group_ids_by_target_id ON network_site_host_group_ids (target_id);

-- network_site.subnet_vlans: Subnets and VLANs here.
CREATE TABLE network_site_subnet_vlans (
    owner_id BLOB NOT NULL REFERENCES network_site (id) ON DELETE CASCADE, -- The network-site
    position INTEGER NOT NULL, -- Order in the list, from 0
    -- IP subnet; provider addresses come from it; address, then length in the family's bits
    subnet BLOB CHECK (length(subnet) = 17),
    vlan_id INTEGER NOT NULL, -- VLAN on the wire, 0 = untagged
    secondary_vlan_id INTEGER, -- Secondary VLAN of a private VLAN
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;

-- A managed range of one site subnet or one VM subnet.
CREATE TABLE ip_pool (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    -- Site whose subnet it manages; this or vm_subnet_id
    network_site_id BLOB REFERENCES network_site (id) ON DELETE RESTRICT,
    vm_subnet_id BLOB REFERENCES vm_subnet (id) ON DELETE RESTRICT, -- VM subnet it manages; this or network_site_id
    -- Subnet of the site or VM subnet; address, then length in the family's bits
    subnet BLOB NOT NULL CHECK (length(subnet) = 17),
    range_start BLOB NOT NULL CHECK (length(range_start) = 16), -- First managed address; 16 bytes, IPv4 mapped
    range_end BLOB NOT NULL CHECK (length(range_end) = 16), -- Last managed address; 16 bytes, IPv4 mapped
    reserved TEXT NOT NULL, -- Never allocated: addresses "a" and ranges "a-b"; JSON
    vip_reserved TEXT NOT NULL, -- Kept for virtual IPs: addresses "a" and ranges "a-b"; JSON
    dns_servers TEXT NOT NULL, -- DNS servers, in order; JSON
    dns_suffix TEXT NOT NULL, -- DNS domain
    dns_search_suffixes TEXT NOT NULL, -- DNS domains to search, in order; JSON
    wins_servers TEXT NOT NULL, -- WINS servers, in order; JSON
    total INTEGER NOT NULL, -- Addresses of the range, INT64_MAX when more
    allocated INTEGER NOT NULL, -- Allocated addresses
    reserved_count INTEGER NOT NULL, -- Reserved addresses
    vip_count INTEGER NOT NULL -- Addresses kept for virtual IPs
) STRICT, WITHOUT ROWID;
-- A pool has one parent of two; the other is NULL, and NULLs are distinct.
CREATE UNIQUE INDEX ip_pool_by_site_name ON ip_pool (network_site_id, name);
CREATE UNIQUE INDEX ip_pool_by_subnet_name ON ip_pool (vm_subnet_id, name);
CREATE INDEX ip_pool_by_name ON ip_pool (name, id);
CREATE INDEX ip_pool_by_tenant_id ON ip_pool (tenant_id, id);
CREATE INDEX ip_pool_by_network_site_id ON ip_pool (network_site_id, id);
CREATE INDEX ip_pool_by_vm_subnet_id ON ip_pool (vm_subnet_id, id);

-- ip_pool.gateways: Gateways of the subnet.
CREATE TABLE ip_pool_gateways (
    owner_id BLOB NOT NULL REFERENCES ip_pool (id) ON DELETE CASCADE, -- The ip-pool
    position INTEGER NOT NULL, -- Order in the list, from 0
    address BLOB NOT NULL CHECK (length(address) = 16), -- Address of the gateway; 16 bytes, IPv4 mapped
    metric INTEGER NOT NULL, -- Lower is preferred
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;

-- Free addresses of a pool as maximal ranges: split and merged in the transaction that takes or returns an address.
CREATE TABLE ip_pool_free (
    ip_pool_id BLOB NOT NULL REFERENCES ip_pool (id) ON DELETE CASCADE, -- The pool
    range_start BLOB NOT NULL CHECK (length(range_start) = 16), -- First free address; 16 bytes, IPv4 mapped
    range_end BLOB NOT NULL CHECK (length(range_end) = 16), -- Last free address of the range
    PRIMARY KEY (ip_pool_id, range_start, range_end),
    CHECK (range_start <= range_end)
) STRICT, WITHOUT ROWID;

-- A range of MAC addresses for network adapters.
CREATE TABLE mac_pool (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    range_start BLOB NOT NULL CHECK (length(range_start) = 6), -- First MAC address
    range_end BLOB NOT NULL CHECK (length(range_end) = 6), -- Last MAC address
    built_in INTEGER NOT NULL CHECK (built_in IN (0, 1)) -- Made with the database; cannot be deleted
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX mac_pool_by_name ON mac_pool (name);
CREATE INDEX mac_pool_by_tenant_id ON mac_pool (tenant_id, id);

-- mac_pool.host_group_ids: Host groups it serves, with everything below them.
CREATE TABLE mac_pool_host_group_ids (
    owner_id BLOB NOT NULL REFERENCES mac_pool (id) ON DELETE CASCADE, -- The mac-pool
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES host_group (id) ON DELETE RESTRICT, -- The host-group
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX mac_pool_host_group_ids_by_target_id ON mac_pool_host_group_ids (target_id);

-- Settings of a VM-facing port.
CREATE TABLE virtual_port_profile (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    offload_vmq INTEGER NOT NULL CHECK (offload_vmq IN (0, 1)), -- A hardware queue of its own where there is one
    -- IPsec work by the network card
    offload_ipsec_task_offload INTEGER NOT NULL CHECK (offload_ipsec_task_offload IN (0, 1)),
    offload_sriov INTEGER NOT NULL CHECK (offload_sriov IN (0, 1)), -- A virtual function of the network card
    offload_vrss INTEGER NOT NULL CHECK (offload_vrss IN (0, 1)), -- Receive load spread over the VM's processors
    -- The VM may send with other source MACs
    security_mac_spoofing INTEGER NOT NULL CHECK (security_mac_spoofing IN (0, 1)),
    security_dhcp_guard INTEGER NOT NULL CHECK (security_dhcp_guard IN (0, 1)), -- DHCP answers of the VM are dropped
    -- Router advertisements of the VM are dropped
    security_router_guard INTEGER NOT NULL CHECK (security_router_guard IN (0, 1)),
    -- ARP and neighbour discovery must name the VM's own addresses
    security_arp_nd_inspection INTEGER NOT NULL CHECK (security_arp_nd_inspection IN (0, 1)),
    security_guest_teaming INTEGER NOT NULL CHECK (security_guest_teaming IN (0, 1)), -- The VM may team its adapters
    -- The VM may send 802.1p priority tags
    security_ieee_priority_tagging INTEGER NOT NULL CHECK (security_ieee_priority_tagging IN (0, 1)),
    -- Addresses that the VM uses are learned
    security_guest_specified_ips INTEGER NOT NULL CHECK (security_guest_specified_ips IN (0, 1)),
    bandwidth_minimum_weight INTEGER, -- Share of the uplink under load; this or minimum_bps
    bandwidth_minimum_bps INTEGER, -- Guaranteed bits a second; this or minimum_weight
    bandwidth_maximum_bps INTEGER, -- At most this many bits a second
    built_in INTEGER NOT NULL CHECK (built_in IN (0, 1)) -- Made with the database; cannot be deleted
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX virtual_port_profile_by_name ON virtual_port_profile (name);
CREATE INDEX virtual_port_profile_by_tenant_id ON virtual_port_profile (tenant_id, id);

-- The name tenants see for a kind of port.
CREATE TABLE port_classification (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    -- Profile that adapters of this classification get
    virtual_port_profile_id BLOB NOT NULL REFERENCES virtual_port_profile (id) ON DELETE RESTRICT,
    built_in INTEGER NOT NULL CHECK (built_in IN (0, 1)) -- Made with the database; cannot be deleted
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX port_classification_by_name ON port_classification (name);
CREATE INDEX port_classification_by_tenant_id ON port_classification (tenant_id, id);
CREATE INDEX port_classification_by_virtual_port_profile_id ON port_classification (virtual_port_profile_id, id);

-- A hypervisor with an agent.
CREATE TABLE host (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    host_group_id BLOB REFERENCES host_group (id) ON DELETE RESTRICT, -- Group of the host; null: the root "All hosts"
    state TEXT NOT NULL, -- Whether it takes part: active | maintenance | removed
    gateway_only INTEGER NOT NULL CHECK (gateway_only IN (0, 1)), -- Runs gateways alone, no adapters of tenants
    remediation TEXT NOT NULL, -- Whether drift is put back at once or on :remediate: auto | manual
    enrolment TEXT NOT NULL, -- Whether its agent is let in: pending | enrolled | revoked
    key_hash TEXT NOT NULL, -- SHA-256 of the agent's public key in hex
    synced_revision INTEGER NOT NULL, -- Revision up to which the host holds everything
    agent_version TEXT NOT NULL, -- Version of the agent
    kernel TEXT NOT NULL, -- Kernel release
    inventory TEXT NOT NULL, -- Interfaces: name, MAC, MTU, speed, link, queues; JSON
    certificate_expires_at INTEGER, -- End of the agent's certificate; ms since the epoch
    last_seen_at INTEGER -- When its agent last connected or left; ms since the epoch
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX host_by_name ON host (name);
CREATE INDEX host_by_tenant_id ON host (tenant_id, id);
CREATE INDEX host_by_host_group_id ON host (host_group_id, id);
CREATE INDEX host_by_state ON host (state, id);
-- The lowest synced revision of all active hosts frees what is retired.
CREATE INDEX host_by_synced_revision ON host (state, synced_revision);
-- An agent is known by its key.
CREATE INDEX host_by_key_hash ON host (key_hash);

-- host.uplinks: Physical interfaces.
CREATE TABLE host_uplinks (
    owner_id BLOB NOT NULL REFERENCES host (id) ON DELETE CASCADE, -- The host
    position INTEGER NOT NULL, -- Order in the list, from 0
    name TEXT NOT NULL, -- Name, unique on the host
    interface TEXT NOT NULL, -- Network interface on the host
    network_site_ids TEXT NOT NULL, -- Sites it reaches; empty: those covering the host's group; JSON
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;

-- Lets hosts enrol themselves.
CREATE TABLE join_token (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    -- Group of the hosts that join with it; null: the root
    host_group_id BLOB REFERENCES host_group (id) ON DELETE RESTRICT,
    ttl_s INTEGER NOT NULL, -- Seconds it can be used
    uses INTEGER NOT NULL, -- Hosts that can join with it
    approve INTEGER NOT NULL CHECK (approve IN (0, 1)), -- Hosts wait for :approve
    uses_left INTEGER NOT NULL, -- Hosts that still can join
    expires_at INTEGER NOT NULL, -- When it ends; ms since the epoch
    secret_hash TEXT NOT NULL -- SHA-256 of the secret in hex
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX join_token_by_name ON join_token (name);
CREATE INDEX join_token_by_tenant_id ON join_token (tenant_id, id);
CREATE INDEX join_token_by_host_group_id ON join_token (host_group_id, id);

-- Uses of a join token: an agent that asks again with the same key gets the same host and costs no second use.
CREATE TABLE join_token_use (
    join_token_id BLOB NOT NULL REFERENCES join_token (id) ON DELETE CASCADE, -- The token
    key_hash TEXT NOT NULL, -- SHA-256 of the agent's public key in hex
    host_id BLOB NOT NULL REFERENCES host (id) ON DELETE CASCADE, -- The host that joined
    PRIMARY KEY (join_token_id, key_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX join_token_use_by_host_id ON join_token_use (host_id);

-- Authenticates a user of the API.
CREATE TABLE token (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    role TEXT NOT NULL, -- What its bearer may do: admin
    ttl_s INTEGER NOT NULL, -- Seconds it is valid
    expires_at INTEGER NOT NULL, -- When it ends; ms since the epoch
    initial INTEGER NOT NULL CHECK (initial IN (0, 1)), -- The first one: ends once another administrator's token exists
    secret_hash TEXT NOT NULL -- SHA-256 of the secret in hex
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX token_by_name ON token (name);
CREATE INDEX token_by_tenant_id ON token (tenant_id, id);
CREATE UNIQUE INDEX token_by_secret_hash ON token (secret_hash);
