"use strict";
// What reports do beyond being read: charts, details of heat maps, filters, copying, saving. Without it, everything is still there as text.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

async function unpack(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// Charts. Their colours are names of the style sheet's variables, looked up again when the reader changes to dark or light.
function colored(value, style) {
  if (typeof value === "string" && value.startsWith("var(")) return style.getPropertyValue(value.slice(4, -1)).trim();
  if (Array.isArray(value)) return value.map((inner) => colored(inner, style));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, colored(inner, style)]));
}

const viewsOf = (id) => document.querySelector(`[data-views~="${CSS.escape(id)}"]`);

// A line is hidden where one of its properties is switched off: its run, or training and test.
function isOn(meta = {}) {
  return all("[data-switch]").every((box) => box.checked || String(meta[box.dataset.switch]) !== box.value);
}

function draw(place) {
  const id = place.dataset.chart;
  const chosen = viewsOf(id).querySelector("input:checked");
  const figure = colored(JSON.parse(byId(`${id}-data`).textContent)[chosen.value], getComputedStyle(document.documentElement));
  for (const trace of figure.data) trace.visible = isOn(trace.meta);
  const finger = matchMedia("(pointer: coarse)").matches; // it scrolls the page
  figure.layout.dragmode = finger ? false : "zoom";
  const config = { responsive: true, displaylogo: false, displayModeBar: finger ? false : "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  Plotly.react(place, figure.data, figure.layout, config);
}

async function startCharts() {
  const places = all("[data-chart]");
  if (!places.length) return;
  const plotly = document.createElement("script");
  plotly.textContent = await unpack("packed-plotly");
  document.head.append(plotly);
  for (const place of places) {
    place.replaceChildren();
    const views = viewsOf(place.dataset.chart);
    views.hidden = false;
    views.addEventListener("change", () => draw(place));
    draw(place);
  }
  for (const switches of all("[data-switches]")) {
    switches.hidden = false;
    switches.addEventListener("change", () => places.forEach(draw));
  }
  all("[data-zoom]").forEach(startZoom);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => places.forEach(draw));
}

// Zoom along the x axis by buttons, for the keyboard and for fingers, which scroll the page.
const MOVES = { in: [0.25, -0.25], out: [-0.5, 0.5], left: [-0.25, -0.25], right: [0.25, 0.25] };

function startZoom(group) {
  const place = document.querySelector(`[data-chart="${CSS.escape(group.dataset.zoom)}"]`);
  group.hidden = false;
  group.addEventListener("click", (event) => {
    const what = event.target.closest("[data-do]")?.dataset.do;
    if (what === "all") Plotly.relayout(place, { "xaxis.autorange": true, "yaxis.autorange": true });
    if (!(what in MOVES)) return;
    const [low, high] = place.layout.xaxis.range, width = high - low;
    Plotly.relayout(place, { "xaxis.range": [low + MOVES[what][0] * width, high + MOVES[what][1] * width] });
  });
}

// Parts of the page that show one run at a time.
function startPanels(chooser) {
  const panels = all(`[data-panel="${CSS.escape(chooser.dataset.panels)}"]`);
  const choose = () => {
    const chosen = Number(chooser.querySelector("input:checked").value);
    panels.forEach((panel, index) => { panel.hidden = index !== chosen; });
  };
  chooser.hidden = false;
  chooser.addEventListener("change", choose);
  choose();
}

// Heat maps: details of the cell that is pointed at or focused, arrow keys, layers that open.
const tip = byId("tip");

function showTip(cell) {
  tip.textContent = cell.dataset.tip;
  tip.hidden = false;
  const at = cell.getBoundingClientRect(), width = tip.offsetWidth, height = tip.offsetHeight;
  const left = Math.min(Math.max(8, at.left + at.width / 2 - width / 2), document.documentElement.clientWidth - width - 8);
  const above = at.top - height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
}

const hideTip = () => { tip.hidden = true; };
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function move(event) {
  const step = ARROWS[event.key], cell = event.target.closest("[data-tip]");
  if (event.key === "Escape") hideTip();
  if (!step || !cell) return;
  event.preventDefault();
  const visible = (element) => element.offsetParent !== null;
  const rows = all("tbody tr", cell.closest("table")).filter(visible);
  let row = rows.indexOf(cell.parentElement), column = cell.cellIndex, next = null;
  do { // over what was not compared
    row += step[0];
    column += step[1];
    next = rows[row]?.cells[column];
  } while (next && !(next.matches("[data-tip]") && visible(next)));
  if (!next) return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function startHeat(box) {
  const table = box.querySelector("table");
  const first = table.querySelector("[data-tip]");
  if (first) first.tabIndex = 0;
  const find = (event) => event.target.closest("[data-tip]");
  for (const name of ["pointerover", "focusin"]) table.addEventListener(name, (event) => find(event) ? showTip(find(event)) : hideTip());
  for (const name of ["pointerleave", "focusout"]) table.addEventListener(name, hideTip);
  table.addEventListener("click", (event) => find(event)?.focus());
  table.addEventListener("keydown", move);
  box.addEventListener("scroll", hideTip, true);
  const bodies = all("tbody", table).filter((body) => body.querySelector(".tensor"));
  bodies.forEach(startLayer);
  const button = box.querySelector("[data-tensors]");
  if (!button) return; // a matrix without layers
  button.hidden = !bodies.length;
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", open);
    bodies.forEach((body) => setOpen(body, open));
  });
}

function startLayer(body) {
  const head = body.querySelector("th");
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => setOpen(body, body.classList.contains("closed")));
  setOpen(body, body.classList.contains("wrong"));
}

function setOpen(body, open) {
  body.classList.toggle("closed", !open);
  body.querySelector("th button").setAttribute("aria-expanded", open);
}

// The list of all figures.
function startFilters(form) {
  const rows = all("#all-figures tbody tr");
  const apply = () => {
    const text = form.text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = (form.backend.value && row.dataset.backend !== form.backend.value)
        || (form.stage.value && row.dataset.stage !== form.stage.value)
        || (form.wrong.checked && !("wrong" in row.dataset))
        || (text && !row.textContent.toLowerCase().includes(text));
      shown += !row.hidden;
    }
    form.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

// Copying and saving.
function startCopy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = byId(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch { // not allowed from disk in every browser: then the text is selected, ready to be copied
      getSelection().selectAllChildren(source);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2500);
  });
}

function startSave(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await unpack("packed-data")], { type: "application/json" }));
    link.download = button.dataset.save;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

all("[data-heat]").forEach(startHeat);
all("[data-panels]").forEach(startPanels);
all("[data-filters]").forEach(startFilters);
all("[data-copy]").forEach(startCopy);
all("[data-save]").forEach(startSave);
startCharts();
