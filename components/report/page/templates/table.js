// Tables that sort by a column and show only rows that hold a text.

const collator = new Intl.Collator("en", { numeric: true });

function compare(a, b, kind) {
  return kind === "number" ? Number(a) - Number(b) : collator.compare(a, b);
}

function sort(table, column, header) {
  const kind = header.dataset.sort;
  // Numbers start with the least, where trouble is; names with A.
  const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const keyed = [...table.tBodies[0].rows].map((row) => [row.cells[column].dataset.value, row]);
  // What is missing goes last either way.
  keyed.sort(([a], [b]) => (a === "" ? (b === "" ? 0 : 1) : b === "" ? -1 : direction * compare(a, b, kind)));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
  for (const other of table.querySelectorAll("th[aria-sort]")) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
}

for (const table of document.querySelectorAll(".sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (header.dataset.sort === "none") return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, column, header));
    header.append(button);
    header.setAttribute("aria-sort", "none");
  });
}

for (const input of document.querySelectorAll("input[data-table]")) {
  const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
  const status = document.getElementById(`${input.id}-count`);
  const none = document.getElementById("breed-none");
  const all = status.textContent;
  input.addEventListener("input", () => {
    const sought = input.value.trim().toLocaleLowerCase();
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(sought);
    const shown = rows.filter((row) => !row.hidden).length;
    status.textContent = shown === rows.length ? all : `${shown} of ${all}`;
    none.hidden = shown > 0;
  });
  input.closest(".filter").hidden = false;
}
