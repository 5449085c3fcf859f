// The page: puts its parts together. What is shown follows from `now`.
import { Album } from "./album.js";
import { findLandmarks, readModel } from "./api.js";
import { BoxByHand } from "./byhand.js";
import { Camera } from "./camera.js";
import { Closeups } from "./closeups.js";
import { asPython, describe, describePose, fillPoints, saveCsv, saveJson, savePicture } from "./panel.js";
import { Player } from "./player.js";
import { Scene } from "./scene.js";
import { listen } from "./sources.js";

const EXPLANATIONS = [
  "Level 1 looks at the whole face box and places all points at once.",
  "Level 2 looks at a square around each point of level 1, and moves the point.",
  "Level 3 looks closer still, and makes the last correction.",
];

const WHOLE = "One network looks at the whole face and places all points at once; where it is worth it, twice.";
const FEW = 10;                                                   // points that are worth a close-up each

const part = (id) => document.getElementById(id);
const now = { file: null, name: "", picture: null, answer: null, selected: 0, request: null };
const scene = new Scene(part("canvas"), part("stage"));
const album = new Album(part("album"), choose);
const closeups = new Closeups(part("closeups"));
const player = new Player(showPosition, showLevel);
const camera = new Camera(showFrame);
const byHand = new BoxByHand(scene, { stage: part("stage"), button: part("drag"), form: part("box") },
                             (box) => find([box]));
const frames = [];                                                // times of the webcam's last ones
let model;                                                        // of the points that are chosen
let all;

start();

async function start() {
  try {
    all = model = await readModel();
  } catch (error) {
    return showError(error);
  }
  makeSets();
  makeLevels();
  listen({ input: part("file"), sample: part("sample"), stage: part("stage") }, open, showError);
  part("camera").addEventListener("click", toggleCamera);
  part("how").addEventListener("submit", (event) => {
    event.preventDefault();
    openAnew();
  });
  part("replay").addEventListener("click", () => player.play(model.levels.length));
  part("faces").addEventListener("change", (event) => select(Number(event.target.value)));
  part("save-json").addEventListener("click", () => saveJson(now.answer, now.name));
  part("save-csv").addEventListener("click", () => saveCsv(album.csv(), now.name));
  part("copy-python").addEventListener("click", copyPython);
  part("save-picture").addEventListener("click", () => {
    savePicture(now.picture, now.answer, model, scene.state, now.name);
  });
}

// How many points of a face, where there is a choice.
function makeSets() {
  const names = [all.points.length, ...Object.keys(all.others)];
  part("sets").replaceChildren(...names.map((name) => new Option(`${name} points`, name)));
  part("sets-row").hidden = names.length < 2;
  part("sets").addEventListener("change", (event) => {
    model = { ...all, ...all.others[event.target.value] };
    makeLevels();
    openAnew();                                                   // what was found is of other points
  });
}

function openAnew() {
  if (now.file && !camera.on) open(album.entries.map(({ file, name }) => ({ file, name })));
}

function makeLevels() {
  part("levels").replaceChildren(part("levels").firstElementChild);
  for (const id of ["levels", "replay"]) part(id).hidden = model.levels.length < 2;
  model.levels.forEach((level, i) => {
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "level", className: "unseen" });
    Object.assign(input, { id: `level-${level}`, value: i + 1 });
    const label = Object.assign(document.createElement("label"), { htmlFor: input.id, textContent: level });
    input.addEventListener("change", () => player.go(i + 1));
    part("levels").append(input, label);
  });
}

// ------------------------------------------------------------------------------------------------ a picture comes in
// Shows the first of some pictures, and then looks at the others, which wait in the strip.
async function open(entries) {
  stopCamera();
  album.start(entries);
  for (const [i, entry] of entries.entries()) {
    if (i === 0) await choose(0); else if (!entry.answer && !entry.error) await look(entry);
    if (album.entries !== entries) return;                        // others have come
  }
}

async function choose(i) {
  const entry = album.entries[i];
  stopCamera();
  album.mark(entry);
  Object.assign(now, { file: entry.file, name: entry.name, entry });
  if (!entry.answer) return find();
  now.request?.abort();
  now.box = entry.box;
  showError(null);
  setBusy(false);
  return show(entry.answer, entry.picture);
}

async function look(entry) {
  try {
    const { answer, picture } = await lookAt(entry.file);
    if (!entry.answer) album.set(entry, { answer, picture });
  } catch (error) {
    album.set(entry, { error: error.message });
  }
}

// The server's answer, of the points that are chosen, and the picture as the browser shows it.
async function lookAt(file, more = {}) {
  const decoding = createImageBitmap(file);
  decoding.catch(() => {});                                       // what the server says of a bad file comes first
  const answer = await findLandmarks(file, { points: model.points.length, search: searched(), ...more });
  const picture = await decoding.catch(() => {
    throw new Error("This browser cannot show the file; deeplandmark detect reads it.");
  });
  return { answer, picture };
}

// How faces are looked for, by the form's names; what is left empty is as usual.
function searched() {
  return Object.fromEntries([...new FormData(part("how"))].filter(([, value]) => value));
}

