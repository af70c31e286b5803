
/* Exchanges the drawings of a chart and tells the values of its points. It takes over every chart not yet taken. */
(() => {
  "use strict";
  const NEAR = 28; /* pixels from a point within which the pointer means it */

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function start(box) {
    const data = JSON.parse(box.querySelector('script[type="application/json"]').textContent);
    const words = JSON.parse(box.querySelector("script.words")?.textContent ?? "{}"); /* in the language of the page */
    const say = (text, values = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
    const drawing = box.querySelector(".drawing");
    const tip = element("div", { class: "tip", "aria-hidden": "true", hidden: "" });
    const said = element("p", { role: "status", "aria-live": "polite", class: "visually-hidden" });
    said.style.cssText = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);margin:0";
    const picks = element("div", { class: "picks" });
    const choice = (label, words) => {
      const select = element("select", {}, ...words.map((word, i) => element("option", { value: i }, word)));
      if (words.length > 1) picks.append(element("label", {}, label, select));
      select.addEventListener("change", () => {
        draw();
        const picked = [device, scale].map((one) => one.selectedOptions[0]?.text ?? "").join(" ");
        said.textContent = say("{count} points, {picked}", { count: marks().length, picked });
      });
      return select;
    };
    const device = choice(say("Device"), data.devices.map((name) => name || say("all")));
    const scale = choice(say("Scale"), data.scales.map((name) => ({ log: say("log"), linear: say("linear") })[name]));

    const marks = () => [...drawing.querySelectorAll(".plot > .mark")];
    const middle = (mark) => {
      const { left, top, width, height } = mark.querySelector(".shape").getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    };

    function draw() {
      drawing.innerHTML = data.drawings[+device.value || 0][+scale.value || 0]; /* drawn by the library, its words escaped */
      hide();
      reach();
    }

    function reach() {
      const [first] = marks();
      if (first) first.setAttribute("tabindex", "0"); /* one stop of the tab key; arrows lead on */
    }

    function hide() {
      tip.hidden = true;
      for (const mark of drawing.querySelectorAll(".told")) mark.classList.remove("told");
    }

    function tell(mark) {
      hide();
      mark.classList.add("told");
      tip.textContent = mark.getAttribute("aria-label");
      tip.hidden = false;
      const [x, y] = middle(mark), frame = box.getBoundingClientRect();
      const left = Math.min(Math.max(0, x - frame.left - tip.offsetWidth / 2), frame.width - tip.offsetWidth);
      const above = y - frame.top - tip.offsetHeight - 14;
      tip.style.left = `${left}px`;
      tip.style.top = `${above > 0 ? above : y - frame.top + 14}px`;
    }

    drawing.addEventListener("pointermove", point);
    drawing.addEventListener("pointerdown", point);
    function point(event) {
      let nearest = null, least = NEAR;
      for (const mark of marks()) {
        const [x, y] = middle(mark), away = Math.hypot(event.clientX - x, event.clientY - y);
        if (away < least) [nearest, least] = [mark, away];
      }
      if (nearest) tell(nearest);
      else hide();
    }
    drawing.addEventListener("pointerleave", hide);
    drawing.addEventListener("focusin", (event) => {
      const mark = event.target.closest(".mark");
      if (mark) tell(mark);
    });
    drawing.addEventListener("focusout", hide);
    drawing.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      const all = marks(), place = all.indexOf(event.target);
      if (event.key === "Escape") hide();
      if (!by || place < 0) return;
      event.preventDefault();
      event.stopPropagation();
      const next = all[(place + by + all.length) % all.length];
      event.target.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });

    box.prepend(picks);
    box.append(tip, said);
    box.dataset.live = "";
    draw();
  }

  for (const box of document.querySelectorAll(".osnet-point-chart:not([data-taken])")) {
    box.dataset.taken = "";
    start(box);
  }
})();
