// A chart with its caption and data; it is drawn when near the visible part, and again when the theme changes.

const figures = new Map();
const seen = (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target));
const near = new IntersectionObserver(seen, { rootMargin: "300px" });
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => document.documentElement.dataset.theme || (prefersDark.matches ? "dark" : "light");
const isNarrow = () => document.documentElement.clientWidth < 600;

function figure(spec) {
  const { title, caption } = spec.usermeta;
  const drawing = make("div", { class: "chart", role: "group", "aria-label": title, tabindex: "0" });
  const details = make("details", {}, make("summary", {}, "Data of this chart"));
  details.addEventListener("toggle", () => details.append(dataOf(spec)), { once: true });
  const save = make("button", { type: "button" }, "Save as SVG");
  save.addEventListener("click", () => saveSvg(drawing, title));
  figures.set(drawing, { spec: isNarrow() ? narrow(spec) : spec });
  near.observe(drawing);
  return make("figure", {}, drawing, make("figcaption", {}, caption), make("div", { class: "below" }, details, save));
}

// The spec for a narrow screen: at most two columns of legend entries and panels.
const narrow = (spec) => changed(spec, (name, value) => (name === "columns" && value > 2 ? 2 : value));

async function draw(drawing) {
  const one = figures.get(drawing);
  if (!one || one.drawnIn === theme()) return;
  one.drawnIn = theme();
  const look = data.charts.looks[one.drawnIn];
  const layout = isNarrow() ? { layout: { top: { anchor: "start", direction: "vertical" } } } : {};
  // The policy forbids eval, so expressions are interpreted; the page has its own styles and tooltips.
  const options = { ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: tip, logLevel: 1 };
  const config = { ...look, legend: { ...look.legend, ...layout } };
  one.result?.finalize();
  try {
    one.result = await vegaEmbed(drawing, one.spec, { ...options, config });
  } catch (error) {
    drawing.textContent = `This chart cannot be drawn: ${error.message}`;
  }
}

// Frees the charts in an element that will be removed.
function forget(place) {
  for (const [drawing, one] of figures) {
    if (!place.contains(drawing)) continue;
    near.unobserve(drawing);
    one.result?.finalize();
    figures.delete(drawing);
  }
}

function tip(_, event, item, value) {
  document.querySelector(".tip")?.remove();
  if (!value) return;
  // The library writes unknown values as "null".
  const known = Object.entries(value).filter(([, text]) => text !== "null");
  const box = make("div", { class: "tip", role: "tooltip" }, pairs(known));
  document.body.append(box);
  box.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - box.offsetWidth - 4))}px`;
  box.style.top = `${Math.max(4, Math.min(event.clientY + 12, innerHeight - box.offsetHeight - 4))}px`;
}

function dataOf({ data: { values }, usermeta: { title, columns = {} } }) {
  const names = [...new Set(values.flatMap(Object.keys))].filter((name) => name !== "place");
  const heads = names.map((name) => columns[name] ?? name.replaceAll("_", " "));
  const rows = values.slice(0, 1000).map((row) => names.map((name) => row[name]));
  const count = make("p", { class: "caption" }, `${rows.length} of ${values.length} rows.`);
  return make("div", {}, grid(heads, rows, `Data of ${title}`), count);
}

async function saveSvg(drawing, title) {
  const svg = await figures.get(drawing).result.view.toSVG();
  const download = `${title.replace(/[^A-Za-z0-9]+/g, "_").slice(0, 80)}.svg`;
  make("a", { href: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`, download }).click();
}

function themeButton() {
  const update = () => {
    byId("theme").textContent = theme() === "dark" ? "Light theme" : "Dark theme";
    for (const [drawing, one] of figures) if (one.drawnIn) draw(drawing);
  };
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("tunebench-theme", theme());
    } catch {
      // The choice lasts until the page is closed.
    }
    update();
  });
  prefersDark.addEventListener("change", update);
  update();
}
