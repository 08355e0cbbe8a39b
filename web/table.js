// A table that becomes a list of cards on a narrow screen (style.css), and stays a table for screen readers.
import {h, reconcile} from "/dom.js";

const SHOWN_FIRST = 100;

// columns: [{title, class, make() -> element, fill(element, item)}]; more rows than SHOWN_FIRST come on demand.
export class Table {
  constructor(caption, columns) {
    this.columns = columns;
    this.limit = SHOWN_FIRST;
    this.body = h("tbody", {role: "rowgroup"});
    this.more = h("button", {type: "button", class: "btn btn-outline-secondary btn-sm", hidden: true, on: {click: () => {
      this.limit += SHOWN_FIRST * 5;
      this.fill(this.items);
    }}});
    const titles = columns.map(({title, quiet}) =>
      h("th", {scope: "col", role: "columnheader"}, quiet ? h("span", {class: "visually-hidden"}, title) : title));
    this.root = h("div", {},
      h("table", {class: "table", role: "table", "aria-label": caption},
        h("thead", {role: "rowgroup"}, h("tr", {role: "row"}, titles)), this.body),
      this.more);
  }

  row() {
    const cells = this.columns.map(({make}) => make());
    const row = h("tr", {role: "row"}, cells.map((cell, i) => {
      const {title, quiet} = this.columns[i];
      return h("td", {role: "cell", "data-label": quiet ? null : title, class: this.columns[i].class}, cell);
    }));
    row.cells_ = cells;
    return row;
  }

  fill(items) {
    this.items = items;
    reconcile(this.body, items.slice(0, this.limit), () => this.row(), (row, item) =>
      this.columns.forEach(({fill}, i) => fill(row.cells_[i], item)));
    this.more.textContent = `Show more of ${items.length}`;
    this.more.hidden = items.length <= this.limit;
    this.root.hidden = !items.length;
  }
}

// A column of plain text.
export function textColumn(title, text, options = {}) {
  return {title, ...options, make: () => h("span"), fill: (element, item) => {
    const wanted = text(item) || "–";
    if (element.textContent !== wanted) element.textContent = wanted;
  }};
}
