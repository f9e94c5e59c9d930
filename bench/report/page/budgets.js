// The best F1 within limits that the reader sets, and the time until each row reaches most of full training's F1.

const short = (value) => (value === null ? "–" : String(+value.toPrecision(4)));
const called = (at) => data.rows[at].names.slice(1).join(", ");
const rowLink = (at) => link(data.rows[at].address, called(at));

function budgets() {
  const { limits, groups } = data.budgets;
  const heads = ["Row", "Macro F1", "Compared with the best", ...limits.map(({ name, unit }) => `${name} (${unit})`)];
  const fields = limits.map(({ name, unit, most }) => {
    const known = most === null ? "unknown for all rows" : `largest: ${short(most)}`;
    const field = make("input", { type: "number", min: "0", step: "any", placeholder: "no limit" });
    field.disabled = most === null;
    byId("limits").append(make("label", {}, `${name}, at most (${unit}; ${known})`, field));
    return field;
  });

  function answer(event) {
    const most = fields.map((field) => (field.value === "" ? null : Number(field.value)));
    const said = limits.flatMap(({ unit }, at) => (most[at] === null ? [] : [`${short(most[at])} ${unit}`]));
    const lead = said.length ? `Within ${said.join(" and ")}` : "Without a limit";
    const part = (group) => [make("h4", {}, group.dataset), ...ofGroup(group, most, lead)];
    byId("answers").replaceChildren(...groups.flatMap(part));
    if (event) say([...byId("answers").querySelectorAll("p")].map((part) => part.textContent).join(" "));
  }

  function ofGroup({ dataset, rows, same }, most, lead) {
    const fits = ({ costs }) => costs.every((cost, at) => most[at] === null || (cost !== null && cost <= most[at]));
    const within = rows.filter(fits).sort((a, b) => b.f1 - a.f1 || a.row - b.row);
    if (!within.length) return [make("p", {}, `${lead}: none of ${rows.length} rows with a known F1.`)];
    const [best] = within;
    const others = within.filter(({ row }) => same[best.row][row]);
    const verdicts = within.slice(1).map(({ row }) => same[best.row][row]?.[0] ?? "lower");
    const counts = distinct(verdicts).map((one) => `${verdicts.filter((other) => other === one).length} ${one}`);
    const sentence = `${lead}, the best mean macro F1 is ${best.f1.toFixed(4)}: ${called(best.row)} (n = ${best.seeds}).`
      + (counts.length ? ` Other rows: ${verdicts.length} (${counts.join(", ")}).` : "");
    const line = ({ row, f1, costs }) =>
      [rowLink(row), f1.toFixed(4), same[best.row][row]?.join("") ?? "best", ...costs.map(short)];
    return [make("p", {}, sentence), grid(heads, [best, ...others].map(line), `Best of ${dataset}`)];
  }
  byId("limits").addEventListener("input", answer);
  answer();
}

function targets() {
  const heads = ["Row", "Time to 95 %", "Training time (s)", "Validation F1", "F1", "n"];
  if (!data.targets.length) byId("reached").append(make("p", {}, "This needs two rows of a dataset and model with a known F1."));
  byId("reached").append(...data.targets.flatMap(({ dataset, model, rows, reference, lines, reached }) => {
    const [form, place] = [make("form", { class: "controls" }), make("div")];
    const none = reference === null ? [["", "choose a row: none trains all its parameters"]] : [];
    const options = [...none, ...rows.map((row, at) => [at, data.rows[row].names.slice(2).join(", ")])];
    const select = choose(form, "Full training is", options, draw, reference ?? "");

    function draw() {
      const known = reached[select.value] ?? [];
      const table = known.map((time, at) => [rowLink(rows[at]), time, ...lines[at]]);
      place.replaceChildren(known.length ? grid(heads, table, `Time to 95 %, ${dataset}, ${model}`) : "");
    }
    draw();
    return [make("h4", {}, `${dataset}, ${model}`), form, place];
  }));
}
