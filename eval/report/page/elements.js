// Elements of the page: HTML, SVG, tables, figures, sections.

const isShown = child => child !== null && child !== undefined;

// An element; attributes that begin with "on" are listeners.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter(isShown));
  return element;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const soft = (...children) => el("p", {class: "soft"}, ...children);

const section = (title, ...children) => el("section", {}, el("h2", {}, title), ...children);

const details = (title, ...children) => el("details", {}, el("summary", {}, title), ...children);

// A row of cells; what is a cell already stays as it is.
function cells(values, attributes = {}) {
  return el("tr", attributes, values.map(v => v instanceof HTMLTableCellElement ? v : el("td", {}, v)));
}

// A table that scrolls where it is wider than the page.
function table(headings, rows, attributes = {}) {
  const head = el("thead", {}, el("tr", {}, headings.map(heading => el("th", {}, heading))));
  return el("div", {class: "scroll"}, el("table", attributes, head, el("tbody", {}, rows)));
}

// A figure, drawn at the width it has and again when that changes, so that its text keeps its size on every screen.
function figure(draw, caption) {
  const holder = el("div");
  let width = 0;
  const redraw = () => {
    const now = Math.floor(holder.clientWidth);
    if (!now || now === width) return;
    width = now;
    holder.replaceChildren(draw(now));
  };
  new ResizeObserver(redraw).observe(holder);
  return el("figure", {}, holder, caption ? el("figcaption", {}, caption) : null);
}

// Names and values; what an object holds stands indented below its name. Those named in `without` are left out.
function describe(value, without = []) {
  if (!isObject(value)) return Array.isArray(value) ? value.map(plainText).join(", ") : String(value ?? missing);
  const isEmpty = v => isObject(v) && !Object.keys(v).length;
  const entries = Object.entries(value).filter(([name, v]) => !without.includes(name) && !isEmpty(v));
  return el("dl", {}, entries.map(([name, v]) => [
    el("dt", {}, name.replaceAll("_", " ")),
    el("dd", isObject(v) ? {class: "group"} : {}, describe(v, without))]));
}
const isObject = value => value !== null && typeof value === "object" && !Array.isArray(value);
const plainText = value => value?.name ?? (typeof value === "object" ? JSON.stringify(value) : String(value));
