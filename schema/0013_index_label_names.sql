-- ?labels=name asks for objects that have the label, whatever its value.
CREATE INDEX label_by_name ON label (label_kind, label_name, label_object_id);
CREATE INDEX label_by_tenant_name ON label (label_kind, label_name, label_tenant_id, label_object_id);
