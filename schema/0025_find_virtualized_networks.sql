-- Whether the fabric has a virtualized network at all is asked for every host that has no provider address.
CREATE INDEX logical_network_virtualized ON logical_network (id) WHERE network_virtualization = 1;
