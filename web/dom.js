// Elements are made here, and text only ever becomes a text node: nothing that came over the network is read as HTML.

// h("a", {class: "link", href: "#/", on: {click}}, "text", element, ...): null, false and undefined are left out.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Sets text only where it differs, so that a screen reader and a selection are left in peace.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, visible) {
  element.hidden = !visible;
}

// Makes the children of `container` those of `items`, in their order. An item that stays keeps its element, and with it
// the keyboard's focus; `create(item)` makes one, `update(element, item)` fills it.
export function reconcile(container, items, create, update) {
  container.parts ??= new Map();
  const wanted = new Set(items.map((item) => item.id));
  for (const [id, element] of container.parts) {
    if (wanted.has(id)) continue;
    element.remove();
    container.parts.delete(id);
  }
  let at = container.firstElementChild;
  for (const item of items) {
    let element = container.parts.get(item.id);
    if (!element) container.parts.set(item.id, (element = create(item)));
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else container.insertBefore(element, at);
  }
}

// For screen readers: what just happened, in a sentence.
export function announce(sentence) {
  document.getElementById("announcer").textContent = sentence;
}

let numbers = 0;
export function uniqueId(word) {
  numbers += 1;
  return `${word}-${numbers}`;
}
