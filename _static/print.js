// On paper everything is shown, in the colours of the light theme: what is folded is opened, and afterwards all is as before.
(() => {
  let after = [];
  addEventListener("beforeprint", () => {
    const { dataset } = document.documentElement;
    const theme = dataset.theme;
    const folded = [...document.querySelectorAll("article details:not([open])")];
    dataset.theme = "light";
    folded.forEach((details) => (details.open = true));
    after = [() => (dataset.theme = theme), ...folded.map((details) => () => (details.open = false))];
  });
  addEventListener("afterprint", () => {
    after.forEach((undo) => undo());
    after = [];
  });
})();
