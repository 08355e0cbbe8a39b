// The dialog that adds a network adapter to a VM network.
import {Problem, request} from "/api.js";
import {openDialog} from "/dialog.js";
import {announce, h, show} from "/dom.js";
import {Field, Form} from "/form.js";
import {checkAddresses, checkName, splitList} from "/network_check.js";

const MAC = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;

function makeFields(app, subnets) {
  const addressWays = [{value: "pool", text: "One of the subnet's pool"}, {value: "given", text: "These"},
    {value: "learned", text: "Whatever the VM uses (learned)"}];
  return {
    name: new Field({name: "name", label: "Name", required: true, hint: "Unique in the VM network, such as web-1."}),
    vm_name: new Field({name: "vm_name", label: "VM"}),
    vm_subnet_id: new Field({name: "vm_subnet_id", label: "Subnet", required: true,
      choices: subnets.map(({id, name, prefix}) => ({value: id, text: `${name} (${prefix})`}))}),
    way: new Field({name: "way", label: "Addresses", required: true, choices: addressWays}),
    ip_addresses: new Field({name: "ip_addresses", label: "Which addresses", required: true, hint: "One or several, separated by commas."}),
    classification_id: new Field({name: "classification_id", label: "Classification", required: true,
      choices: [{value: "", text: "Default"}, ...app.classifications.map(({id, name}) => ({value: id, text: name}))]}),
    mac: new Field({name: "mac", label: "MAC address", hint: "Left empty: one is assigned."}),
  };
}

export async function openAdapterForm(app, networkId) {
  const subnets = app.store.of("vm-subnet", networkId);
  const opener = document.activeElement;
  try {
    await app.loadOffers();
  } catch {
    // What was known is offered; the API judges.
  }
  if (!app.session) return;
  const all = makeFields(app, subnets);
  const fields = () => Object.values(all).filter((field) => !field.root.hidden);

  function arrange() {
    show(all.ip_addresses.root, all.way.value === "given");
    show(all.vm_subnet_id.root, subnets.length > 0);
    show(all.classification_id.root, app.classifications.length > 0);
  }

  function mistakes() {
    all.name.setError(checkName(all.name.value, "adapter"));
    if (all.way.value === "given")
      all.ip_addresses.setError(all.ip_addresses.value ? checkAddresses(all.ip_addresses.value) : "Give at least one address.");
    if (all.mac.value && !MAC.test(all.mac.value)) all.mac.setError(`"${all.mac.value}" is not a MAC address; write 02:00:00:00:00:01.`);
    return fields().some((field) => field.wrong);
  }

  function body() {
    const made = {name: all.name.value, vm_name: all.vm_name.value, vm_network_id: networkId};
    if (subnets.length) made.vm_subnet_id = all.vm_subnet_id.value;
    if (all.way.value === "given") made.ip_addresses = splitList(all.ip_addresses.value);
    if (all.way.value === "learned") made.ip_addresses = [];
    if (all.classification_id.value) made.classification_id = all.classification_id.value;
    if (all.mac.value) made.mac = all.mac.value.replaceAll("-", ":").toLowerCase();
    return made;
  }

  async function send() {
    if (mistakes()) {
      form.focusFirst();
      return;
    }
    try {
      const adapter = await request("POST", "/v1/network-adapters", body());
      app.store?.put("network-adapter", adapter);
      announce(`The adapter ${adapter.name} is added.`);
      dialog.close();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      form.showProblem(problem, (pointer) => {
        const field = all[pointer.slice(1)] ?? null;
        return field?.root.hidden && field === all.ip_addresses ? all.way : field?.root.hidden ? null : field;
      });
    }
  }

  const cancel = h("button", {type: "button", class: "btn btn-outline-secondary", on: {click: () => dialog.close()}}, "Cancel");
  const form = new Form({fields, send, submit: "Add adapter", cancel});
  form.root.append(form.alert, ...Object.values(all).map(({root}) => root), form.actions);
  all.way.input.addEventListener("change", arrange);
  arrange();
  opener?.focus();
  const dialog = openDialog("Add a network adapter", form.root);
  all.name.input.focus();
}
