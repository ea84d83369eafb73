"use strict";

/* Everything can be read without this: it only sorts, filters and switches. */

function numberOf(text) {
  const found = text.replaceAll("\u2212", "-").replaceAll(",", "").match(/^[^\d-]*(-?\d*\.?\d+(?:e-?\d+)?)( [MG]\b)?/);
  return found ? Number(found[1]) * ({ " M": 1e6, " G": 1e9 }[found[2]] ?? 1) : NaN;
}

function compare(one, other, down, named) {
  const [a, b] = named ? [NaN, NaN] : [numberOf(one), numberOf(other)];
  const missing = (text) => text === "" || text === "\u2013";
  if (missing(one) || missing(other)) return missing(one) - missing(other);
  const order = Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other, "en", { numeric: true }) : a - b;
  return down ? -order : order;
}

function sort(table, column, heading) {
  const down = heading.getAttribute("aria-sort") !== "descending" && column > 0
    || heading.getAttribute("aria-sort") === "ascending";
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    const text = (row) => row.cells[column].textContent.trim();
    // A name may hold digits, which do not make it a number.
    const named = rows.some((row) => row.cells[column].matches("th, .text"));
    rows.sort((one, other) => compare(text(one), text(other), down, named));
    body.append(...rows);
  }
}

function addSorting(table) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (heading.tagName !== "TH") return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, column, heading));
    heading.append(button);
  });
}

function addFilter(table) {
  const rows = [...table.querySelectorAll("tbody tr:not(.group)")];
  if (rows.length < 8) return;
  const input = document.createElement("input");
  input.type = "search";
  input.className = "filter";
  input.placeholder = "Filter rows";
  input.setAttribute("aria-label", `Filter rows of: ${table.caption.textContent}`);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.parentElement.before(input);
}

function addSwitch(group) {
  const buttons = [...group.querySelectorAll("button")];
  const show = (chosen) => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button === chosen));
      document.getElementById(button.getAttribute("aria-controls")).hidden = button !== chosen;
    }
  };
  for (const button of buttons) button.addEventListener("click", () => show(button));
  group.hidden = false;
  show(buttons[0]);
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.tagName === "DETAILS") target.open = true;
}

for (const table of document.querySelectorAll("table.data")) {
  addSorting(table);
  addFilter(table);
}
document.querySelectorAll(".switch").forEach(addSwitch);
addEventListener("hashchange", openTarget);
openTarget();
