// One cell, or the cells of one row, drawn when asked for.

// What records share stands apart from them; a number says which of it is theirs.
const { cells, shared: parts, runs } = data.cells;
for (const { record } of cells) {
  for (const [path, values] of Object.entries(parts)) {
    const [name, above] = path.split(".").reverse();
    const home = above ? record[above] : record;
    if (Number.isInteger(home[name])) home[name] = values[home[name]];
  }
}
const byKey = new Map(cells.map((cell) => [cell.key, cell]));

function flat(facts, before = "") {
  const inner = (value) => value instanceof Object && !Array.isArray(value) && Object.keys(value).length;
  return Object.entries(facts ?? {}).flatMap(([name, value]) =>
    (inner(value) ? flat(value, `${before}${name}.`) : [[before + name, value]]));
}

function section(title, ...inside) {
  const parts = inside.flat(Infinity).filter(Boolean);
  return parts.length ? make("section", {}, make("h3", {}, title), parts) : null;
}

// What a part of a record says but for what is drawn, bytes as people read them.
function facts(title, part) {
  const entries = flat(part).filter(([name]) => !/^validation$|^(quality\.)?confusion\./.test(name));
  const said = ([name, value]) => [name.replaceAll("_", " "), name.endsWith("_bytes") ? bytes(value) : value];
  return entries.length ? section(title, pairs(entries.map(said))) : null;
}

function confusion(title, quality) {
  if (!quality?.confusion) return null;
  const { labels, texts } = quality.confusion;
  const columns = texts.some((row) => row.at(-1) > 0) ? [...labels, "No label"] : labels;
  const rows = texts.map((row, at) => [labels[at], ...row.slice(0, columns.length)]);
  return section(title, make("p", {}, "Texts by true label, a row each, and by predicted label, a column each."),
    grid(["True", ...columns], rows, title));
}

function settings(cell) {
  const differing = new Set(runs[data.rows[cell.row].run].differing);
  const all = flat(cell.record.cell).map(([name, value]) => [name, value === null ? "not set" : value]);
  const [apart, alike] = [true, false].map((wanted) => all.filter(([name]) => differing.has(name) === wanted));
  return section("Settings",
    apart.length ? [make("h4", {}, "Not alike in all cells of the study"), pairs(apart)] : null,
    make("details", {}, make("summary", {}, `${alike.length} alike in all cells`), pairs(alike)));
}

function phases({ phases: list = [] }) {
  const [kind, name] = list.some((phase) => phase.peak_cuda_allocated_bytes !== undefined)
    ? ["peak_cuda_allocated_bytes", "Peak on the GPU"] : ["peak_host_bytes", "Peak of the process"];
  const longest = Math.max(...list.map((phase) => phase.seconds));
  const highest = Math.max(...list.map((phase) => phase[kind] ?? 0));
  const rows = list.map((phase) => [
    phase.name, phase.seconds, bar(phase.seconds, longest), bytes(phase[kind]), bar(phase[kind] ?? 0, highest),
    bytes(phase.peak_host_bytes), phase.energy_joules,
  ]);
  const heads = ["Phase", "Seconds", "Of the longest", name, "Of the highest", "Peak of the host", "Energy (J)"];
  return rows.length ? section("Phases", grid(heads, rows, "Phases")) : null;
}

function memoryBreakdowns({ memory = [] }) {
  return section("Memory breakdown", memory.map(({ of, peak_bytes: peak, ...parts }) => [
    make("h4", {}, `${of}: peak ${bytes(peak)}`),
    grid(["Part", "Size", "Of the peak"], Object.entries(parts).map(([name, size]) => [
      name.replace(/_bytes$/, "").replaceAll("_", " "), bytes(size), bar(size, peak),
    ]), `Memory breakdown of ${of}`),
  ]));
}

function stamp({ stamp: verdict, record: { checks = [] } }) {
  const rows = checks.map((one) => [one.name, one.verdict, one.found]);
  return section("Validity", make("p", { class: verdict }, `${verdict}: ${rows.length} checks`),
    rows.length && grid(["Check", "Verdict", "Found"], rows, "Checks"));
}

function again({ replay }) {
  const given = { type: "button", "data-what": "Command" };
  return section("Measure it again",
    make("p", {}, "From where the study was run; after --runs elsewhere, with that folder in place of runs:"),
    replay.map((line) => [make("pre", {}, line), make("button", { ...given, "data-text": line }, "Copy command")]));
}

function whole(record) {
  const text = make("pre", {}, JSON.stringify(record, null, 1));
  return section("Record", make("details", {}, make("summary", {}, "The whole record as JSON, without nulls"), text));
}

function cellView(key) {
  const cell = byKey.get(key);
  if (!cell) return null;
  const { record, log } = cell;
  const row = data.rows[cell.row];
  const seed = (other) => (other === key ? make("strong", {}, nameOf(other)) : link(`cell=${other}`, nameOf(other)));
  const states = [`Cell ${key}`, record.status, cell.stamp, record.started_at, `${record.wall_seconds.toFixed(1)} s`];
  return view(cell.title.join(" / "), row, [
    make("p", { class: "facts" }, states.join(" · ")),
    row.cells.length > 1 && make("p", {}, "Of this row: ", row.cells.flatMap((other) => [seed(other), " "])),
    [record.warnings, cell.troubles].flat().filter(Boolean).map((text) => make("p", { class: "trouble" }, text)),
    record.status !== "ok" && facts("Failure", { status: record.status, ...record.failure }),
    facts("Summary", Object.fromEntries(Object.entries(record).filter(([, value]) => !(value instanceof Object)))),
    facts("Quality", record.quality), confusion("Confusion matrix", record.quality),
    facts("Written answers", record.generation),
    confusion("Confusion matrix of written answers", record.generation?.quality), settings(cell),
    facts("Environment", record.machine), phases(record), memoryBreakdowns(record), stamp(cell), courses(cell),
    facts("Training", record.training), facts("Inference", record.inference),
    record.latency?.map((one) => facts(`Latency, ${one.batch_size} at a time`, one)),
    facts("Parameters and operations", { ...record.parameters, ...record.flops }), facts("Data", record.data),
    facts("Prompt", record.prompt), facts("Unknown, and why", record.unknown),
    log && section("Log: its end", make("pre", { tabindex: "0" }, log)),
    again(cell), whole(record),
  ]);
}

const nameOf = (key) => byKey.get(key).title.at(-1);

function rowView(key) {
  const row = data.rows.find((one) => one.key === key);
  if (!row) return null;
  const lines = row.cells.map((of, at) => [link(`cell=${of}`, nameOf(of)), ...row.each[at]]);
  return view(row.names.join(" / "), row, [
    make("p", {}, "The numbers of this row are means over these cells. Each leads to all that is known of it."),
    grid(["Cell", ...data.heads], lines, "Cells of this row"),
    row.notes.length && section("To know", make("ul", {}, row.notes.map((text) => make("li", {}, text)))),
  ]);
}

function view(title, row, inside) {
  const back = make("p", {}, link(`row-${row.key}`, "← Back to the overview"));
  return { title, content: [back, make("h2", { tabindex: "-1" }, title), ...inside.flat().filter(Boolean)] };
}
