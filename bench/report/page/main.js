// Shows the view that the address names: the report, one cell, or the cells of a row.

const title = document.title;
const draws = new Map([["cell", cellView], ["row", rowView]]);
let opener, clicked;

function route(event) {
  const [what, key = ""] = location.hash.slice(1).split(/=(.*)/s);
  const from = event && new URL(event.oldURL).hash;
  if (draws.has(what)) open(draws.get(what)(key) ?? view(`No such ${what} in this report`, { key: "" }, []), from);
  else if (byId("report").hidden) close();
}

function swap(content) {
  const frame = byId("view");
  forget(frame);
  frame.replaceChildren(...content);
  frame.hidden = !content.length;
  byId("report").hidden = content.length > 0;
}

function open({ title: name, content }, from) {
  // Some browsers do not focus a clicked link.
  const element = document.activeElement === document.body ? clicked ?? document.body : document.activeElement;
  if (!byId("report").hidden) opener = { element, top: scrollY, from };
  swap(content);
  document.title = `${name} – ${title}`;
  scrollTo({ top: 0, behavior: "instant" });
  byId("view").querySelector("h2").focus({ preventScroll: true });
}

// Returns to the reader's last position, to the section that a link names, or to the row of the closed view.
function close() {
  const row = byId(byId("view").querySelector("a").hash.slice(1));
  swap([]);
  document.title = title;
  const { hash } = location;
  const wanted = hash.startsWith("#row-") || hash === opener?.from ? null : byId(hash.slice(1));
  const back = opener && opener.element !== document.body && !wanted;
  if (back) scrollTo({ top: opener.top, behavior: "instant" });
  else wanted?.scrollIntoView({ behavior: "instant" });
  (back ? opener.element : wanted ?? row?.querySelector("th a"))?.focus({ preventScroll: Boolean(back) });
}

document.addEventListener("click", ({ target }) => {
  clicked = target.closest("a");
  const button = target.closest("[data-what]");
  if (!button) return;
  const { text, copy: name, as, what } = button.dataset;
  copy(text ?? data.copies[name][as], what);
});
document.addEventListener("submit", (event) => event.preventDefault());
themeButton();
overview();
charts();
budgets();
targets();
addEventListener("hashchange", route);
route();
