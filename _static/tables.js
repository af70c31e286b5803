// Tables on a small screen: what is long to read comes after the numbers, so that these stand beside the first column, which
// stays where it is (study.css). Tables with joined cells are left as they are. Cells are marked that stay on one line, and
// for paper those whose words must be broken there, and tables of many columns.
(() => {
  const LONG = 24; // letters
  const UNBROKEN = 14; // letters of a word that paper has no room for
  const MANY = 9; // columns
  const SHORT = 5; // letters that stay on one line: Chinese would be broken between any two
  const small = matchMedia("(max-width: 600px)");
  const tables = () => [...document.querySelectorAll(".bd-article table")].filter(
      (table) => table.rows.length > 1 && !table.querySelector("[colspan]:not([colspan='1']), [rowspan]:not([rowspan='1'])"));

  function columns(table) {
    const count = table.rows[0].cells.length;
    const body = [...table.rows].filter((row) => row.parentElement.tagName !== "THEAD");
    const long = (i) => body.some((row) => (row.cells[i]?.textContent.trim().length ?? 0) > LONG);
    const rest = [...Array(count).keys()].slice(1);
    const last = rest.filter(long);
    for (const row of table.rows) last.forEach((i) => row.cells[i]?.classList.add("long"));
    return [0, ...rest.filter((i) => !long(i)), ...last];
  }

  function arrange() {
    for (const table of tables()) {
      const before = table.columnsBefore; // where each column stood that is now in its place
      if (small.matches === Boolean(before)) continue;
      const order = small.matches ? columns(table) : before.map((_, i) => before.indexOf(i));
      for (const row of table.rows) if (row.cells.length === order.length) row.append(...order.map((i) => row.cells[i]));
      table.columnsBefore = small.matches ? order : null;
    }
  }

  // Sheets of photographs are wider than a small screen: the arrow keys move those as they move tables.
  function reach() {
    for (const sheet of document.querySelectorAll(".bd-article figure:has(> img)"))
      small.matches ? sheet.setAttribute("tabindex", "0") : sheet.removeAttribute("tabindex");
  }

  function mark() {
    for (const table of document.querySelectorAll(".bd-article table")) {
      table.classList.toggle("many", (table.rows[0]?.cells.length ?? 0) >= MANY);
      for (const cell of table.querySelectorAll("th, td")) {
        const words = cell.textContent.trim();
        if (words.split(/\s/).some((word) => word.length > UNBROKEN)) cell.classList.add("unbroken");
        if (words.length <= SHORT) cell.classList.add("short");
      }
    }
  }

  document.addEventListener("DOMContentLoaded", mark);
  document.addEventListener("DOMContentLoaded", arrange);
  document.addEventListener("DOMContentLoaded", reach);
  small.addEventListener("change", arrange);
  small.addEventListener("change", reach);
})();
