// A modal dialog. The browser's own keeps the focus inside, ends on Escape and gives the focus back.
import {h, uniqueId} from "/dom.js";

export function openDialog(title, ...content) {
  const id = uniqueId("dialog");
  const heading = h("h2", {id, class: "h5"}, title);
  const dialog = h("dialog", {"aria-labelledby": id, class: "sheet"}, heading, content);
  const opener = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (opener?.isConnected && document.activeElement === document.body) opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function closeDialogs() {
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
}

// Asks before something goes. `act` throws a Problem, which is told here; the dialog stays until it has worked.
export function confirmRemoval({title, sentence, button, act}) {
  const alert = h("div", {class: "alert alert-danger", role: "alert", tabindex: "-1", hidden: true});
  const go = h("button", {type: "button", class: "btn btn-danger"}, button);
  const stay = h("button", {type: "button", class: "btn btn-outline-secondary", autofocus: true}, "Keep it");
  const dialog = openDialog(title, h("p", {}, sentence), alert, h("div", {class: "actions"}, go, stay));
  stay.addEventListener("click", () => dialog.close());
  go.addEventListener("click", async () => {
    if (go.getAttribute("aria-disabled")) return;
    go.setAttribute("aria-disabled", "true");
    try {
      await act();
      dialog.close();
    } catch (problem) {
      go.removeAttribute("aria-disabled");
      alert.textContent = problem.message;
      alert.hidden = false;
      alert.focus();
    }
  });
}
