
/* Shows what any query finds. It takes over every explorer of the page that nothing has taken over yet. */
(() => {
  "use strict";
  const RANKED = "rw";

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const counted = (marks, mark) => marks.split(mark).length - 1;

  function canvas(width, height, label) {
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    const made = element("canvas", { role: "img", "aria-label": label, width: width * ratio, height: height * ratio });
    made.style.width = `${width}px`;
    made.style.height = `${height}px`;
    return made;
  }

  function start(box) {
    const data = JSON.parse(box.querySelector('script[type="application/json"]').textContent);
    const words = JSON.parse(box.querySelector("script.words")?.textContent ?? "{}"); /* in the language of the page */
    const say = (text, values = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
    const MARKS = {
      r: ["right", "✓", say("right"), ""],
      w: ["wrong", "✗", say("wrong"), ""],
      d: ["dropped", "–", say("dropped"), say("the query's identity in its own camera")],
      j: ["junk", "∅", say("junk"), say("dropped for every query")],
    };
    const meaning = ([, , short, why]) => (why ? say("{short}: {why}", { short, why }) : short);
    const percent = (ap) => (ap === null ? say("no match") : `AP ${(100 * ap).toFixed(1)} %`);
    const who = (pid) => (pid < 0 ? say("junk") : pid === 0 ? say("distractor") : say("identity {pid}", { pid }));
    const seen = (pid, camid) => say("{who}, camera {camid}", { who: who(pid), camid });

    const { queries, lists, sprite } = data;
    let name = [];
    const gallery = data.gallery.map(([same, rest, pid, camid]) => {
      name = [...name.slice(0, same), ...rest]; /* the letters it shares with the name before, then its own */
      return [name.join(""), pid, camid];
    });
    const sheet = sprite && new Image();

    function picture(target, number) {
      const x = number % sprite.columns, y = Math.floor(number / sprite.columns);
      const pen = target.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(
        sheet, x * sprite.width, y * sprite.height, sprite.width, sprite.height, 0, 0, target.width, target.height
      );
    }

    /* The stronger a place, the more its colour covers the picture: from dark red to yellow. */
    function heat(target, digits, covered) {
      const width = data.map_width, height = digits.length / width;
      const small = element("canvas", { width, height });
      const pen = small.getContext("2d"), pixels = pen.createImageData(width, height);
      [...digits].forEach((digit, i) => {
        const value = parseInt(digit, 16) / 15;
        pixels.data.set([150 + 105 * value, 40 + 190 * value * value, 60 * (1 - value), covered ? 220 * value : 255], 4 * i);
      });
      pen.putImageData(pixels, 0, 0);
      const onto = target.getContext("2d");
      onto.imageSmoothingEnabled = true;
      onto.imageSmoothingQuality = "high";
      onto.drawImage(small, 0, 0, target.width, target.height);
    }

    const choice = (label, wide) => {
      const select = element("select");
      return [select, element("label", wide ? { class: "wide" } : {}, label, select)];
    };
    const [camera, cameraLabel] = choice(say("Camera of the query"));
    const [identity, identityLabel] = choice(say("Identity"));
    const [order, orderLabel] = choice(say("Order"));
    const [pick, pickLabel] = choice(say("Query"), true);
    const back = element("button", { type: "button", "aria-label": say("previous query") }, "←");
    const on = element("button", { type: "button", "aria-label": say("next query") }, "→");
    const picks = element("div", { class: "picks" }, cameraLabel, identityLabel, orderLabel, pickLabel, back, on);
    const asked = element("div", { class: "asked" });
    const ranks = element("ol", {
      class: sprite ? "ranks" : "ranks bare",
      tabindex: "0",
      "aria-label": say("nearest gallery images; the left and right arrow keys change the query"),
    });
    const said = element("p", { class: "said-aloud", role: "status", "aria-live": "polite" });
    const key = element(
      "ul",
      { class: "key", "aria-label": say("signs") },
      ...Object.entries(MARKS)
        .filter(([mark]) => lists.some(([, , marks]) => marks.includes(mark)))
        .map(([, mark]) =>
          element("li", { class: mark[0] }, element("span", { class: "sign", "aria-hidden": "true" }, mark[1]), meaning(mark))
        )
    );

    const sorted = (values) => [...new Set(values)].sort((a, b) => a - b);
    const fill = (select, options) =>
      select.replaceChildren(...options.map(([value, words]) => element("option", { value }, words)));
    fill(camera, [["", say("all")], ...sorted(queries.map((q) => q[2])).map((c) => [c, String(c)])]);
    fill(order, [["worst", say("worst AP first")], ["best", say("best AP first")], ["identity", say("by identity")]]);

    const fits = (q) => (!camera.value || q[2] === +camera.value) && (!identity.value || q[1] === +identity.value);
    const ORDERS = {
      worst: (a, b) => a - b, /* as the data are */
      best: (a, b) => (queries[b][3] ?? -1) - (queries[a][3] ?? -1) || a - b,
      identity: (a, b) => queries[a][1] - queries[b][1] || queries[a][2] - queries[b][2] || a - b,
    };

    /* Identities that the camera has; then the queries of both, the chosen one kept where it is among them. */
    function refill() {
      const kept = identity.value;
      const pids = sorted(queries.filter((q) => !camera.value || q[2] === +camera.value).map((q) => q[1]));
      fill(identity, [["", say("all")], ...pids.map((pid) => [pid, String(pid)])]);
      if (pids.includes(+kept) && kept) identity.value = kept;
      const found = [...queries.keys()].filter((i) => fits(queries[i])).sort(ORDERS[order.value]);
      const chosen = pick.value;
      fill(pick, found.map((i) => {
        const [, pid, camid, ap, first] = queries[i];
        const late = first > 1 ? say(" (first right: {first})", { first }) : "";
        return [i, say("{what}: {value}", { what: seen(pid, camid), value: percent(ap) + late })];
      }));
      if (found.includes(+chosen) && chosen) pick.value = chosen;
      show();
    }

    function card(number, distance, mark, rank) {
      const [name, pid, camid] = gallery[number], [kind, sign, short] = MARKS[mark];
      const tile = element("div", { class: "tile" });
      if (sprite) {
        const drawn = canvas(60, 120, say("{what}: {value}", { what: meaning(MARKS[mark]), value: seen(pid, camid) }));
        picture(drawn, queries.length + number);
        tile.append(drawn);
      } else tile.append(short);
      tile.append(element("span", { class: "sign", "aria-hidden": "true" }, sign));
      return element(
        "li", { class: kind, title: name },
        element("span", {}, rank ? say("rank {rank}", { rank }) : say("no rank")), tile,
        element("span", {}, who(pid)), element("span", { class: "said" }, say("camera {camid}", { camid })),
        element("span", { class: "said" }, distance.toPrecision(4))
      );
    }

    function show() {
      const number = +pick.value, place = pick.selectedIndex;
      const [name, pid, camid, ap, first] = queries[number], [found, distances, marks] = lists[number];
      back.disabled = place <= 0;
      on.disabled = place + 1 >= pick.options.length;
      const pair = element("div", { class: "pair" });
      const figure = (drawn, words) => pair.append(element("figure", {}, drawn, element("figcaption", {}, words)));
      if (sprite) {
        const drawn = canvas(80, 160, say("{what}: {value}", { what: say("query"), value: seen(pid, camid) }));
        picture(drawn, number);
        figure(drawn, say("query"));
      }
      if (data.maps) {
        const drawn = canvas(80, 160, say("activation map of the query: where its feature comes from"));
        if (sprite) picture(drawn, number);
        heat(drawn, data.maps[number], Boolean(sprite));
        figure(drawn, say("activation"));
      }
      const facts = element("p", { class: "facts" });
      for (const words of [seen(pid, camid), percent(ap), name]) facts.append(element("span", {}, words));
      asked.replaceChildren(pair, facts);
      let rank = 0;
      ranks.replaceChildren(
        ...found.map((image, i) => card(image, distances[i], marks[i], RANKED.includes(marks[i]) ? ++rank : 0))
      );
      const aside = counted(marks, "d") + counted(marks, "j");
      const counts = { rank, right: counted(marks, "r"), wrong: counted(marks, "w"), aside, first };
      said.textContent = [
        say("Query {place} of {all}: {what}, {score}.", {
          place: place + 1, all: pick.options.length, what: seen(pid, camid), score: percent(ap),
        }),
        say("Of its {rank} nearest images {right} are right and {wrong} wrong.", counts),
        ...(aside ? [say("Left out near it: {aside}.", counts)] : []),
        first === 1 ? say("Rank 1 is right.") : first ? say("The first right one has rank {first}.", counts) : say("No image matches it."),
      ].join(say(" "));
    }

    function step(by) {
      const place = pick.selectedIndex + by;
      if (place < 0 || place >= pick.options.length) return;
      pick.selectedIndex = place;
      show();
    }

    for (const select of [camera, identity, order]) {
      select.addEventListener("change", () => {
        if (select === order) pick.replaceChildren(); /* the first of the new order */
        refill();
      });
    }
    pick.addEventListener("change", show);
    back.addEventListener("click", () => step(-1));
    on.addEventListener("click", () => step(1));
    box.addEventListener("keydown", (event) => {
      if (event.target.tagName === "SELECT" || event.altKey || event.ctrlKey || event.metaKey) return;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      step(by);
    });

    const go = () => {
      box.append(picks, said, element("div", { class: "view" }, asked, ranks), key);
      box.dataset.live = "";
      refill();
    };
    if (!sprite) return go();
    sheet.addEventListener("load", go);
    sheet.src = sprite.uri;
  }

  for (const box of document.querySelectorAll(".osnet-explorer:not([data-taken])")) {
    box.dataset.taken = "";
    start(box);
  }
})();
