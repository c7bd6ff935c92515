"use strict";
// Everything here is convenience: the page says all it has to say without it.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const table = document.querySelector("table.ladder");
  if (!table) return;
  const cards = all("details.card");
  const filter = byId("filter");
  const chips = all("button.chip");
  const expand = byId("expand");
  const tip = byId("tip");
  byId("controls").hidden = false;
  expand.hidden = false;

  const words = new Map(
    all("tbody.case", table).map((row) => [row, `${row.dataset.case} ${row.textContent}`.toLowerCase()]),
  );

  // Filtering acts on the ladder, the heat map and the cards alike.
  const apply = () => {
    const terms = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(
      chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.verdict),
    );
    const rows = all("tbody.case", table);
    const visible = new Set();
    for (const row of rows) {
      const hit =
        wanted.has(row.dataset.verdict) && terms.every((term) => words.get(row).includes(term));
      row.hidden = !hit;
      if (hit) visible.add(row.dataset.case);
    }
    for (const other of all("table.heat tr.case, details.card")) {
      other.hidden = !visible.has(other.dataset.case);
    }
    hideEmptyGroups();
    const everything = visible.size === rows.length;
    byId("shown").textContent = everything ? "" : `${visible.size} of ${rows.length} shown`;
  };

  // A group heading makes sense only in the original order and above a row that is shown.
  let sorted = false;
  const hideEmptyGroups = () => {
    let heading = null;
    for (const body of table.tBodies) {
      if (body.classList.contains("group")) {
        heading = body;
        heading.hidden = true;
      } else if (heading && !sorted && !body.hidden) {
        heading.hidden = false;
      }
    }
  };

  filter.addEventListener("input", apply);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      apply();
    });
  }

  // Sorting: up, down, back to the order of the run.
  const original = [...table.tBodies];
  const keys = {
    title: (row) => row.querySelector("th.model a").textContent.toLowerCase(),
    digits: (row) => Math.min(...all("td.digits", row).map((cell) => digits(cell.textContent))),
    verdict: (row) => chips.findIndex((c) => c.dataset.verdict === row.dataset.verdict),
  };
  // A NaN has fewer digits than any number; what agrees in all, or was not compared, comes last.
  const digits = (text) => (text.startsWith("NaN") ? -1 : Number.parseFloat(text) || (text.startsWith("0.0") ? 0 : 99));
  const heads = all("th[data-sort]", table);
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const next = now === null ? "ascending" : now === "ascending" ? "descending" : null;
      for (const other of heads) other.removeAttribute("aria-sort");
      sorted = next !== null;
      if (!sorted) {
        table.append(...original);
      } else {
        head.setAttribute("aria-sort", next);
        const key = keys[head.dataset.sort];
        const sign = next === "ascending" ? 1 : -1;
        const rows = original.filter((body) => body.classList.contains("case"));
        rows.sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          const order = x < y ? -1 : x > y ? 1 : 0;
          return sign * order || original.indexOf(a) - original.indexOf(b);
        });
        table.append(...rows);
      }
      hideEmptyGroups();
    });
  }

  expand.addEventListener("click", () => {
    const open = cards.some((card) => !card.open && !card.hidden);
    for (const card of cards) if (!card.hidden) card.open = open;
    expand.textContent = open ? "Close all cards" : "Open all cards";
  });

  // A link into a closed card opens it, also where the browser does not do so by itself.
  const reveal = () => {
    const target = location.hash.length > 1 ? byId(decodeURIComponent(location.hash.slice(1))) : null;
    const card = target?.closest("details");
    if (!card) return;
    card.hidden = false;
    card.open = true;
    card.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Hints of digits as tooltips that also open at the touch of a finger.
  const hinted = all("table.heat, table.scored");
  for (const cell of hinted.flatMap((grid) => all("td[title]", grid))) {
    cell.dataset.hint = cell.title;
    cell.removeAttribute("title");
  }
  const show = (event) => {
    const cell = event.target.closest?.("td[data-hint]");
    tip.hidden = !cell;
    if (!cell) return;
    tip.textContent = cell.dataset.hint;
    const box = cell.getBoundingClientRect();
    const width = tip.offsetWidth;
    const left = Math.min(Math.max(8, box.left + box.width / 2 - width / 2), innerWidth - width - 8);
    const above = box.top - tip.offsetHeight - 6;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${(above > 0 ? above : box.bottom + 6) + scrollY}px`;
  };
  for (const grid of hinted) {
    grid.addEventListener("pointerover", show);
    grid.addEventListener("click", show);
    grid.addEventListener("pointerleave", () => (tip.hidden = true));
  }
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
  });
})();
