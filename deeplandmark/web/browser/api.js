// The answers of the page that needs no server, by the names of static/api.js: a worker of the browser gives them.
const worker = new Worker(new URL("browser/worker.js", import.meta.url), { type: "module" });
const waiting = new Map();                                        // number of a question -> who waits for its answer
let asked = 0;
let failed = null;

worker.addEventListener("message", ({ data: { number, answer, error } }) => {
  const { resolve, reject } = waiting.get(number);
  waiting.delete(number);
  if (error) reject(new Error(error)); else resolve(answer);
});
worker.addEventListener("error", (event) => {
  failed = new Error(`The worker failed: ${event.message ?? "it did not load"}.`);
  for (const { reject } of waiting.values()) reject(failed);
  waiting.clear();
});

export function readModel() {
  return ask({ what: "model" });
}

export async function findLandmarks(file, { boxes, search, signal } = {}) {
  const answer = await ask({ what: "find", file, boxes, search });
  signal?.throwIfAborted();
  return answer;
}

function ask(question) {
  return new Promise((resolve, reject) => {
    if (failed) throw failed;
    asked += 1;
    waiting.set(asked, { resolve, reject });
    worker.postMessage({ number: asked, ...question });
  });
}
