// Shows where a number comes from: on pointing, on focus, on tapping; Escape closes; arrows move.
(() => {
  "use strict";
  const box = document.getElementById("trace");
  const names = ["analysis", "dataset", "where", "arm", "statistic", "value", "method"];
  const cells = [...document.querySelectorAll("[data-analysis]")];
  let shown = null;

  for (const cell of cells) cell.removeAttribute("title"); // the box takes its place

  function pairs(cell) {
    const told = names.filter((name) => cell.dataset[name]).map((name) => [name, cell.dataset[name]]);
    const statistics = (cell.dataset.statistic || "").split("; ");
    const values = (cell.dataset.value || "").split("; ");
    if (statistics.length < 2 || statistics.length !== values.length) return told;
    const numbers = statistics.map((name, place) => [name, values[place]]);
    return [...told.filter(([name]) => name !== "statistic" && name !== "value"), ...numbers];
  }

  function show(cell) {
    if (shown === cell) return;
    hide();
    const list = document.createElement("dl");
    for (const [name, value] of pairs(cell)) {
      list.append(Object.assign(document.createElement("dt"), { textContent: name }));
      list.append(Object.assign(document.createElement("dd"), { textContent: value }));
    }
    box.replaceChildren(list);
    box.hidden = false;
    const at = cell.getBoundingClientRect();
    const left = Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - 8);
    const below = at.bottom + 6 + box.offsetHeight < window.innerHeight;
    box.style.left = `${Math.max(8, left)}px`;
    box.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - box.offsetHeight - 6)}px`;
    cell.setAttribute("aria-describedby", "trace");
    shown = cell;
  }

  function hide() {
    if (shown) shown.removeAttribute("aria-describedby");
    box.hidden = true;
    shown = null;
  }

  function move(cell, key) {
    const row = cell.closest("tr");
    if (!row) return null;
    const inRow = [...row.querySelectorAll("[data-analysis]")];
    const place = inRow.indexOf(cell);
    if (key === "ArrowRight") return inRow[place + 1];
    if (key === "ArrowLeft") return inRow[place - 1];
    const rows = [...row.closest("table").querySelectorAll("tr")];
    const step = key === "ArrowDown" ? 1 : -1;
    for (let next = rows.indexOf(row) + step; rows[next]; next += step) {
      const found = [...rows[next].querySelectorAll("[data-analysis]")];
      if (found.length) return found[Math.min(place, found.length - 1)];
    }
    return null;
  }

  const cellOf = (event) => event.target instanceof Element && event.target.closest("[data-analysis]");
  document.addEventListener("pointerover", (event) => {
    const cell = cellOf(event);
    if (cell) show(cell);
    else if (shown && shown !== document.activeElement && !box.contains(event.target)) hide();
  });
  document.addEventListener("focusin", (event) => (cellOf(event) ? show(cellOf(event)) : hide()));
  document.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (cell) {
      cell.focus();
      show(cell);
    } else if (!box.contains(event.target)) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const cell = cellOf(event);
    if (!cell || !event.key.startsWith("Arrow")) return;
    const next = move(cell, event.key);
    if (!next) return;
    event.preventDefault();
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  addEventListener("scroll", () => shown && hide(), { passive: true, capture: true });
})();

// Tables that can be sorted by a head and narrowed by words; without this script they are plain.
(() => {
  "use strict";
  const MENU = 6; // a column of so few different texts gets a menu

  const textOf = (row, place) => row.children[place].textContent.trim();
  const isMissing = (text) => text === "" || text === "—";

  function sorter(place, isNumber, falling) {
    return (first, second) => {
      const [one, other] = [textOf(first, place), textOf(second, place)];
      if (isMissing(one) || isMissing(other)) return isMissing(one) - isMissing(other);
      const order = isNumber ? parseFloat(one) - parseFloat(other) : one.localeCompare(other);
      return falling ? -order : order;
    };
  }

  function prepare(table) {
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...table.querySelectorAll("tbody tr:not(.heading)")];
    const tools = Object.assign(document.createElement("p"), { className: "tools" });
    const count = document.createElement("output");
    const wanted = new Map();

    function narrow() {
      for (const row of rows) row.hidden = ![...wanted.values()].every((fits) => fits(row));
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    }

    function offer(label, control, fits) {
      const named = document.createElement("label");
      named.append(`${label} `, control);
      tools.append(named);
      control.addEventListener("input", () => {
        if (control.value) wanted.set(label, (row) => fits(row, control.value));
        else wanted.delete(label);
        narrow();
      });
    }

    const search = Object.assign(document.createElement("input"), { type: "search" });
    const holds = (row, words) => row.textContent.toLowerCase().includes(words.toLowerCase());
    offer("Rows with", search, holds);
    heads.forEach((head, place) => {
      const texts = rows.map((row) => textOf(row, place));
      const known = texts.filter((text) => !isMissing(text));
      const isNumber = known.every((text) => /^\d/.test(text));
      const choices = [...new Set(known)].sort();
      if (place && !isNumber && choices.length > 1 && choices.length <= MENU) {
        const menu = document.createElement("select");
        menu.append(new Option("all", ""), ...choices.map((text) => new Option(text)));
        offer(head.textContent, menu, (row, text) => textOf(row, place) === text);
      }
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const falling = head.ariaSort === "ascending";
        for (const each of heads) each.ariaSort = null;
        head.ariaSort = falling ? "descending" : "ascending";
        for (const body of table.tBodies) {
          const own = [...body.rows].filter((row) => rows.includes(row));
          body.append(...own.sort(sorter(place, isNumber, falling)));
        }
      });
    });
    tools.append(count);
    narrow();
    table.closest(".scroll").before(tools);
  }

  for (const table of document.querySelectorAll("table[data-sortable]")) prepare(table);
})();
