// Where a command is wrapped, its options stay whole: a browser would break a line behind the hyphens of --model.
document.addEventListener("DOMContentLoaded", () => {
  for (const block of document.querySelectorAll(".bd-article pre")) {
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) if (/(^|\s)--\w/.test(walker.currentNode.data)) texts.push(walker.currentNode);
    for (const text of texts) {
      const pieces = text.data.split(/((?<=^|\s)--[\w-]+=?)/);
      text.replaceWith(...pieces.map((piece, i) => {
        if (i % 2 === 0) return piece;
        const option = document.createElement("span");
        option.className = "option";
        option.textContent = piece;
        return option;
      }));
    }
  }
});