// Sends the picture; with `boxes`, the faces are these instead of those that are found.
async function find(boxes) {
  now.request?.abort();
  const request = now.request = new AbortController();
  const { file } = now;
  showError(null);
  setBusy(true);
  try {
    if (file.size > model.limits.bytes) {
      throw new Error(`The file has ${megabytes(file.size)}; at most ${megabytes(model.limits.bytes)} are taken.`);
    }
    const { answer, picture } = await lookAt(file, { boxes, signal: request.signal });
    if (now.request !== request) return;
    now.box = boxes?.[0];
    album.set(now.entry, { answer, picture, error: undefined, box: now.box });
    show(answer, picture);
  } catch (error) {
    if (error.name !== "AbortError" && now.request === request) {
      if (!boxes) {
        clear();                                                  // what is shown is of another file
        album.set(now.entry, { error: error.message });
      }
      showError(new Error(file.name ? `${file.name}: ${error.message}` : error.message));
    }
  }
  if (now.request === request) setBusy(false);
}

function clear() {
  Object.assign(now, { answer: null, picture: null, selected: 0 });
  part("canvas").setAttribute("aria-label", "No picture yet");
  scene.clear();
  part("empty").hidden = part("steps").hidden = false;
  part("panel").hidden = true;
}

function show(answer, picture) {
  Object.assign(now, { answer, picture, selected: 0 });
  part("status").textContent = describe(answer);
  part("canvas").setAttribute("aria-label", `The picture. ${describe(answer)}`);
  part("empty").hidden = part("steps").hidden = true;
  part("panel").hidden = false;
  part("by-hand").open ||= answer.faces.length === 0;
  document.querySelectorAll(".after").forEach((element) => { element.hidden = answer.faces.length === 0; });
  part("faces-row").hidden = answer.faces.length < 2;
  part("faces").replaceChildren(...answer.faces.map((_, i) => new Option(`${i + 1} of ${answer.faces.length}`, i)));
  player.jump(1);
  scene.show(picture, answer, model);
  select(0);
  if (answer.faces.length) player.play(model.levels.length);
}

function select(selected) {
  const face = now.answer.faces[selected];
  now.selected = selected;
  scene.set({ selected });
  byHand.fill(face?.box);
  if (!face) return;
  const few = face.points.length <= FEW;
  part("closeups-title").hidden = !few;
  closeups.show(now.picture, now.answer, few ? face : null, model.names);
  showPosition(player.position);
  showLevel(Math.round(player.position));
}

// ------------------------------------------------------------------------------------------------------------ levels
function showPosition(position) {
  scene.set({ position });
  closeups.draw(position);
}

function showLevel(position) {
  const face = now.answer?.faces[now.selected];
  if (!face) return;
  part(`level-${model.levels[position - 1]}`).checked = true;
  part("explanation").textContent = model.levels.length > 1 ? EXPLANATIONS[position - 1] : WHOLE;
  part("pose").textContent = describePose(face);
  fillPoints(part("points"), face, face.levels[position - 1], model.names);
}

// ------------------------------------------------------------------------------------------------------------ webcam
async function toggleCamera() {
  if (camera.on) return stopCamera();
  album.start([]);
  frames.splice(0);
  now.request?.abort();
  showError(null);
  try {
    await camera.start();
    part("camera").setAttribute("aria-pressed", "true");
    part("camera").textContent = "Stop and keep this picture";
    part("status").textContent = "The webcam is on.";
    part("rate").hidden = false;
  } catch (error) {
    showError(error);
  }
}

function stopCamera() {
  if (!camera.on) return;
  camera.stop();
  part("camera").setAttribute("aria-pressed", "false");
  part("camera").textContent = "Use the webcam";
  part("rate").hidden = true;
  if (now.answer) show(now.answer, now.picture);
}

async function showFrame(file) {
  try {
    const { answer, picture } = await lookAt(file);
    if (!camera.on) return;
    Object.assign(now, { file, name: "webcam", answer, picture, selected: 0, box: null });
    album.entries = [now.entry = { file, name: "webcam", answer, picture }];
    tellRate();
    part("empty").hidden = part("steps").hidden = true;
    scene.state = { position: model.levels.length, selected: -1 };
    scene.show(picture, answer, model);
  } catch (error) {
    stopCamera();
    showError(error);
  }
}

// Frames a second, over the last second or so.
function tellRate() {
  const time = performance.now();
  frames.push(time);
  while (frames.length > 2 && time - frames[0] > 1500) frames.shift();
  const rate = 1000 * (frames.length - 1) / (time - frames[0]);
  if (frames.length > 1) part("rate").textContent = `${rate.toFixed(1)} frames a second`;
}

// ------------------------------------------------------------------------------------------------------------- words
async function copyPython() {
  const points = Object.keys(all.others).find((name) => all.others[name].points.length === model.points.length);
  const text = asPython(now.file, now.name, { box: now.box, points, search: searched() });
  try {
    await navigator.clipboard.writeText(text);
  } catch {                                                       // a page without https, or one that is not in front
    addEventListener("copy", (event) => {
      event.clipboardData.setData("text/plain", text);
      event.preventDefault();
    }, { once: true });
    document.execCommand("copy");
  }
  part("status").textContent = "Copied: the lines of Python that find the same.";
}

function setBusy(busy) {
  part("stage").setAttribute("aria-busy", busy);
  if (busy) part("status").textContent = "Looking for faces …";
}

function showError(error) {
  part("error").textContent = error?.message ?? "";
  if (error) part("status").textContent = now.answer ? describe(now.answer) : "No picture yet.";
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
