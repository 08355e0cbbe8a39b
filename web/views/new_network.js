// One form for a VM network with its subnets and their pools; one batch, so that all of it comes to be or nothing.
import {Problem, request} from "/api.js";
import {formatAddress, parsePrefix, usableRange} from "/address.js";
import {announce, h, setText, show} from "/dom.js";
import {Field, Form, Switch} from "/form.js";
import {checkNetwork, checkPrefix, splitList} from "/network_check.js";

const SUBNETS_MAX = 100;

// A subnet's part of the form.
class SubnetPart {
  constructor(remove) {
    this.legend = h("legend", {class: "h6", tabindex: "-1"});
    this.removal = h("button", {type: "button", class: "btn btn-outline-secondary btn-sm", on: {click: () => remove(this)}});
    this.fields = {
      name: new Field({name: "subnet_name", label: "Subnet name", required: true}),
      prefix: new Field({name: "prefix", label: "Prefix", required: true, placeholder: "10.0.0.0/24", hint: "IPv4 /8 to /29, or IPv6 /64."}),
      range_start: new Field({name: "range_start", label: "First address", required: true}),
      range_end: new Field({name: "range_end", label: "Last address", required: true}),
      dns_servers: new Field({name: "dns_servers", label: "DNS servers", hint: "Separated by commas."}),
    };
    this.pooled = new Switch({name: "pooled", label: "Hand out addresses from a pool", checked: true});
    const {name, prefix, range_start: start, range_end: end, dns_servers: dns} = this.fields;
    this.pool = h("div", {class: "pair"}, start.root, end.root, dns.root);
    this.root = h("fieldset", {class: "part"}, h("div", {class: "title"}, this.legend, this.removal),
      h("div", {class: "pair"}, name.root, prefix.root), this.pooled.root, this.pool);
    this.pooled.input.addEventListener("change", () => show(this.pool, this.pooled.value));
    this.proposed = {};
    prefix.input.addEventListener("input", () => this.propose());
  }

  number(i, alone) {
    setText(this.legend, `Subnet ${i + 1}`);
    setText(this.removal, "Remove");
    this.removal.setAttribute("aria-label", `Remove subnet ${i + 1}`);
    show(this.removal, !alone);
    const {name} = this.fields;
    const proposal = `subnet-${i + 1}`;
    if (name.value === "" || name.value === this.proposed.name) name.value = proposal;
    this.proposed.name = proposal;
  }

  // The whole prefix is the pool, unless somebody has written another range.
  propose() {
    const {prefix, range_start: start, range_end: end} = this.fields;
    if (checkPrefix(prefix.value)) return;
    const range = usableRange(parsePrefix(prefix.value));
    for (const [field, key] of [[start, "start"], [end, "end"]]) {
      if (field.value && field.value !== this.proposed[key]) continue;
      field.value = this.proposed[key] = formatAddress(range[key]);
      field.setError(null);
    }
  }

  shown() {
    const {name, prefix, ...pool} = this.fields;
    return [name, prefix, ...(this.pooled.value ? Object.values(pool) : [])];
  }

  plan() {
    const value = (key) => this.fields[key].value;
    const pool = {range_start: value("range_start"), range_end: value("range_end"), dns_servers: value("dns_servers")};
    return {name: value("name"), prefix: value("prefix"), pool: this.pooled.value ? pool : null};
  }
}

// {operations, find}: find(pointer of the answer) -> {part, key} of the form.
function batchOf(plan) {
  const operations = [];
  const places = [];
  const add = (path, body, part, keys) => {
    operations.push({method: "POST", path, body});
    places.push({part, keys});
    return {$ref: `#/${operations.length - 1}/id`};
  };
  const network = add("/v1/vm-networks", plan.network, null, {name: "name", description: "description", logical_network_id: "logical_network_id",
    isolation: "logical_network_id"});
  plan.subnets.forEach(({name, prefix, pool}, i) => {
    const subnet = add("/v1/vm-subnets", {name, prefix, vm_network_id: network}, i, {name: "name", prefix: "prefix"});
    if (pool)
      add("/v1/ip-pools", {name: `${name}-pool`, vm_subnet_id: subnet, subnet: prefix, range_start: pool.range_start,
        range_end: pool.range_end, dns_servers: splitList(pool.dns_servers)}, i,
      {name: "name", subnet: "prefix", range_start: "range_start", range_end: "range_end", dns_servers: "dns_servers"});
  });
  const find = (pointer) => {
    const [, number, key] = /^\/operations\/([0-9]+)\/body\/([a-z_]+)/.exec(pointer) ?? [];
    const place = places[number];
    return place?.keys[key] ? {part: place.part, key: place.keys[key]} : null;
  };
  return {operations, find};
}

