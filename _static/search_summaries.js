// What stands below a result of the search: prose of the page, not its code, tables and figures. Sphinx fetches the page
// for it, which browsers forbid to pages opened from the disk: there the results stand alone.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  const text = Search.htmlToText;
  const aside = ".bd-header-article, .cell, .highlight, .cell_output, table, figure, math, svg, h1, .page-files, .sig, .prev-next-area";
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(aside).forEach((element) => element.remove());
    return text(page.documentElement.outerHTML, anchor);
  };
});
