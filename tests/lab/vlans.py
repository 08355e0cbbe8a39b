"""VLAN and untagged networks of a lab, and VMs in them."""

from __future__ import annotations

from lab import Lab, Vm


def site_of(lab: Lab, network: dict, group: dict, name: str, vlans: list) -> dict:
    return lab.api.create("network-sites", name=name, logical_network_id=network["id"], host_group_ids=[group["id"]],
                          subnet_vlans=vlans)


def network_of(lab: Lab, logical: dict, name: str, **fields) -> dict:
    return lab.api.create("vm-networks", name=name, tenant_id=lab.owner["id"], logical_network_id=logical["id"], **fields)


def machine(lab: Lab, name: str, network: dict, host, address: str, kind=Vm, **fields) -> Vm:
    """A VM of the network: with the address that the site's pool gives it, or this one, which its adapter does not have
    unless a field says so."""
    adapter = lab.api.create("network-adapters", name=name, vm_name=name, vm_network_id=network["id"],
                             tenant_id=network["tenant_id"], host_id=host.id, **fields)
    given = (adapter.get("ip_addresses") or [None])[0]
    vm = kind(lab, name, None, {**adapter, "ip_addresses": [given or address]}, 24, address.rsplit(".", 1)[0] + ".254")
    vm.plug(host)
    lab.vms[name] = vm
    vm.wait_bound()
    return vm
