"use strict";

const $ = (id) => document.getElementById(id);
const FRAME = Number(document.body.dataset.milliseconds);
const HOLD = 6; // frames that the end stays before both clips begin anew
const POLL = 2000; // ms between looks for new questions
const WAITS = [300, 1000, 3000]; // ms before an answer that got lost is sent again
const SAID = { left: "left is better", right: "right is better", equal: "equal", skip: "skipped" };
const KEYS = {
  1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", e: "equal", "=": "equal", s: "skip",
  u: "undo", Backspace: "undo", " ": "play", ",": "back", ".": "on", "?": "help",
};

let state = null; // what the server said last
let pair = null; // the question on show: {id, clips, images}
let seenAt = 0; // when both clips were there, ms
let sending = false;
let step = 0; // the frame both clips are at
let steppedAt = 0;
let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
const images = new Map(); // clip id -> Image, loaded or loading

// ---- Clips

function imageOf(clip) {
  if (!images.has(clip.id)) {
    const image = new Image();
    image.src = `/clips/${clip.id}.png`;
    image.onerror = () => images.delete(clip.id);
    images.set(clip.id, image);
  }
  return images.get(clip.id);
}

function draw(side, clip, image) {
  const canvas = $(side);
  const frame = Math.min(step, clip.frames - 1);
  if (canvas.width !== clip.width || canvas.height !== clip.height) {
    canvas.width = clip.width;
    canvas.height = clip.height;
  }
  const x = (frame % clip.columns) * clip.width;
  const y = Math.floor(frame / clip.columns) * clip.height;
  canvas.getContext("2d").drawImage(image, x, y, clip.width, clip.height, 0, 0, clip.width, clip.height);
  const steps = clip.frames - 1;
  $(`${side}-steps`).textContent = `step ${frame} of ${steps}${frame === steps ? ", end" : ""}`;
}

function show() {
  if (!ready()) return;
  pair.clips.forEach((clip, place) => draw(["left", "right"][place], clip, pair.images[place]));
  $("time").style.width = `${(100 * Math.min(step, longest() - 1)) / Math.max(longest() - 1, 1)}%`;
}

const longest = () => Math.max(...pair.clips.map((clip) => clip.frames));
const ready = () => pair !== null && seenAt > 0;

function tick(now) {
  if (ready() && playing && now - steppedAt >= FRAME) {
    // Late by many frames (a tab in the background): go on from here instead of running after them.
    steppedAt = now - steppedAt > 4 * FRAME ? now : steppedAt + FRAME;
    step = (step + 1) % (longest() - 1 + HOLD);
    show();
  }
  requestAnimationFrame(tick);
}

function play(on) {
  playing = on;
  $("play").firstChild.textContent = playing ? "Pause " : "Play ";
}

function move(by) {
  if (!ready()) return;
  play(false);
  step = Math.max(0, Math.min(longest() - 1, Math.min(step, longest() - 1) + by));
  show();
}

async function present(query) {
  const loading = { id: query.id, clips: query.clips, images: query.clips.map(imageOf) };
  pair = loading;
  seenAt = 0;
  enable();
  try {
    await Promise.all(loading.images.map((image) => image.decode()));
  } catch {
    if (pair === loading) {
      trouble("The clips of this question cannot be loaded. Trying again …");
      pair = null; // the next look at the server presents it anew
      loading.clips.forEach((clip) => images.delete(clip.id));
    }
    return;
  }
  if (pair !== loading) return;
  seenAt = steppedAt = performance.now();
  step = 0;
  enable();
  show();
}

// ---- What the server says

function take(news) {
  state = news;
  const known = new Set(state.next.flatMap((query) => query.clips.map((clip) => clip.id)));
  for (const id of images.keys()) if (!known.has(id)) images.delete(id);
  state.next.forEach((query) => query.clips.forEach(imageOf));
  const first = state.next[0] ?? null;
  if (first === null) pair = null;
  else if (pair === null || pair.id !== first.id) present(first);
  $("question").hidden = first === null;
  $("empty").hidden = first !== null;
  $("why").textContent = state.hidden
    ? `${state.hidden} open questions have no pictures and are left out.`
    : "Every question is answered. New ones appear here by themselves.";
  const all = state.labelled + state.open;
  $("progress").max = Math.max(all, 1);
  $("progress").value = state.labelled;
  $("count").textContent = `${state.labelled} answered, ${state.open} open`;
  $("none").hidden = state.recent.length > 0;
  $("recent").replaceChildren(...state.recent.map(entry));
  enable();
}

