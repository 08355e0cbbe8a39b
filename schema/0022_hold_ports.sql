-- What is held back is held for ports of one logical switch and one classification: a changed mapping of either gives
-- them another profile, and other ports that have it already go on with it.
ALTER TABLE compliance ADD COLUMN logical_switch_id BLOB CHECK (length(logical_switch_id) = 16); -- Ports on it; NULL: on none
ALTER TABLE compliance ADD COLUMN classification_id BLOB CHECK (length(classification_id) = 16); -- Ports that name it; NULL: none
CREATE INDEX compliance_by_classification_id ON compliance (classification_id, id);
-- Rows from before said nothing of ports; what they held is sent, as :remediate would.
DELETE FROM compliance WHERE object_kind = 'virtual-port-profile';

-- VM subnets of a VLAN are made by the site and not by the tenant: they do not count. They are those without a VSID.
DROP TRIGGER tenant_usage_more_vm_subnets;
DROP TRIGGER tenant_usage_less_vm_subnets;
CREATE TRIGGER tenant_usage_more_vm_subnets AFTER INSERT ON vm_subnet WHEN new.vsid IS NOT NULL BEGIN
    UPDATE tenant_usage SET vm_subnets = vm_subnets + 1 WHERE tenant_id = new.tenant_id;
END;
CREATE TRIGGER tenant_usage_less_vm_subnets AFTER DELETE ON vm_subnet WHEN old.vsid IS NOT NULL BEGIN
    UPDATE tenant_usage SET vm_subnets = vm_subnets - 1 WHERE tenant_id = old.tenant_id;
END;
UPDATE tenant_usage SET vm_subnets = (
    SELECT COUNT(*) FROM vm_subnet WHERE vm_subnet.tenant_id = tenant_usage.tenant_id AND vsid IS NOT NULL
);
