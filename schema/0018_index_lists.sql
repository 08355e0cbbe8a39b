-- A tenant's list by one filter: an index that knows both, so that a page reads nobody else's rows and no more than it
-- shows. Filters by references to VM networks, VM subnets, pools and adapters need none: who refers to them is their tenant's.
CREATE INDEX ip_pool_by_tenant_name ON ip_pool (tenant_id, name);
CREATE INDEX vm_subnet_by_tenant_name ON vm_subnet (tenant_id, name);
CREATE INDEX vm_subnet_by_tenant_vsid ON vm_subnet (tenant_id, vsid);
CREATE INDEX customer_route_by_tenant_name ON customer_route (tenant_id, name);
CREATE INDEX network_adapter_by_tenant_name ON network_adapter (tenant_id, name);
CREATE INDEX network_adapter_by_tenant_vm_name ON network_adapter (tenant_id, vm_name);
CREATE INDEX network_adapter_by_tenant_mac ON network_adapter (tenant_id, mac);
CREATE INDEX lookup_record_by_tenant_vsid ON lookup_record (tenant_id, vsid);
CREATE INDEX lookup_record_by_tenant_address ON lookup_record (tenant_id, customer_address);
CREATE INDEX lookup_record_by_tenant_mac ON lookup_record (tenant_id, mac);
CREATE INDEX ip_allocation_by_tenant_name ON ip_allocation (tenant_id, name);
CREATE INDEX ip_allocation_by_tenant_kind ON ip_allocation (tenant_id, kind);
CREATE INDEX ip_allocation_by_tenant_address ON ip_allocation (tenant_id, address);
CREATE INDEX ip_allocation_by_tenant_owner ON ip_allocation (tenant_id, owner_id);
CREATE INDEX address_holding_by_tenant_address ON address_holding (tenant_id, address);
CREATE INDEX address_holding_by_tenant_owner ON address_holding (tenant_id, owner_id);
CREATE INDEX address_holding_by_tenant_subnet ON address_holding (tenant_id, vm_subnet_id);
CREATE INDEX event_by_tenant_reason ON event (tenant_id, reason);
CREATE INDEX event_by_tenant_object ON event (tenant_id, object_id);
CREATE INDEX role_binding_by_tenant_user ON role_binding (tenant_id, user_id);
CREATE INDEX session_by_tenant_name ON session (tenant_id, name);
CREATE INDEX session_by_tenant_user ON session (tenant_id, user_id);

-- Those without a classification are asked for too.
DROP INDEX network_adapter_by_tenant_classification;
CREATE INDEX network_adapter_by_tenant_classification ON network_adapter (tenant_id, classification_id);
