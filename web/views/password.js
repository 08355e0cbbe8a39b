// The dialog in which somebody changes the own password.
import {Problem, request} from "/api.js";
import {openDialog} from "/dialog.js";
import {announce, h} from "/dom.js";
import {Field, Form} from "/form.js";

const MINIMUM = 10;

export function openPasswordForm() {
  const current = new Field({name: "current_password", label: "Current password", required: true, type: "password", autocomplete: "current-password"});
  const password = new Field({name: "password", label: "New password", required: true, type: "password", autocomplete: "new-password",
    hint: `At least ${MINIMUM} characters. Wherever else you are logged in, you are logged out.`});
  const again = new Field({name: "again", label: "New password again", required: true, type: "password", autocomplete: "new-password"});
  const fields = () => [current, password, again];

  function mistakes() {
    if (!current.value) current.setError("Give the password that you have now.");
    if (password.value.length < MINIMUM) password.setError(`Give at least ${MINIMUM} characters.`);
    else if (again.value !== password.value) again.setError("The two differ; type the new password again.");
    return fields().some((field) => field.wrong);
  }

  async function send() {
    if (mistakes()) {
      form.focusFirst();
      return;
    }
    try {
      await request("POST", "/v1/sessions/current:password", {current_password: current.value, password: password.value});
      announce("Your password is changed.");
      dialog.close();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      form.showProblem(problem, (pointer) => ({"/current_password": current, "/password": password})[pointer]);
    }
  }

  const cancel = h("button", {type: "button", class: "btn btn-outline-secondary", on: {click: () => dialog.close()}}, "Cancel");
  const form = new Form({fields, send, submit: "Change password", cancel});
  form.root.append(form.alert, ...fields().map(({root}) => root), form.actions);
  const dialog = openDialog("Change your password", form.root);
  current.input.focus();
}
