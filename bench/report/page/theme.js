// Runs before anything is drawn, so that no page flashes in the other theme; a file may be refused a memory.
document.documentElement.classList.add("scripts");
try {
  document.documentElement.dataset.theme = localStorage.getItem("tunebench-theme") ?? "";
} catch {}
