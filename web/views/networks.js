// All VM networks of the tenant.
import {h, setText, show} from "/dom.js";
import {badge, fillBadge, worstOf} from "/realization.js";
import {Table, textColumn} from "/table.js";

export function networksView(app) {
  const {store} = app;
  const subnets = (network) => store.of("vm-subnet", network.id);
  const adapters = (network) => store.of("network-adapter", network.id);
  const table = new Table("VM networks", [
    {title: "Name", class: "cell-name", make: () => h("a"), fill: (link, network) => {
      setText(link, network.name);
      link.setAttribute("href", `#/networks/${network.id}`);
    }},
    textColumn("Subnets", (network) => subnets(network).map(({prefix}) => prefix).join(", ")),
    textColumn("Adapters", (network) => String(adapters(network).length)),
    {title: "State", make: badge, fill: (mark, network) =>
      fillBadge(mark, worstOf([network, ...subnets(network), ...adapters(network)]))},
  ]);
  const create = app.canWrite ? h("a", {class: "btn btn-primary", href: "#/new", id: "new-network"}, "Create VM network") : null;
  const empty = h("p", {class: "empty"});
  return {
    title: "VM networks",
    root: h("section", {},
      h("div", {class: "title"}, h("h1", {}, "VM networks"), create),
      h("div", {class: "sheet"}, empty, table.root)),
    update() {
      const networks = store.select("vm-network");
      table.fill(networks);
      setText(empty, store.loaded ? "There are no VM networks yet." : "Loading…");
      show(empty, !networks.length);
    },
  };
}
