// A search in Chinese: words are not divided by blanks, so the browser's own rules divide them, as jieba divides the
// pages; without such rules every pair of characters is a word. Sphinx takes this function in place of its own.
if (document.documentElement.lang.startsWith("zh")) {
  const pairs = (run) => (run.length < 3 ? [run] : [...run].slice(1).map((_, i) => run.slice(i, i + 2)));
  const divided = (run) => {
    if (typeof Intl.Segmenter === "undefined") return pairs(run);
    const words = [...new Intl.Segmenter("zh", { granularity: "word" }).segment(run)].map((part) => part.segment);
    return words.filter((word) => word.length > 1 || words.length === 1);
  };
  window.splitQuery = (query) =>
    (query.match(/[\p{Script=Han}]+|[\p{L}\p{N}_]+/gu) || []).flatMap((part) => {
      const runs = part.match(/\p{Script=Han}+|[^\p{Script=Han}]+/gu) || [];
      return runs.flatMap((run) => (/\p{Script=Han}/u.test(run) ? divided(run) : [run]));
    });
}
