-- What an allocation is for: "kind" says what an object is, where objects are written down in files.
DROP INDEX ip_allocation_by_kind;
ALTER TABLE ip_allocation RENAME COLUMN kind TO purpose;
CREATE INDEX ip_allocation_by_purpose ON ip_allocation (purpose, id);

-- Prefixes and VLANs in their order, for what overlaps.
CREATE INDEX vm_subnet_by_tenant_prefix ON vm_subnet (tenant_id, prefix);
CREATE INDEX network_site_subnet_vlans_by_subnet ON network_site_subnet_vlans (subnet, owner_id)
    WHERE subnet IS NOT NULL;
CREATE INDEX network_site_subnet_vlans_by_vlan_id ON network_site_subnet_vlans (vlan_id, owner_id);
