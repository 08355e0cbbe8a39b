-- Which adapters of a tenant have a classification: asked when the tenant's list no longer names it.
CREATE INDEX network_adapter_by_tenant_classification ON network_adapter (tenant_id, classification_id)
    WHERE classification_id IS NOT NULL;
-- Which VM networks of a tenant run over a logical network, likewise.
CREATE INDEX vm_network_by_tenant_logical_network ON vm_network (tenant_id, logical_network_id);
