-- What tenants write besides networks and adapters: access control lists and customer routes, with how much of
-- everything they may have.

-- Rules for the packets of network adapters, attached to them or to VM subnets.
CREATE TABLE access_control_list (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL -- Version of the written fields, for If-Match; revision of their last change
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX access_control_list_by_scoped_name ON access_control_list (tenant_id, name);
CREATE INDEX access_control_list_by_tenant_id ON access_control_list (tenant_id, id);
CREATE INDEX access_control_list_by_name ON access_control_list (name, id);

-- access_control_list.rules: What is allowed, denied and metered.
CREATE TABLE access_control_list_rules (
    owner_id BLOB NOT NULL REFERENCES access_control_list (id) ON DELETE CASCADE, -- The access-control-list
    position INTEGER NOT NULL, -- Order in the list, from 0
    id BLOB NOT NULL CHECK (length(id) = 16), -- Assigned; stays while the rule has its name
    name TEXT NOT NULL, -- Name, unique in the list
    direction TEXT NOT NULL, -- As the VM sees it: in | out
    action TEXT NOT NULL, -- What is done: allow | deny | meter
    protocol TEXT NOT NULL, -- tcp, udp, icmp, icmpv6, any or a number
    local BLOB CHECK (length(local) = 17), -- Addresses on the VM's side; null: all
    remote BLOB CHECK (length(remote) = 17), -- Addresses on the other side; null: all
    local_ports TEXT, -- Ports on the VM's side: one, or first-last; null: all
    remote_ports TEXT, -- Ports on the other side; null: all
    weight INTEGER NOT NULL, -- Higher first
    stateful INTEGER NOT NULL CHECK (stateful IN (0, 1)), -- Answers to what is allowed are allowed too
    idle_timeout_s INTEGER NOT NULL, -- Seconds without a packet after which a flow is forgotten
    log INTEGER NOT NULL CHECK (log IN (0, 1)), -- What it matches is logged
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX access_control_list_rules_by_name ON access_control_list_rules (owner_id, name);

-- network_adapter.acl_ids: Access control lists, before those of its VM subnet.
CREATE TABLE network_adapter_acl_ids (
    owner_id BLOB NOT NULL REFERENCES network_adapter (id) ON DELETE CASCADE, -- The network-adapter
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES access_control_list (id) ON DELETE RESTRICT, -- The access-control-list
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX network_adapter_acl_ids_by_target_id ON network_adapter_acl_ids (target_id);

-- vm_subnet.acl_ids: Access control lists of every adapter in it, after the adapter's own.
CREATE TABLE vm_subnet_acl_ids (
    owner_id BLOB NOT NULL REFERENCES vm_subnet (id) ON DELETE CASCADE, -- The vm-subnet
    position INTEGER NOT NULL, -- Order in the list, from 0
    target_id BLOB NOT NULL REFERENCES access_control_list (id) ON DELETE RESTRICT, -- The access-control-list
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX vm_subnet_acl_ids_by_target_id ON vm_subnet_acl_ids (target_id);

-- A route of a VM network's built-in router by way of one of its VMs.
CREATE TABLE customer_route (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant that owns the object
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    vm_network_id BLOB NOT NULL REFERENCES vm_network (id) ON DELETE RESTRICT, -- VM network whose router has it
    destination BLOB NOT NULL CHECK (length(destination) = 17), -- Where to; address, then length in the family's bits
    next_hop BLOB NOT NULL CHECK (length(next_hop) = 16), -- By way of; 16 bytes, IPv4 mapped
    metric INTEGER NOT NULL, -- Of several to one destination the lowest is preferred
    vm_subnet_id BLOB NOT NULL REFERENCES vm_subnet (id) ON DELETE RESTRICT -- VM subnet of the next hop
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX customer_route_by_scoped_name ON customer_route (vm_network_id, name);
CREATE INDEX customer_route_by_tenant_id ON customer_route (tenant_id, id);
CREATE INDEX customer_route_by_name ON customer_route (name, id);
CREATE INDEX customer_route_by_vm_network_id ON customer_route (vm_network_id, id);
CREATE INDEX customer_route_by_vm_subnet_id ON customer_route (vm_subnet_id, id);
-- Two routes to one destination differ in their metric.
CREATE UNIQUE INDEX customer_route_by_destination ON customer_route (vm_network_id, destination, metric);

-- Routes of the built-in routers: one to each VM subnet of the VM network, under its id, and the customer routes under
-- theirs. The casts give both halves the same columns' types: else SQLite would sort them instead of merging.
DROP VIEW effective_route;
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

-- How much a tenant may have; NULL: no quota.
ALTER TABLE tenant ADD COLUMN quotas_vm_networks INTEGER; -- VM networks
ALTER TABLE tenant ADD COLUMN quotas_vm_subnets INTEGER; -- VM subnets
ALTER TABLE tenant ADD COLUMN quotas_network_adapters INTEGER; -- Network adapters
ALTER TABLE tenant ADD COLUMN quotas_learned_addresses INTEGER; -- Learned addresses of its adapters
ALTER TABLE tenant ADD COLUMN quotas_acl_rules INTEGER; -- Rules in all its access control lists
ALTER TABLE tenant ADD COLUMN quotas_customer_routes INTEGER; -- Customer routes
ALTER TABLE tenant ADD COLUMN quotas_requests_per_second INTEGER; -- Requests a second of all its users and tokens

-- How much it has. Triggers count, in the transaction that adds or takes away, so that no way of writing a row can
-- forget it and no quota has to count rows.
CREATE TABLE tenant_usage (
    tenant_id BLOB NOT NULL PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE, -- The tenant
    vm_networks INTEGER NOT NULL, -- Rows of vm_network
    vm_subnets INTEGER NOT NULL, -- Rows of vm_subnet
    network_adapters INTEGER NOT NULL, -- Rows of network_adapter
    learned_addresses INTEGER NOT NULL, -- Rows of lookup_record of type dynamic
    acl_rules INTEGER NOT NULL, -- Rows of access_control_list_rules
    customer_routes INTEGER NOT NULL -- Rows of customer_route
) STRICT, WITHOUT ROWID;
INSERT INTO tenant_usage
SELECT
    id,
    (SELECT count(*) FROM vm_network WHERE tenant_id = tenant.id),
    (SELECT count(*) FROM vm_subnet WHERE tenant_id = tenant.id),
    (SELECT count(*) FROM network_adapter WHERE tenant_id = tenant.id),
    (SELECT count(*) FROM lookup_record WHERE tenant_id = tenant.id AND type = 'dynamic'),
    0,
    0
FROM tenant;

CREATE TRIGGER tenant_usage_begin AFTER INSERT ON tenant BEGIN
    INSERT INTO tenant_usage VALUES (new.id, 0, 0, 0, 0, 0, 0);
END;
CREATE TRIGGER tenant_usage_more_vm_networks AFTER INSERT ON vm_network BEGIN
    UPDATE tenant_usage SET vm_networks = vm_networks + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_vm_networks AFTER DELETE ON vm_network BEGIN
    UPDATE tenant_usage SET vm_networks = vm_networks - 1 WHERE tenant_id = old.tenant_id;
END;
CREATE TRIGGER tenant_usage_more_vm_subnets AFTER INSERT ON vm_subnet BEGIN
    UPDATE tenant_usage SET vm_subnets = vm_subnets + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_vm_subnets AFTER DELETE ON vm_subnet BEGIN
    UPDATE tenant_usage SET vm_subnets = vm_subnets - 1 WHERE tenant_id = old.tenant_id;
END;
CREATE TRIGGER tenant_usage_more_network_adapters AFTER INSERT ON network_adapter BEGIN
    UPDATE tenant_usage SET network_adapters = network_adapters + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_network_adapters AFTER DELETE ON network_adapter BEGIN
    UPDATE tenant_usage SET network_adapters = network_adapters - 1 WHERE tenant_id = old.tenant_id;
END;
CREATE TRIGGER tenant_usage_more_learned_addresses AFTER INSERT ON lookup_record WHEN new.type = 'dynamic' BEGIN
    UPDATE tenant_usage SET learned_addresses = learned_addresses + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_learned_addresses AFTER DELETE ON lookup_record WHEN old.type = 'dynamic' BEGIN
    UPDATE tenant_usage SET learned_addresses = learned_addresses - 1 WHERE tenant_id = old.tenant_id;
END;
-- A learned address that is given to its adapter by hand is learned no more.
CREATE TRIGGER tenant_usage_other_learned_addresses AFTER UPDATE OF type ON lookup_record
WHEN (new.type = 'dynamic') <> (old.type = 'dynamic') BEGIN
    UPDATE tenant_usage
    SET learned_addresses = learned_addresses + (new.type = 'dynamic') - (old.type = 'dynamic')
    WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_more_acl_rules AFTER INSERT ON access_control_list_rules BEGIN
    UPDATE tenant_usage SET acl_rules = acl_rules + 1
    WHERE tenant_id = (SELECT tenant_id FROM access_control_list WHERE id = new.owner_id);
END;
CREATE TRIGGER tenant_usage_less_acl_rules AFTER DELETE ON access_control_list_rules BEGIN
    UPDATE tenant_usage SET acl_rules = acl_rules - 1
    WHERE tenant_id = (SELECT tenant_id FROM access_control_list WHERE id = old.owner_id);
END;
CREATE TRIGGER tenant_usage_more_customer_routes AFTER INSERT ON customer_route BEGIN
    UPDATE tenant_usage SET customer_routes = customer_routes + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_customer_routes AFTER DELETE ON customer_route BEGIN
    UPDATE tenant_usage SET customer_routes = customer_routes - 1 WHERE tenant_id = old.tenant_id;
END;

-- What a tenant has and may have, under the tenant's id.
CREATE VIEW usage AS
SELECT
    id,
    id AS tenant_id,
    name,
    description,
    labels,
    created_at,
    updated_at,
    etag,
    (SELECT vm_networks FROM tenant_usage WHERE tenant_id = tenant.id) AS vm_networks,
    (SELECT vm_subnets FROM tenant_usage WHERE tenant_id = tenant.id) AS vm_subnets,
    (SELECT network_adapters FROM tenant_usage WHERE tenant_id = tenant.id) AS network_adapters,
    (SELECT learned_addresses FROM tenant_usage WHERE tenant_id = tenant.id) AS learned_addresses,
    (SELECT acl_rules FROM tenant_usage WHERE tenant_id = tenant.id) AS acl_rules,
    (SELECT customer_routes FROM tenant_usage WHERE tenant_id = tenant.id) AS customer_routes,
    quotas_vm_networks,
    quotas_vm_subnets,
    quotas_network_adapters,
    quotas_learned_addresses,
    quotas_acl_rules,
    quotas_customer_routes,
    quotas_requests_per_second
FROM tenant;
