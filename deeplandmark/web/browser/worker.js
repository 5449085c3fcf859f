// Finds faces and their points in pictures, one after another, beside the page: what `Finder` does in a server.
import * as ort from "../../runtime/ort.js";
import { boxProblem } from "./boxes.js";
import { Cascade } from "./cascade.js";
import { Detector } from "./detector.js";
import { angleOf } from "./frames.js";
import { decode, greyOf } from "./picture.js";

const MODELS = new URL("../../model/", import.meta.url);
const ready = load();
ready.catch(() => {});                                            // told to whoever asks
let last = Promise.resolve();

addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data)).then(
    (result) => postMessage({ number: data.number, answer: result }),
    (error) => postMessage({ number: data.number, error: error.message || String(error) }));
});

async function load() {
  ort.env.wasm.numThreads = 1;                                    // more need headers that a plain host does not send
  const runtime = (name) => new URL(`../../runtime/${name}`, import.meta.url).href;
  ort.env.wasm.wasmPaths = { mjs: runtime("ort-wasm.js"), wasm: runtime("ort-wasm.wasm") };
  const settings = await (await fetch(new URL("settings.json", MODELS))).json();
  const open = (name) => ort.InferenceSession.create(new URL(name, MODELS).href, { executionProviders: ["wasm"] });
  const [search, verify, cascade] = [await open("s.onnx"), await open("v.onnx"), await open("cascade.onnx")];
  const detector = new Detector(ort, search, verify, settings);
  return { settings, detector, cascade: new Cascade(ort, cascade, settings) };
}

async function answer({ what, file, boxes, search }) {
  const parts = await ready;
  return what === "model" ? parts.settings.model : find(parts, file, boxes, search);
}

async function find({ settings, detector, cascade }, file, given, search) {
  const { pixels, faces: most } = settings.model.limits;
  const started = performance.now();
  const picture = await decode(file, pixels);
  const { width, height } = picture;
  const problem = given && boxProblem(given, width, height);
  if (problem) throw new Error(problem);
  const found = given ? given.map((box) => ({ box, score: null, angle: 0 }))
                      : (await detector.detect(picture, minFaceOf(search))).slice(0, most).map((face) => (
                          { box: face.box, score: face.score, angle: angleOf(face.points, settings) }));
  const located = await cascade.locate(greyOf(picture), found);
  const faces = located.map((face, i) => ({
    box: rounded(found[i].box, 2), points: rounded(face.levels.at(-1), 2), confidence: rounded(face.confidence, 4),
    score: found[i].score === null ? null : rounded(found[i].score, 4), levels: rounded(face.levels, 2),
  }));
  return { faces, ms: rounded(performance.now() - started, 1), width, height };
}

// The smallest face that the page's form asks for, in pixels.
function minFaceOf(search) {
  return search?.min_face ? Number(search.min_face) : null;
}

function rounded(value, digits) {
  return Array.isArray(value) ? value.map((each) => rounded(each, digits)) : Number(value.toFixed(digits));
}
