// Fields with a label, a hint and a place for what is wrong with them.
import {h, setText, show, uniqueId} from "/dom.js";

function control(options) {
  const id = uniqueId("field");
  const shared = {id, name: options.name, autocomplete: options.autocomplete ?? "off", "aria-required": options.required ? "true" : null};
  if (options.choices)
    return h("select", {...shared, class: "form-select"},
      options.choices.map(({value, text}) => h("option", {value}, text)));
  return h("input", {
    ...shared, class: "form-control", type: options.type ?? "text", maxlength: options.maximum, spellcheck: "false",
    autocapitalize: "none", placeholder: options.placeholder,
  });
}

// options: name, label, hint, required, type, choices [{value, text}], placeholder, value
export class Field {
  constructor(options) {
    this.input = control(options);
    if (options.value !== undefined) this.input.value = options.value;
    const hintId = `${this.input.id}-hint`, errorId = `${this.input.id}-error`;
    this.hint = h("div", {id: hintId, class: "form-text"}, options.hint ?? "");
    this.error = h("div", {id: errorId, class: "field-error", hidden: true});
    this.described = {hint: options.hint ? hintId : null, error: errorId};
    this.root = h("div", {class: "field"},
      h("label", {class: "form-label", for: this.input.id}, options.label,
        options.required ? null : h("span", {class: "optional"}, " optional")),
      this.input, options.hint ? this.hint : null, this.error);
    this.input.addEventListener(options.choices ? "change" : "input", () => this.setError(null));
    this.describe(null);
  }

  describe(error) {
    const ids = [this.described.hint, error ? this.described.error : null].filter(Boolean).join(" ");
    if (ids) this.input.setAttribute("aria-describedby", ids);
    else this.input.removeAttribute("aria-describedby");
  }

  get value() {
    return this.input.type === "password" ? this.input.value : this.input.value.trim();
  }

  set value(value) {
    this.input.value = value;
  }

  setError(sentence) {
    setText(this.error, sentence ?? "");
    show(this.error, Boolean(sentence));
    if (sentence) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
    this.describe(sentence);
  }

  get wrong() {
    return this.input.getAttribute("aria-invalid") === "true";
  }
}

export class Switch {
  constructor({name, label, checked}) {
    const id = uniqueId("field");
    this.input = h("input", {id, name, type: "checkbox", class: "form-check-input", checked});
    this.root = h("div", {class: "form-check"}, this.input, h("label", {class: "form-check-label", for: id}, label));
  }

  get value() {
    return this.input.checked;
  }
}

// A form: `fields()` names those that stand in it now, in their order; `send()` runs while its buttons are off.
export class Form {
  constructor({fields, send, submit, cancel}) {
    this.fields = fields;
    this.alert = h("div", {class: "alert alert-danger", role: "alert", tabindex: "-1", hidden: true});
    this.submit = h("button", {type: "submit", class: "btn btn-primary"}, submit);
    this.cancel = cancel ?? null;
    this.actions = h("div", {class: "actions"}, this.submit, this.cancel);
    this.root = h("form", {novalidate: true, on: {submit: (event) => {
      event.preventDefault();
      this.run(send);
    }}});
  }

  async run(send) {
    if (this.busy) return;
    this.busy = true;
    this.submit.setAttribute("aria-disabled", "true");
    this.clear();
    try {
      await send();
    } finally {
      this.busy = false;
      this.submit.removeAttribute("aria-disabled");
    }
  }

  clear() {
    this.say(null);
    this.fields().forEach((field) => field.setError(null));
  }

  say(sentence) {
    setText(this.alert, sentence ?? "");
    show(this.alert, Boolean(sentence));
  }

  // To where the first mistake is.
  focusFirst() {
    const first = this.fields().find((field) => field.wrong);
    if (first) first.input.focus();
    else if (!this.alert.hidden) this.alert.focus();
  }

  // The API's sentences: each at the field that `find(pointer)` names, the others above the form. An error inside a field
  // (/dns_servers/1) belongs to the field.
  showProblem(problem, find) {
    const others = [];
    for (const {pointer, detail} of problem.errors) {
      let field = null;
      for (let at = pointer; at && !field; at = at.slice(0, at.lastIndexOf("/"))) field = find(at);
      if (field && !field.wrong) field.setError(detail);
      else others.push(detail);
    }
    if (!problem.errors.length) others.push(problem.message);
    this.say(others.join(" ") || null);
    this.focusFirst();
  }
}
