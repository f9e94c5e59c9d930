// Runs before the first paint, so that the page does not flash in the other theme. Local storage may be refused.
document.documentElement.classList.add("scripts");
try {
  document.documentElement.dataset.theme = localStorage.getItem("tunebench-theme") ?? "";
} catch {}
