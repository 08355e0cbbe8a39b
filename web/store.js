// What the tenant has, as last heard: objects by kind and id. Views read it and are told when it changed, once a frame.

export const KINDS = {
  "vm-network": "vm-networks",
  "vm-subnet": "vm-subnets",
  "ip-pool": "ip-pools",
  "network-adapter": "network-adapters",
  "lookup-record": "lookup-records",
};

export class Store {
  constructor(changed) {
    this.objects = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, new Map()]));
    this.loaded = false;
    this.live = false;
    this.changed = changed;
    this.due = false;
  }

  tell() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.changed();
    });
  }

  replace(kind, items) {
    this.objects[kind] = new Map(items.map((item) => [item.id, item]));
    this.tell();
  }

  put(kind, object) {
    this.objects[kind].set(object.id, object);
    this.tell();
  }

  remove(kind, id) {
    if (this.objects[kind].delete(id)) this.tell();
  }

  setLive(live) {
    this.live = live;
    this.loaded ||= live;
    this.tell();
  }

  get(kind, id) {
    return this.objects[kind].get(id);
  }

  // By name, those that `wanted` says.
  select(kind, wanted = () => true) {
    return [...this.objects[kind].values()].filter(wanted).sort((a, b) => collator.compare(a.name ?? "", b.name ?? ""));
  }

  of(kind, networkId) {
    return this.select(kind, (object) => object.vm_network_id === networkId);
  }
}

const collator = new Intl.Collator(undefined, {numeric: true});
