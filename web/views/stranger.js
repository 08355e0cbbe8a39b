import {h} from "/dom.js";

// Somebody whose role is not of a tenant.
export function strangerView(session) {
  return {
    title: "Not for this role",
    root: h("section", {class: "sheet"}, h("h1", {class: "h4"}, "This page is for tenants"),
      h("p", {}, `You are logged in as ${session.role}, which belongs to no tenant. Use skerryctl or the REST API, or log in as a tenant's user.`)),
  };
}
