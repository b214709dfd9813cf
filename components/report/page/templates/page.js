// Where the reader is, copying, and pictures that move.

const links = new Map(
  [...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]),
);
const seen = new Set();
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) seen.add(target.id);
      else seen.delete(target.id);
    }
    const current = [...links.keys()].find((id) => seen.has(id));
    for (const [id, link] of links) {
      if (id === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  },
  { rootMargin: "-20% 0px -60% 0px" },
);
for (const id of links.keys()) watcher.observe(document.getElementById(id));

for (const button of document.querySelectorAll(".copy")) {
  const code = button.previousElementSibling;
  const label = button.firstChild;
  const before = label.data;
  button.hidden = false;
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(code);
    // Old, but a page in a sandboxed frame may do nothing newer.
    label.data = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (label.data = before), 2000);
  });
}

for (const button of document.querySelectorAll(".still")) {
  const picture = button.closest("figure").querySelector("picture");
  const image = picture.querySelector("img");
  const still = picture.querySelector("source");
  const moving = image.src;
  button.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
  button.addEventListener("click", () => {
    const isMoving = image.src === moving;
    image.src = isMoving ? still.srcset : moving;
    button.textContent = isMoving ? "Play" : "Pause";
  });
}

// In the frame in which Kubeflow shows the page, a link within it would open Kubeflow's own page.
if (location.protocol === "about:") {
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById(link.hash.slice(1)).scrollIntoView();
    });
  }
}
