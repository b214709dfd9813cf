// Draws the charts in the theme's colours, one after the other so that the page stays responsive.

const root = document.documentElement;
const charts = JSON.parse(document.getElementById("charts").textContent);
const plots = [...document.querySelectorAll(".plot")];
const PRINT_PX = 660;
const NARROW_PX = 500;
const FEW = 16; // columns whose names fit below them even so
const probe = document.body.appendChild(document.createElement("span"));
probe.hidden = true;
// A finger that drags wants to scroll the page.
const coarse = matchMedia("(pointer: coarse)").matches;
// No bar of buttons: the keyboard cannot reach them. The matrix has its own.
const CONFIG = { displayModeBar: false, responsive: true };

function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

// Colours are names of custom properties, under keys that say so: a breed's name is left alone.
function coloured(value, isColour = false) {
  if (typeof value === "string") return isColour && value.startsWith("--") ? colour(value) : value;
  if (Array.isArray(value)) {
    return isColour || typeof value[0] === "object"
      ? value.map((inner) => coloured(inner, isColour))
      : value;
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, coloured(inner, /color/.test(key))]),
  );
}

function draw(plot, width) {
  const { data, layout } = charts[plot.dataset.chart];
  const shown = coloured(layout);
  if (coarse) shown.dragmode = false;
  if (width) shown.width = width;
  const room = width ?? plot.clientWidth;
  if (plot.keepsSquare && room < shown.height) {
    // Columns stand in the order of the rows: where there is no room, rows alone have names.
    if (room < NARROW_PX && data[0].x.length > FEW) shown.xaxis.showticklabels = false;
    shown.height = Math.round(1.1 * room);
  }
  plot.style.height = plot.style.minHeight = `${shown.height}px`;
  for (const axis of ["xaxis", "yaxis"]) {
    const zoomed = plot.layout?.[axis]?.range;
    if (zoomed && plot.keepsZoom) shown[axis].range = [...zoomed];
  }
  if (!plot.data) plot.replaceChildren();
  const dataShown = data.map((trace) => coloured(plot.arranged ? plot.arranged(trace) : trace));
  return Plotly.react(plot, dataShown, shown, CONFIG);
}

function redraw() {
  for (const plot of plots) if (plot.data) draw(plot);
}

async function drawAll() {
  for (const plot of plots) {
    if (!plot.data) await draw(plot);
    plot.dispatchEvent(new Event("drawn"));
    await new Promise((resolve) => setTimeout(resolve));
  }
  root.dataset.drawn = "";
}

document.addEventListener("themechange", redraw);
document.addEventListener("rearrange", (event) => draw(event.target));

// Paper is white and narrower than a screen.
addEventListener("beforeprint", () => {
  root.dataset.printing = "";
  for (const plot of plots) draw(plot, plot.closest(".charts") ? PRINT_PX / 2 - 16 : PRINT_PX);
});
addEventListener("afterprint", () => {
  delete root.dataset.printing;
  redraw();
});
drawAll();