function entry(label, place) {
  const item = document.createElement("li");
  const seconds = label.seconds === null ? "" : ` · ${label.seconds.toFixed(1)} s`;
  item.textContent = `${state.labelled - place}. ${SAID[label.choice]}${seconds}`;
  return item;
}

function enable() {
  for (const button of document.querySelectorAll("[data-choice]")) button.ariaDisabled = String(!ready() || sending);
  $("skip").hidden = pair === null;
  $("undo").disabled = !state || state.recent.length === 0;
}

function trouble(text) {
  if ($("trouble").textContent !== text) $("trouble").textContent = text;
  $("trouble").hidden = text === "";
}

const later = (ms) => new Promise((done) => setTimeout(done, ms));

async function look() {
  for (;;) {
    if (!sending) {
      try {
        const reply = await fetch(`/state?seen=${state && pair !== null ? state.version : ""}`);
        if (!sending && (await accepted(reply)) && reply.status === 200) take(await reply.json());
      } catch {
        trouble("The server does not answer. Is `selfplay label` still running? Trying again …");
      }
    }
    await later(POLL);
  }
}

async function accepted(reply) {
  if (reply.ok) trouble("");
  else if (reply.status === 403) trouble("This page is not let in any more: open the new link that `selfplay label` prints.");
  else trouble(`The server refused: ${(await reply.json().catch(() => ({}))).error ?? reply.status}`);
  return reply.ok;
}

// ---- What is sent. It is kept in the tab until it is acknowledged, and sent again with the same id: it counts once.

const OUTBOX = "outbox";

function fresh() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(path, body, said) {
  sessionStorage.setItem(OUTBOX, JSON.stringify({ path, body, said }));
  sending = true;
  enable();
  for (let lost = 0; ; lost++) {
    try {
      const reply = await fetch(path, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
      });
      if (reply.status < 500) {
        const taken = await accepted(reply);
        if (reply.status !== 403) sessionStorage.removeItem(OUTBOX); // after 403 it is sent by the page let in next
        sending = false;
        if (taken) {
          take(await reply.json());
          $("status").textContent = said;
        }
        break;
      }
    } catch {
      // lost on the way, there or back
    }
    trouble("Not saved yet: the server does not answer. Trying again …");
    await later(WAITS[Math.min(lost, WAITS.length - 1)]);
  }
  sending = false;
  enable();
}

function answer(choice) {
  if (!ready() || sending) return;
  const seconds = Math.round(performance.now() - seenAt) / 1000;
  send("/answer", { id: fresh(), query: pair.id, choice, seconds }, `Saved: ${SAID[choice]}.`);
}

function undo() {
  if (sending || !state || state.recent.length === 0) return;
  const last = state.recent[0];
  send("/undo", { id: fresh(), answer: last.answer }, `Undone: ${SAID[last.choice]}. Its question is open again.`);
}

// ---- Keys and buttons

function act(what) {
  if (what === "undo") undo();
  else if (what === "play") play(!playing);
  else if (what === "back") move(-1);
  else if (what === "on") move(1);
  else if (what === "help") $("help").showModal();
  else answer(what);
}

document.addEventListener("keydown", (event) => {
  const what = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (what === undefined || event.ctrlKey || event.altKey || event.metaKey || $("help").open) return;
  if (event.key === " " && event.target instanceof HTMLButtonElement) return; // presses that button
  event.preventDefault();
  if (event.repeat && what !== "back" && what !== "on") return; // a key held down answers once
  act(what);
});
for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => answer(button.dataset.choice));
}
$("undo").addEventListener("click", undo);
$("play").addEventListener("click", () => play(!playing));
$("ask").addEventListener("click", () => $("help").showModal());

async function begin() {
  play(playing);
  requestAnimationFrame(tick);
  const waiting = JSON.parse(sessionStorage.getItem(OUTBOX) ?? "null");
  if (waiting !== null) await send(waiting.path, waiting.body, waiting.said);
  look();
}

begin();
