-- Prefixes and VLANs in their order, for what overlaps; the audit log in order of time is its primary key.
CREATE INDEX vm_subnet_by_tenant_prefix ON vm_subnet (tenant_id, prefix);
CREATE INDEX network_site_subnet_vlans_by_subnet ON network_site_subnet_vlans (subnet, owner_id)
    WHERE subnet IS NOT NULL;
CREATE INDEX network_site_subnet_vlans_by_vlan_id ON network_site_subnet_vlans (vlan_id, owner_id);