function isolationOf(logical) {
  if (logical.network_virtualization) return "network_virtualization";
  return logical.isolation === "connected" ? "none" : logical.isolation;
}

function makeFields(app) {
  return {
    name: new Field({name: "name", label: "Name", required: true}),
    description: new Field({name: "description", label: "Description"}),
    logical_network_id: new Field({name: "logical_network_id", label: "Logical network", required: true, hint: "What it runs over; your provider names these.",
      choices: app.logicalNetworks.map(({id, name}) => ({value: id, text: name}))}),
  };
}

export function newNetworkView(app) {
  const own = makeFields(app);
  const list = h("div");
  const note = h("p", {class: "form-text"}, "Its subnets are the provider's and come with it.");
  const another = h("button", {type: "button", class: "btn btn-outline-secondary", on: {click: () => addPart(true)}}, "Add a subnet");
  let parts = [];
  const logical = () => app.logicalNetworks.find(({id}) => id === own.logical_network_id.value);
  const subnetted = () => logical()?.network_virtualization ?? true;
  const fields = () => [...Object.values(own), ...(subnetted() ? parts.flatMap((part) => part.shown()) : [])];

  function arrange() {
    parts.forEach((part, i) => part.number(i, parts.length === 1));
    show(list, subnetted());
    show(another, subnetted() && parts.length < SUBNETS_MAX);
    show(note, !subnetted());
  }

  function addPart(focus) {
    const part = new SubnetPart((gone) => {
      parts = parts.filter((one) => one !== gone);
      gone.root.remove();
      arrange();
      another.focus();
    });
    parts.push(part);
    list.append(part.root);
    arrange();
    if (focus) part.fields.name.input.focus();
  }

  function plan() {
    const network = {name: own.name.value, logical_network_id: own.logical_network_id.value, isolation: isolationOf(logical())};
    if (own.description.value) network.description = own.description.value;
    return {network, name: network.name, subnets: subnetted() ? parts.map((part) => part.plan()) : []};
  }

  const fieldAt = (part, key) => (part === null ? own[key] : parts[part].fields[key]);

  function mistakes(planned) {
    for (const {field, sentence} of checkNetwork(planned)) {
      const [first, i, key] = field.split("/");
      const at = key ? fieldAt(i, key) : own[first];
      if (!at.wrong) at.setError(sentence);
    }
    return fields().some((field) => field.wrong);
  }

  async function send() {
    if (!logical()) {
      form.say("There is no logical network that you may use; ask your provider for one.");
      form.focusFirst();
      return;
    }
    const planned = plan();
    if (mistakes(planned)) {
      form.focusFirst();
      return;
    }
    const {operations, find} = batchOf(planned);
    try {
      const {results} = await request("POST", "/v1/batch", {operations});
      results.forEach(({kind, object}) => app.store?.put(kind, object));
      announce(`The VM network ${planned.name} is created.`);
      location.hash = `#/networks/${results[0].id}`;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      form.showProblem(problem, (pointer) => {
        const place = find(pointer);
        return place && fieldAt(place.part, place.key);
      });
    }
  }

  const form = new Form({fields, send, submit: "Create VM network", cancel: h("a", {class: "btn btn-outline-secondary", href: "#/"}, "Cancel")});
  form.root.append(form.alert, h("div", {class: "part"}, h("div", {class: "pair"}, own.name.root, own.logical_network_id.root), own.description.root),
    note, list, h("p", {}, another), form.actions);
  own.name.input.dataset.focus = "";
  own.logical_network_id.input.addEventListener("change", arrange);
  addPart(false);
  return {
    title: "Create a VM network",
    root: h("section", {}, h("p", {class: "back"}, h("a", {href: "#/"}, "All VM networks")), h("h1", {}, "Create a VM network"),
      h("div", {class: "sheet"}, form.root)),
  };
}
