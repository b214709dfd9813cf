// The confusion matrix: in which order its breeds stand, and which part of it is seen.

const plot = document.getElementById("chart-confusion");

function start() {
  const tools = document.getElementById("matrix-tools");
  const chosen = document.getElementById("matrix-breed");
  const clustered = plot.data[0].x.map((_, place) => place);
  // Names are escaped for Plotly; as an option they must be whole again.
  const words = new DOMParser();
  const names = plot.data[0].x.map((name) => words.parseFromString(name, "text/html").body.textContent);
  const alphabetical = [...clustered].sort((a, b) => names[a].localeCompare(names[b], "en"));
  const count = names.length;
  let order = clustered;
  const AROUND = Math.min(6, count); // breeds on either side of the one gone to

  const arrange = (row) => order.map((place) => row[place]);
  plot.keepsZoom = true;
  plot.arranged = (trace) => ({
    ...trace,
    x: arrange(trace.x),
    y: arrange(trace.y),
    ...Object.fromEntries(["z", "text", "customdata"].map((key) => [key, arrange(trace[key]).map(arrange)])),
  });

  function show(middleX, middleY, half) {
    const fit = (middle) => {
      const low = Math.max(-0.5, Math.min(middle - half, count - 0.5 - 2 * half));
      return [low, Math.min(count - 0.5, low + 2 * half)];
    };
    const [top, bottom] = fit(middleY);
    Plotly.relayout(plot, { "xaxis.range": fit(middleX), "yaxis.range": [bottom, top] });
  }

  function zoom(factor) {
    const [left, right] = plot.layout.xaxis.range;
    const [bottom, top] = plot.layout.yaxis.range;
    const half = Math.min(count / 2, Math.max(1.5, ((right - left) / 2) * factor));
    show((left + right) / 2, (bottom + top) / 2, half);
  }

  const all = () => show((count - 1) / 2, (count - 1) / 2, count / 2);
  tools.addEventListener("click", ({ target }) => {
    if (target.dataset.zoom === "in") zoom(0.5);
    if (target.dataset.zoom === "out") zoom(2);
    if (target.dataset.zoom === "all") all();
  });
  for (const place of alphabetical) chosen.add(new Option(names[place], place));
  chosen.addEventListener("change", () => {
    if (chosen.value === "") return all();
    const place = order.indexOf(Number(chosen.value));
    show(place, place, AROUND + 0.5);
  });
  tools.addEventListener("change", ({ target }) => {
    if (target.name !== "matrix-order") return;
    order = target.value === "alphabetical" ? alphabetical : clustered;
    plot.dispatchEvent(new Event("rearrange", { bubbles: true }));
    if (chosen.value !== "") chosen.dispatchEvent(new Event("change"));
  });
  tools.hidden = false;
}

if (plot) plot.keepsSquare = true;
plot?.addEventListener("drawn", start, { once: true });
