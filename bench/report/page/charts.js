// The charts of the study: their controls change the specs that the report made.

const distinct = (values) => [...new Set(values)];

// Appends a select to a form; options: values, or pairs of a value and its text.
function choose(form, label, options, change, chosen = "") {
  const texts = options.map((option) => [option].flat());
  const select = make("select", {}, texts.map(([value, text = value]) => make("option", { value }, text)));
  select.value = chosen;
  select.addEventListener("change", change);
  form.append(make("label", {}, label, select));
  return select;
}

// Appends checkboxes to a form; returns a function that gives the checked values.
function tick(form, label, values, change, chosen = values) {
  const boxes = values.map((value) => {
    const box = make("input", { type: "checkbox", value });
    box.checked = chosen.includes(value);
    return make("label", {}, box, value);
  });
  const group = make("fieldset", {}, make("legend", {}, label), boxes);
  group.addEventListener("change", change);
  form.append(group);
  return () => [...group.querySelectorAll(":checked")].map((box) => box.value);
}

function show(id, content) {
  const place = document.querySelector(`#chart-${id} .place`);
  forget(place);
  place.replaceChildren(content);
}

const changed = (value, change) => JSON.parse(JSON.stringify(value, change));

// The spec in the width of the window, for one panel if named. Views are side by side.
function wide({ concat, ...spec }, { panel, height } = {}) {
  const room = Math.min(document.documentElement.clientWidth, 1536) - 80;
  const columns = Math.max(1, Math.min(concat?.length ?? 1, Math.floor(room / 400)));
  const width = Math.max(180, Math.floor(room / columns) - (columns > 1 ? 90 : 80)); // an axis takes about 90 pixels
  const size = { width, ...(height && { height }) };
  const view = ({ facet, columns, resolve, spec: inner, ...rest }) => ({ ...rest, ...inner, ...size });
  const values = spec.data.values.filter((row) => panel === undefined || row.panel === panel);
  const next = { ...spec, data: { ...spec.data, values } };
  return concat ? { ...next, columns, concat: concat.map(view) } : view(next);
}

function pareto(charts, form) {
  const [{ x, y }] = Object.values(charts);
  const choices = Object.assign({}, ...Object.values(charts).map((chart) => chart.choices));
  const options = Object.entries(choices).map(([key, { name }]) => [key, name]);
  const axes = { x: choose(form, "X axis", options, update, x), y: choose(form, "Y axis", options, update, y) };
  const dataset = choose(form, "Dataset", Object.keys(charts), update, Object.keys(charts)[0]);

  function update() {
    const { spec, choices: own } = structuredClone(charts[dataset.value]);
    const { usermeta, data: { values } } = spec;
    const { encoding } = spec.spec ?? spec;
    for (const [axis, { value: chosen }] of Object.entries(axes)) {
      const ends = [axis, `${axis}_low`, `${axis}_high`];
      const write = (row, at) => ends.forEach((field, end) => { row[field] = own[chosen]?.values[at][end] ?? null; });
      values.forEach(write);
      encoding[axis] = { field: axis, ...(own[chosen] ?? choices[chosen]).encoding };
      usermeta.columns[axis] = choices[chosen].name;
      encoding.tooltip.find((entry) => entry.field === axis).title = choices[chosen].name;
      spec.params.find((one) => one.name === `${axis}_sign`).value = choices[chosen].sign;
    }
    const count = values.filter((row) => row.x !== null && row.y !== null).length;
    usermeta.title = `${usermeta.columns.y} against ${usermeta.columns.x}`;
    const rest = usermeta.caption.replace(/^n = \d+/, "").replace(/ \d+ rows have only one[^.]*\./, "");
    usermeta.caption = `n = ${count}${rest}`;
    spec.description = `${usermeta.title}. ${usermeta.caption}`;
    show("pareto", figure(wide(spec, { height: 340 })));
  }
  update();
}

const keyed = (id, label, height) => (charts, form) => {
  const update = () => show(id, figure(wide(charts[select.value], { height })));
  const select = choose(form, label, Object.keys(charts), update, Object.keys(charts)[0]);
  update();
};

