// The overview: a click on a column head sorts it; a text and selects filter it.

function overview() {
  const rows = [...byId("rows").tBodies[0].rows];
  const heads = [...byId("rows").tHead.rows[0].cells];
  const [form, collator] = [byId("filters"), new Intl.Collator("en", { numeric: true })];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  const value = (row, place) => {
    const cell = row.cells[place];
    if (!heads[place].classList.contains("number")) return cell.textContent.trim();
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };

  function sort(place) {
    const sign = heads[place].ariaSort === "ascending" ? -1 : 1;
    const order = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
    const found = rows.map((row) => [value(row, place), row]);
    // Unknown values come last in both directions.
    found.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * order(a, b)));
    for (const head of heads) head.ariaSort = "none";
    heads[place].ariaSort = sign > 0 ? "ascending" : "descending";
    byId("rows").tBodies[0].append(...found.map(([, row]) => row));
    say(`Sorted by ${heads[place].innerText.replace(/\s+/g, " ").trim()}, ${heads[place].ariaSort}`);
  }

  function filter() {
    const given = Object.fromEntries(new FormData(form));
    const words = given.text.toLowerCase().split(/\s+/).filter(Boolean);
    const selects = Object.entries(given).filter(([name, wanted]) => name !== "text" && wanted !== "");
    const fits = (row) => selects.every(([name, wanted]) => row.dataset[name] === wanted)
      && words.every((word) => texts.get(row).includes(word));
    for (const row of rows) row.hidden = !fits(row);
    const count = rows.filter((row) => !row.hidden).length;
    byId("count").textContent = `${count} of ${rows.length} rows`;
    byId("no-rows").hidden = count > 0;
  }

  heads.forEach((head, place) => head.firstElementChild.addEventListener("click", () => sort(place)));
  for (const event of ["input", "change"]) form.addEventListener(event, filter);
  form.addEventListener("reset", () => setTimeout(filter));
}
