// Dark or light: the reader's system decides until the button is pressed.

const root = document.documentElement;
const button = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const KEY = "dogbreed-report-theme";

// Inside a sandboxed frame there is no storage, and merely asking for it throws.
function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It lasts as long as the page is open.
  }
}

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
}

function tell() {
  const other = isDark() ? "light" : "dark";
  button.textContent = other === "dark" ? "Dark" : "Light";
  button.setAttribute("aria-label", `Show in ${other} colours`);
  document.dispatchEvent(new Event("themechange"));
}

const before = remembered();
if (before === "dark" || before === "light") root.dataset.theme = before;
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  remember(root.dataset.theme);
  tell();
});
system.addEventListener("change", tell);
button.hidden = false;
tell();
