// The self-service page: who is logged in, which view stands there, and what keeps it current.
import {Problem, list, request} from "/api.js";
import {closeDialogs} from "/dialog.js";
import {h, setText} from "/dom.js";
import {Live} from "/live.js";
import {logOut, resume} from "/session.js";
import {Store} from "/store.js";
import {loginView} from "/views/login.js";
import {networkView} from "/views/network.js";
import {networksView} from "/views/networks.js";
import {newNetworkView} from "/views/new_network.js";
import {openPasswordForm} from "/views/password.js";
import {strangerView} from "/views/stranger.js";

const header = document.getElementById("header");
const main = document.getElementById("main");
const app = {session: null, tenant: null, logicalNetworks: [], classifications: [], store: null, live: null, view: null};

// A view: {title, root, update?(), fresh?}: update fills it from the store, whenever that has changed.
function stand(view) {
  app.view = view;
  main.replaceChildren(view.root);
  view.update?.();
  document.title = `${view.title} · Skerry`;
  const target = view.root.querySelector("[data-focus]") ?? view.root.querySelector("h1");
  if (target?.tagName === "H1") target.tabIndex = -1;
  target?.focus();
}

function route() {
  if (!app.session?.tenantId) return;
  closeDialogs();
  const network = /^#\/networks\/([0-9a-f-]{36})$/.exec(location.hash);
  if (network) stand(networkView(app, network[1]));
  else if (location.hash === "#/new" && app.canWrite) stand(newNetworkView(app));
  else stand(networksView(app));
}

// ---- header ----

function drawHeader() {
  const brand = h("a", {class: "brand", href: "#/"}, h("img", {src: "/icon.svg", alt: "", width: "28", height: "28"}), "Skerry");
  if (!app.session) {
    header.replaceChildren(h("div", {class: "bar"}, brand));
    return;
  }
  app.liveMark = h("span", {class: "live", role: "status"});
  const change = h("button", {type: "button", class: "btn btn-outline-light btn-sm", on: {click: openPasswordForm}}, "Password");
  const leave = h("button", {type: "button", class: "btn btn-outline-light btn-sm", id: "log-out", on: {click: endSession}}, "Log out");
  const who = h("span", {class: "who"}, app.tenant ? h("b", {}, app.tenant.name) : null,
    h("span", {}, app.session.name, app.canWrite || !app.tenant ? "" : " (may look, not change)"));
  header.replaceChildren(h("div", {class: "bar"}, brand, app.liveMark, who, change, leave));
}

function changed() {
  if (app.liveMark) {
    setText(app.liveMark, app.store.live ? "Live" : app.store.loaded ? "Reconnecting…" : "Loading…");
    app.liveMark.className = app.store.live ? "live live-on" : "live";
  }
  app.view?.update?.();
}

// ---- session ----

function forget() {
  app.live?.stop();
  closeDialogs();
  Object.assign(app, {session: null, tenant: null, logicalNetworks: [], classifications: [], store: null, live: null, liveMark: null});
}

function showLogin(sentence) {
  forget();
  drawHeader();
  stand(loginView(sentence, begin));
}

// What the tenant may use, asked anew whenever a form is about to offer it.
app.loadOffers = async () => {
  const [tenant, logicalNetworks, classifications] = await Promise.all([
    request("GET", `/v1/tenants/${app.session.tenantId}`), list("logical-networks"), list("port-classifications"),
  ]);
  app.tenant = tenant;
  app.logicalNetworks = logicalNetworks.filter(({id}) => tenant.logical_network_ids.includes(id));
  app.classifications = classifications.filter(({id}) => tenant.port_classification_ids.includes(id));
};

async function begin() {
  app.session = await resume((sentence) => app.session && showLogin(sentence));
  if (!app.session) {
    showLogin(null);
    return;
  }
  app.canWrite = app.session.role === "tenant-admin";
  if (!app.session.tenantId) {
    drawHeader();
    stand(strangerView(app.session));
    return;
  }
  await app.loadOffers();
  app.store = new Store(() => app.store && changed());
  app.live = new Live(app.store);
  drawHeader();
  changed();
  app.live.start();
  route();
}

async function endSession() {
  try {
    await logOut();
  } catch (problem) {
    if (problem.status !== 401) {
      setText(app.liveMark ?? header, problem.message);
      return;
    }
  }
  if (location.hash) history.replaceState(null, "", "/");
  showLogin("You are logged out.");
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (main.querySelector("h1") ?? main).focus();
});
addEventListener("hashchange", route);
// A browser has six connections to us for all its tabs together, so a watch is for the one that is looked at.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) app.live?.pauseNow();
  else app.live?.start();
});
drawHeader();
begin().catch((problem) => showLogin(problem instanceof Problem ? problem.message : String(problem)));
