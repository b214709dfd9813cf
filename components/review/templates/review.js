// Decisions: taken by buttons and keys, remembered by the browser, saved as a table.

const suspects = [...document.querySelectorAll(".suspect")];
const breeds = new Map(
  [...document.querySelectorAll("#breeds option")].map(({ value }) => [folded(value), value]),
);
const earlier = JSON.parse(document.getElementById("earlier").textContent);
const progress = document.getElementById("progress");
const KEY = `dogbreed-review-${document.body.dataset.key}`;
const undoable = [];
let saved = true;

function folded(breed) {
  return breed.normalize("NFC").replaceAll("_", " ").toLocaleLowerCase().trim();
}

function decisions() {
  const decided = suspects.filter(({ dataset }) => dataset.decision);
  return Object.fromEntries(decided.map(({ dataset }) => [dataset.file, dataset.decision]));
}

// What the browser keeps would be lost with it: the file is what counts.
function remember() {
  try {
    localStorage.setItem(KEY, JSON.stringify(decisions()));
  } catch {
    // Without storage the decisions last as long as the page is open.
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function show(suspect) {
  const { decision, suggested } = suspect.dataset;
  for (const button of suspect.querySelectorAll("[data-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choice === decision));
  }
  const other = suspect.querySelector("input");
  const breed = /^(?:relabel|new):(.*)$/.exec(decision)?.[1] ?? "";
  other.value = breed === suggested ? "" : breed;
  other.classList.toggle("chosen", other.value !== "");
  suspect.querySelector(".new").hidden = !decision.startsWith("new:");
  const count = suspects.filter(({ dataset }) => dataset.decision).length;
  progress.textContent = `${count} of ${suspects.length} decided${count && !saved ? ", not saved yet" : ""}`;
}

function decide(suspect, decision) {
  suspect.dataset.decision = decision;
  saved = false;
  show(suspect);
  remember();
}

function choose(suspect, decision) {
  decide(suspect, decision);
  undoable.push(suspect);
  goTo(suspects[suspects.indexOf(suspect) + 1] ?? suspect);
}

function undo() {
  const suspect = undoable.pop();
  if (!suspect) return;
  decide(suspect, "");
  goTo(suspect);
}

function mark(suspect) {
  for (const other of suspects) other.removeAttribute("aria-current");
  suspect.setAttribute("aria-current", "true");
}

function goTo(suspect) {
  mark(suspect);
  suspect.focus({ preventScroll: true });
  suspect.scrollIntoView({ block: "start" });
}

function current() {
  return suspects.find((suspect) => suspect.hasAttribute("aria-current")) ?? suspects[0];
}

function decisionFor(breed) {
  if (!breed.trim()) return "";
  const known = breeds.get(folded(breed));
  return known ? `relabel:${known}` : `new:${breed.trim()}`;
}

function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save() {
  const rows = Object.entries({ ...earlier, ...decisions() });
  const lines = [["file", "decision"], ...rows].map((row) => row.map(quoted).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
  link.download = "decisions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  saved = true;
  if (suspects.length) show(current());
}

const before = remembered();
for (const suspect of suspects) {
  suspect.dataset.decision = before[suspect.dataset.file] ?? suspect.dataset.decision;
  show(suspect);
  suspect.querySelector(".choices").hidden = false;
  for (const button of suspect.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => choose(suspect, button.dataset.choice));
  }
  const other = suspect.querySelector("input");
  other.addEventListener("change", () => decide(suspect, decisionFor(other.value)));
  other.addEventListener("keydown", (event) => {
    if (event.key === "Escape") other.blur();
    if (event.key === "Enter" && other.value.trim()) choose(suspect, decisionFor(other.value));
  });
  suspect.addEventListener("focusin", () => mark(suspect));
}
document.getElementById("save").addEventListener("click", save);
document.querySelector(".saving").hidden = false;
document.querySelector(".keys").hidden = false;

const keys = {
  k: (suspect) => choose(suspect, "keep"),
  d: (suspect) => choose(suspect, "drop"),
  r: ({ dataset }) => dataset.suggested && choose(current(), `relabel:${dataset.suggested}`),
  o: (suspect) => suspect.querySelector("input").focus(),
  u: undo,
  arrowdown: (suspect) => goTo(suspects[suspects.indexOf(suspect) + 1] ?? suspect),
  arrowup: (suspect) => goTo(suspects[suspects.indexOf(suspect) - 1] ?? suspect),
};
document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement || !suspects.length) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act(current());
});
addEventListener("beforeunload", (event) => {
  if (!saved) event.preventDefault();
});
