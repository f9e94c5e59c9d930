// Elements, texts and tables. Texts of records are never parsed as markup.

const byId = (id) => document.getElementById(id);
const embedded = [...document.querySelectorAll("script[type='application/json']")];
const data = Object.fromEntries(embedded.map(({ id, textContent }) => [id.slice(5), JSON.parse(textContent)]));

function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside.flat(Infinity).filter((part) => part !== undefined && part !== null && part !== false));
  return element;
}

// Keys and ids have no character that needs an escape.
const link = (address, text) => make("a", { href: `#${address}` }, text);

// rows: lists of texts, numbers and elements; the first of a row is its header, and numbers are right-aligned.
function grid(heads, rows, name) {
  const right = heads.map((_, at) => at > 0 && rows.some((row) => typeof row[at] === "number") && { class: "number" });
  const head = (text, at) => make("th", { scope: "col", ...right[at] }, text);
  const kind = (value, at) => (value?.className === "bar" ? { class: "bars" } : { ...right[at] });
  const cell = (value, at) => make(at ? "td" : "th", at ? kind(value, at) : { scope: "row" }, shown(value));
  const lines = [make("thead", {}, make("tr", {}, heads.map(head))),
    make("tbody", {}, rows.map((row) => make("tr", {}, row.map(cell))))];
  const box = { class: "box", role: "group", "aria-label": `${name}, scrolls`, tabindex: "0" };
  return make("div", box, make("table", {}, lines));
}

function shown(value) {
  if (value instanceof Node) return value;
  if (value === undefined || value === null || value === "") return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  if (typeof value === "number") return String(+value.toPrecision(5));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const pairs = (entries) => make("dl", { class: "pairs" }, entries.map(([name, value]) =>
  make("div", {}, make("dt", {}, name), make("dd", {}, shown(value)))));

const bytes = (count) => (typeof count !== "number" ? shown(count)
  : Math.abs(count) >= 1e9 ? `${(count / 1e9).toFixed(2)} GB` : `${(count / 1e6).toFixed(1)} MB`);

function bar(value, most) {
  const element = make("span", { class: "bar" });
  element.style.width = `${most > 0 ? Math.min(100, Math.max(0, (100 * value) / most)) : 0}%`;
  return element;
}

const say = (text) => { byId("said").textContent = text; };

async function copy(text, what) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // The clipboard API may be absent or refused: copy from a selected field.
    const before = document.activeElement;
    const field = make("textarea", { class: "unseen", "aria-label": what });
    document.body.append(field);
    field.value = text;
    field.select();
    done = document.execCommand("copy");
    field.remove();
    before?.focus();
  }
  say(done ? `${what} copied` : `${what} could not be copied: the browser refused`);
}