function memory(charts, form) {
  const phases = distinct(Object.values(charts).flatMap((spec) => spec.data.values).map((row) => row.panel));
  const update = () => show("memory", figure(wide(charts[dataset.value], { panel: phase.value })));
  const dataset = choose(form, "Dataset", Object.keys(charts), update, Object.keys(charts)[0]);
  const phase = choose(form, "Phase", phases, update, phases[1] ?? phases[0]);
  update();
}

// The points of one cell by measure, in the format of the curves' spec.
function pointsOf({ curves: passes = [], row, record: { cell, training } }) {
  const seed = cell.repeat ? `${cell.seed}, repeat ${cell.repeat}` : `${cell.seed}`; // same text as in curves.py
  const of = { ...data.charts.curves.rows[row], place: 0, seed };
  const line = (measure, steps, values = []) => values.map((y, at) => ({ ...of, measure, x: steps[at], y }));
  const points = training?.validation ?? [];
  return [
    passes.map(({ name, last_step: steps, loss }) => line(name === "train" ? "loss" : "", steps, loss)),
    passes.map(({ name, last_step: steps, tokens_per_second: rates }) => line(`${name}_speed`, steps, rates)),
    line("macro_f1", points.map((point) => point.step), points.map((point) => point.macro_f1)),
  ].flat(2);
}

// The curves' spec with the points of cells of one panel; null without points.
function curvesOf(list) {
  const { spec, rows = {} } = data.charts.curves ?? {};
  const lines = list.filter((cell) => rows[cell.row]).map(pointsOf).filter((points) => points.length);
  if (!lines.length) return null;
  const values = lines.flat();
  const has = (part) => values.some(({ measure }) => part.transform[0].filter.includes(`'${measure}'`));
  const caption = `n = ${lines.length}; seeds of a method share a colour. Points of loss and throughput cover the steps since the previous point.`;
  const names = distinct(values.map(({ method }) => method));
  const named = (name, value) => (name === "legend" && value ? { ...value, values: names } : value);
  const next = { ...spec, usermeta: { ...spec.usermeta, caption }, data: { ...spec.data, values } };
  return wide({ ...next, concat: changed(spec.concat.filter(has), named) }, { panel: values[0].panel });
}

function curves({ rows }, form) {
  const of = (cell) => rows[cell.row];
  const seed = (cell) => String(cell.record.cell.seed);
  const all = cells.filter(of);
  const names = distinct(all.map((cell) => of(cell).panel));
  const panel = choose(form, "Dataset and model", names, refill, names[0]);
  const place = make("div", { class: "controls" });
  form.append(place);
  let own, methods, seeds;

  function refill() {
    own = all.filter((cell) => of(cell).panel === panel.value);
    const numbers = distinct(own.map(seed));
    place.replaceChildren();
    methods = tick(place, "Methods", distinct(own.map((cell) => of(cell).method)), update);
    seeds = tick(place, "Seeds", numbers, update, numbers.slice(0, 1));
    update();
  }
  function update() {
    const isChosen = (cell) => methods().includes(of(cell).method) && seeds().includes(seed(cell));
    const spec = curvesOf(own.filter(isChosen));
    show("curves", spec ? figure(spec) : make("p", {}, "No curve is recorded."));
  }
  refill();
}

function courses(cell) {
  const spec = curvesOf([cell]);
  return spec && section("Curves", figure(spec));
}

function charts() {
  const [cost, ranks, search] = [["cost", "Dataset", 220], ["ranks", "Dataset and model"], ["search", "Dataset and model", 300]].map((of) => keyed(...of));
  for (const [id, start] of Object.entries({ pareto, cost, ranks, memory, curves, search })) {
    if (data.charts[id]) start(data.charts[id], document.querySelector(`#chart-${id} form`));
  }
  for (const place of document.querySelectorAll("details[data-chart]")) {
    const append = () => place.append(figure(data.charts.insights[place.dataset.chart]));
    place.addEventListener("toggle", append, { once: true });
  }
}
