// Sends each picture that is dropped, chosen or pasted to the page's server, and shows the answer.

const AT_ONCE = 4; // pictures under way; more wait their turn
const KEPT = 50; // answers; older ones are taken away

const answers = document.getElementById("answers");
const drop = document.getElementById("drop");
const files = document.getElementById("files");
const clear = document.getElementById("clear");
const statusLine = document.getElementById("status");
const waiting = [];
const RESERVES = {
  unsure: "Unsure: more likely another breed than the first of these.",
  unknown: "Not a dog we know. What follows is only the least unlike it.",
};
let underWay = 0;

async function reply(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Error("This page's server has stopped. Start 'dogbreed demo' again.");
  }
  const body = await response.json().catch(() => ({ error: `The server said ${response.status}.` }));
  if (!response.ok) throw new Error(body.error);
  return body;
}

async function showStatus() {
  try {
    const { model, version, server } = await reply(fetch("/status"));
    const state = version === null ? "is not ready yet" : `version ${version}`;
    statusLine.textContent = `Model ${model}, ${state}, at ${server}`;
    statusLine.classList.remove("away");
  } catch (error) {
    statusLine.textContent = error.message;
    statusLine.classList.add("away");
  }
}

function add(chosen) {
  for (const file of chosen) {
    const card = document.getElementById("answer").content.firstElementChild.cloneNode(true);
    const picture = card.querySelector(".picture");
    const name = file.name || "pasted picture";
    picture.src = URL.createObjectURL(file);
    picture.alt = `Your picture ${name}`;
    picture.addEventListener("error", () => picture.classList.add("unseen"));
    card.querySelector("figcaption").textContent = name;
    answers.prepend(card);
    waiting.push([file, card]);
  }
  while (answers.children.length > KEPT) remove(answers.lastElementChild);
  tidy();
  next();
}

function remove(card) {
  URL.revokeObjectURL(card.querySelector(".picture").src);
  card.remove();
}

function tidy() {
  const some = answers.children.length > 0;
  clear.hidden = !some;
  document.getElementById("none").hidden = some;
}

function next() {
  while (underWay < AT_ONCE && waiting.length > 0) {
    const [file, card] = waiting.shift();
    if (!card.isConnected) continue;
    underWay += 1;
    ask(file, card).finally(() => {
      underWay -= 1;
      next();
    });
  }
}

async function ask(file, card) {
  const wait = card.querySelector(".wait");
  try {
    show(await reply(fetch("/predict", { method: "POST", body: file })), card);
  } catch (error) {
    const line = card.querySelector(".error");
    line.textContent = error.message;
    line.hidden = false;
  }
  wait.hidden = true;
}

function show(answer, card) {
  const list = card.querySelector(".guesses");
  for (const { breed, probability, sample } of answer.guesses) {
    const row = document.getElementById("guess").content.firstElementChild.cloneNode(true);
    row.querySelector(".breed").textContent = breed;
    row.querySelector(".percent").textContent = `${(probability * 100).toFixed(1)} %`;
    row.querySelector(".share").style.width = `${probability * 100}%`;
    if (sample !== null) {
      const picture = new Image();
      picture.alt = `A sample of ${breed}`;
      picture.addEventListener("load", () => row.querySelector(".sample").replaceChildren(picture));
      picture.src = `/samples/${sample}`;
    }
    list.append(row);
  }
  list.hidden = false;
  if (answer.certainty in RESERVES) {
    const reserve = card.querySelector(".reserve");
    reserve.textContent = RESERVES[answer.certainty];
    reserve.hidden = false;
    card.classList.add(answer.certainty);
  }
  const about = card.querySelector(".about");
  about.textContent = `${Math.round(answer.latency_ms)} ms, model ${answer.model}, version ${answer.version}`;
  about.hidden = false;
  if (statusLine.classList.contains("away")) showStatus();
}

files.addEventListener("change", () => {
  add(files.files);
  files.value = ""; // so that choosing the same picture again is a change
});
clear.addEventListener("click", () => {
  [...answers.children].forEach(remove);
  tidy();
  files.focus();
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer.files);
});
showStatus();
