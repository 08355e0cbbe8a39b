import {Problem} from "/api.js";
import {h} from "/dom.js";
import {Field, Form} from "/form.js";
import {logIn, rolesOffered} from "/session.js";

export function loginView(sentence, begin) {
  const name = new Field({name: "name", label: "Name", required: true, autocomplete: "username"});
  const password = new Field({name: "password", label: "Password", required: true, type: "password", autocomplete: "current-password"});
  let role = null;
  const place = h("div");
  const fields = () => [name, password, role].filter(Boolean);
  name.input.dataset.focus = "";
  // Another name has other roles.
  name.input.addEventListener("input", () => {
    role = null;
    place.replaceChildren();
  });

  function askRole(roles) {
    role = new Field({name: "role_binding_id", label: "Act as", required: true, hint: "You have several roles and act under one at a time.",
      choices: roles.map(({id, text}) => ({value: id, text}))});
    place.replaceChildren(role.root);
    role.input.focus();
  }

  async function send() {
    if (!name.value) name.setError("Give your name.");
    if (!password.value) password.setError("Give your password.");
    form.focusFirst();
    if (name.wrong || password.wrong) return;
    try {
      await logIn(name.value, password.value, role?.value);
      await begin();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const roles = role ? [] : rolesOffered(problem);
      if (roles.length) askRole(roles);
      else form.showProblem(problem, (pointer) => ({"/name": name, "/password": password, "/role_binding_id": role})[pointer]);
    }
  }

  const form = new Form({fields, send, submit: "Log in"});
  form.root.append(form.alert, name.root, password.root, place, form.actions);
  const note = sentence ? h("p", {class: "alert alert-info", role: "status", id: "login-note"}, sentence) : null;
  return {title: "Log in", root: h("section", {class: "login sheet"}, h("h1", {class: "h4"}, "Log in to your networks"), note, form.root)};
}
