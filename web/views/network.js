// One VM network: its subnets with their pools, its adapters with their addresses.
import {request} from "/api.js";
import {confirmRemoval} from "/dialog.js";
import {announce, h, setText, show} from "/dom.js";
import {stateCell} from "/realization.js";
import {Table, textColumn} from "/table.js";
import {openAdapterForm} from "/views/new_adapter.js";

function poolText(pool) {
  const {allocated, total} = pool.utilization ?? pool.status?.utilization ?? {};
  const use = total === undefined ? "" : ` (${allocated} of ${total} in use)`;
  return `${pool.range_start} to ${pool.range_end}${use}`;
}

const stateColumn = {title: "State", make: () => {
  const cell = stateCell();
  cell.root.fill = cell.fill;
  return cell.root;
}, fill: (element, object) => element.fill(object)};

function subnetTable(store) {
  const pools = (subnet) => store.select("ip-pool", (pool) => pool.vm_subnet_id === subnet.id);
  return new Table("Subnets", [
    textColumn("Name", ({name}) => name, {class: "cell-name"}),
    textColumn("Prefix", ({prefix}) => prefix, {class: "mono"}),
    textColumn("Gateway", ({gateway}) => gateway, {class: "mono"}),
    textColumn("Pool", (subnet) => pools(subnet).map(poolText).join(", ")),
    stateColumn,
  ]);
}

// Addresses that were given, and those that hosts have learned.
function addressesOf(store, learned, adapter) {
  const given = adapter.ip_addresses ?? [];
  const heard = (learned.get(adapter.id) ?? []).filter((address) => !given.includes(address));
  return [...given, ...heard.map((address) => `${address} (learned)`)].join(", ");
}

function bindingText(adapter) {
  if (adapter.status?.bound ?? adapter.bound) return "A VM is attached";
  return `Not attached; start a VM whose interface has the alias skerry:${adapter.id}`;
}

function adapterTable(app, learned, remove) {
  const {store} = app;
  const columns = [
    {title: "Name", class: "cell-name", make: () => h("div", {}, h("span"), h("div", {class: "why"})), fill: (element, adapter) => {
      setText(element.firstChild, adapter.name);
      setText(element.lastChild, bindingText(adapter));
    }},
    textColumn("VM", ({vm_name: name}) => name),
    textColumn("Addresses", (adapter) => addressesOf(store, learned(), adapter), {class: "mono"}),
    textColumn("MAC", ({mac}) => mac, {class: "mono"}),
    textColumn("Subnet", (adapter) => store.get("vm-subnet", adapter.vm_subnet_id)?.name),
    stateColumn,
  ];
  if (app.canWrite)
    columns.push({title: "Actions", quiet: true, class: "cell-actions", make: () => {
      const button = h("button", {type: "button", class: "btn btn-outline-danger btn-sm"}, "Remove");
      button.addEventListener("click", () => remove(button.adapter));
      return button;
    }, fill: (button, adapter) => {
      button.adapter = adapter;
      button.setAttribute("aria-label", `Remove ${adapter.name}`);
    }});
  return new Table("Network adapters", columns);
}

export function networkView(app, id) {
  const {store} = app;
  let learned = new Map();
  const title = h("h1", {tabindex: "-1"});
  const facts = h("p", {class: "facts"});
  const state = stateCell();
  const subnets = subnetTable(store);
  const noSubnets = h("p", {class: "empty"}, "It has no subnets.");
  const heading = h("h2", {class: "h5", tabindex: "-1"}, "Network adapters");
  const adapters = adapterTable(app, () => learned, removeAdapter);
  const noAdapters = h("p", {class: "empty"}, "It has no network adapters yet.");
  const gone = h("p", {class: "empty", hidden: true}, "There is no such VM network.");

  function removeAdapter(adapter) {
    confirmRemoval({
      title: `Remove the adapter ${adapter.name}?`,
      sentence: "Its VM loses this network, and its addresses become free.",
      button: "Remove adapter",
      act: async () => {
        await request("DELETE", `/v1/network-adapters/${adapter.id}`);
        store.remove("network-adapter", adapter.id);
        announce(`The adapter ${adapter.name} is removed.`);
        heading.focus();
      },
    });
  }

  // Pools, then subnets, then the network: all or nothing.
  function removeNetwork() {
    const parts = store.of("vm-subnet", id);
    const pools = store.select("ip-pool", (pool) => parts.some((subnet) => subnet.id === pool.vm_subnet_id));
    const paths = [...pools.map((pool) => `/v1/ip-pools/${pool.id}`), ...parts.map((subnet) => `/v1/vm-subnets/${subnet.id}`),
      `/v1/vm-networks/${id}`];
    const {name} = store.get("vm-network", id);
    confirmRemoval({
      title: `Delete the VM network ${name}?`,
      sentence: "Its subnets and pools go with it. It must have no network adapters any more.",
      button: "Delete VM network",
      act: async () => {
        await request("POST", "/v1/batch", {operations: paths.map((path) => ({method: "DELETE", path}))});
        announce(`The VM network ${name} is deleted.`);
        location.hash = "#/";
      },
    });
  }

  const button = (text, kind, press) =>
    app.canWrite ? h("button", {type: "button", class: `btn ${kind}`, on: {click: press}}, text) : null;
  const body = h("div", {},
    h("div", {class: "title"}, title, button("Delete VM network", "btn-outline-danger", removeNetwork)),
    h("div", {class: "summary"}, state.root, facts),
    h("div", {class: "sheet"}, h("h2", {class: "h5"}, "Subnets"), noSubnets, subnets.root),
    h("div", {class: "sheet"},
      h("div", {class: "title"}, heading, button("Add adapter", "btn-primary", () => openAdapterForm(app, id))),
      noAdapters, adapters.root));
  const view = {
    title: "VM network",
    root: h("section", {}, h("p", {class: "back"}, h("a", {href: "#/"}, "All VM networks")), gone, body),
    update() {
      const network = store.get("vm-network", id);
      show(gone, !network && store.loaded);
      show(body, Boolean(network));
      if (!network) return;
      if (title.textContent !== network.name) document.title = `${network.name} · Skerry`;
      learned = new Map();
      for (const record of store.of("lookup-record", id))
        if (["dynamic", "dhcp"].includes(record.type) && record.customer_address)
          learned.set(record.network_adapter_id, [...(learned.get(record.network_adapter_id) ?? []), record.customer_address]);
      const logical = app.logicalNetworks.find(({id: other}) => other === network.logical_network_id);
      setText(title, network.name);
      setText(facts, [network.description, logical && `On ${logical.name}`].filter(Boolean).join(" · "));
      state.fill(network);
      const parts = store.of("vm-subnet", id), members = store.of("network-adapter", id);
      subnets.fill(parts);
      adapters.fill(members);
      show(noSubnets, !parts.length);
      show(noAdapters, !members.length);
    },
  };
  return view;
}
