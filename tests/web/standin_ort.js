// Stands in for ONNX Runtime's wasm in tests: the machine that serves the page runs the networks.
export const env = { wasm: {} };

export class Tensor {
  constructor(type, data, dims) {
    Object.assign(this, { type, data, dims });
  }
}

export class InferenceSession {
  static async create(model) {
    const session = Object.assign(new InferenceSession(), { model });
    return Object.assign(session, await post("open", [{ model }]));
  }

  async run(feeds) {
    const inputs = Object.entries(feeds).map(([name, { type, dims }]) => ({ name, type, dims }));
    const outputs = await post("run", [{ model: this.model, inputs }, ...Object.values(feeds).map(({ data }) => data)]);
    return Object.fromEntries(outputs.map(({ name, dims, data }) => (
      [name, new Tensor("float32", Float32Array.from(data), dims)])));
  }
}

// A line of JSON, and the numbers of the inputs after it.
async function post(what, [question, ...numbers]) {
  const body = new Blob([`${JSON.stringify(question)}\n`, ...numbers]);
  return (await fetch(new URL(`../${what}`, import.meta.url), { method: "POST", body })).json();
}
