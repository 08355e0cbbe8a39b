-- A customer address that was freed on a host which has not let go of it: nobody else gets it in that VM network.
CREATE TABLE resting_address (
    vm_network_id BLOB NOT NULL REFERENCES vm_network (id) ON DELETE CASCADE, -- The VM network
    address BLOB NOT NULL CHECK (length(address) = 16), -- The customer address
    host_id BLOB NOT NULL REFERENCES host (id) ON DELETE CASCADE, -- The host that served it
    revision INTEGER NOT NULL, -- Once the host has synced it, it serves the address no more
    allocation_id BLOB REFERENCES ip_allocation (id) ON DELETE SET NULL, -- Goes back to its pool then; NULL: of no pool
    PRIMARY KEY (vm_network_id, address, host_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX resting_address_by_host_id ON resting_address (host_id, revision);
CREATE INDEX resting_address_by_allocation_id ON resting_address (allocation_id) WHERE allocation_id IS NOT NULL;
