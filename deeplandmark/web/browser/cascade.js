// Points of faces: cascade/onnx_engine.py, and networks/looks.py where a face is worth another look (looks="auto").
import { aligned, inverted, moved } from "./cutting.js";
import { middleOf } from "./boxes.js";
import { frameOfBox, frameOfPoints, isUsable, misfit, patchMatrix, turnBetween } from "./frames.js";
import { part } from "./picture.js";

export class Cascade {
  constructor(ort, session, settings) {
    Object.assign(this, { ort, session, settings, n: settings.looks });
  }

  // { levels [L][k][x, y], spread [L][k], confidence [k] } of each of faces { box, angle } in a grey picture.
  async locate(picture, given) {
    const faces = given.map(({ box, angle }) => (
      { picture, box, frame: frameOfBox(box, Math.abs(turnBetween(angle)) > this.n.tilted ? angle : 0) }));
    const upright = faces.filter(({ frame }) => frame.angle === 0);
    const answers = await this.run(picture, upright.map(({ box }) => box));
    upright.forEach((face, i) => { face.answer = answers[i]; });
    for (const face of faces) face.answer ??= await this.look(face, face.frame);
    if (this.settings.five) {
      for (const face of faces) await this.lookFurther(face);
    }
    return faces.map(({ answer }) => answer);
  }

  async lookFurther(face) {
    const first = face.frame;
    await this.lookUntilItFits(face);
    if (!this.settings.calibrated || sureness(face.answer) >= this.n.lost) return;
    let best = null;
    for (const turn of this.n.turns) {
      const frame = { ...first, angle: first.angle + turn };
      const answer = await this.look(face, frame);
      if (!best || sureness(answer) > sureness(best.answer)) best = { ...face, frame, answer };
    }
    await this.lookUntilItFits(best);
    const [odds, before] = [best, face].map(({ answer }) => oddsOf(sureness(answer)));
    if (sureness(best.answer) > this.n.lost && odds > this.n.unlikely * before) face.answer = best.answer;
  }

  async lookUntilItFits(face) {
    let wanted = this.settings.calibrated && sureness(face.answer) < this.n.sure;
    for (let look = 1; look < this.n.most; look += 1) {
      const frame = frameOfPoints(this.fiveOf(face.answer.levels.at(-1)), this.settings);
      const off = misfit(face.frame, frame);
      if (!(off > this.n.fits || wanted) || !isUsable(frame)) return;
      const answer = await this.look(face, frame, look % 2 === 1);
      const [odds, before] = [oddsOf(sureness(answer)), oddsOf(sureness(face.answer))];
      const share = off > this.n.off && odds > before ? 1 : odds / (odds + before);
      const mean = ([key, value]) => [key, mixed(face.answer[key], value, share)];
      Object.assign(face, { frame, answer: Object.fromEntries(Object.entries(answer).map(mean)) });
      wanted = off > this.n.off;
    }
  }

  fiveOf(points) {
    return this.settings.five.map((some) => middleOf(some.map((i) => points[i])));
  }

  // The answer of a face in a frame, in pixels of its picture.
  async look({ picture }, frame, mirrored = false) {
    const { patch, box } = this.n;
    const matrix = patchMatrix(frame, this.n, mirrored);
    const edges = [patch - box, patch - box, patch + box, patch + box].map((edge) => edge / 2 - 0.5);
    const [answer] = await this.run(aligned(picture, matrix, patch), [edges]);
    const back = inverted(matrix);
    const named = (values) => (mirrored ? this.settings.mirror.map((i) => values[i]) : values);
    return {
      levels: answer.levels.map((points) => named(points).map((point) => moved(back, point))),
      spread: answer.spread.map((level) => named(level).map((value) => value * frame.side / box)),
      confidence: named(answer.confidence),
    };
  }

  async run(picture, boxes) {
    const answers = [];
    for (const some of parts(boxes, this.settings.engine)) {
      const found = await this.runPart(picture, some.map((i) => boxes[i]));
      some.forEach((i, k) => { answers[i] = found[k]; });
    }
    return answers;
  }

  async runPart(picture, boxes) {
    const [image, left, top] = around(picture, boxes, this.settings.engine);
    const edges = boxes.flatMap((box) => [box[0] - left, box[1] - top, box[2] - left, box[3] - top]);
    const { levels, spread, confidence } = await this.session.run({
      image: new this.ort.Tensor("uint8", new Uint8Array(image.data.buffer), [image.height, image.width]),
      boxes: new this.ort.Tensor("float32", Float32Array.from(edges), [boxes.length, 4]),
    });
    const [, count, points] = levels.dims;
    const range = (length, value) => Array.from({ length }, (_, i) => value(i));
    return boxes.map((_, face) => ({
      levels: range(count, (level) => range(points, (point) => {
        const at = 2 * ((face * count + level) * points + point);
        return [levels.data[at] + left, levels.data[at + 1] + top];
      })),
      spread: range(count, (level) => range(points, (point) => spread.data[(face * count + level) * points + point])),
      confidence: range(points, (point) => confidence.data[face * points + point]),
    }));
  }
}

// Numbers of faces in parts that are run at once: those of a size together, and no more pixels than fit.
function parts(boxes, { faces, pixels }) {
  const longest = boxes.map(([left, top, right, bottom]) => Math.max(right - left, bottom - top));
  const result = [];
  let part = [];
  for (const i of boxes.map((_, face) => face).sort((one, other) => longest[one] - longest[other])) {
    if (part.length === faces || part.length && (part.length + 1) * longest[i] ** 2 > pixels) {
      result.push(part);
      part = [];
    }
    part.push(i);
  }
  return part.length ? [...result, part] : result;
}

// Of a large picture the part that the windows of boxes may see, and its left and top: cascade/mosaic.py.
function around(picture, boxes, { reach, large }) {
  const { width, height } = picture;
  if (width * height <= large) return [picture, 0, 0];
  const margins = boxes.map((box) => [0, 1].map((axis) => reach * (box[axis + 2] - box[axis]) + 2));
  const inside = (value, low, high) => Math.min(Math.max(Math.floor(value), low), high);
  const [left, top] = [0, 1].map((axis) => inside(
    Math.min(...boxes.map((box, i) => box[axis] - margins[i][axis])), 0, [width, height][axis] - 1));
  const [right, bottom] = [0, 1].map((axis) => inside(Math.max(...boxes.map((box, i) => (
    box[axis + 2] + margins[i][axis]))), [left, top][axis], [width, height][axis] - 1));
  return [part(picture, left, top, right + 1, bottom + 1), left, top];
}

function sureness({ confidence }) {
  return confidence.reduce((sum, value) => sum + value, 0) / confidence.length;
}

function oddsOf(probability) {
  const inside = Math.min(Math.max(probability, 1e-6), 1 - 1e-6);
  return inside / (1 - inside);
}

// The mean of two numbers, or of lists of lists of them; the share of the second given.
function mixed(one, other, share) {
  if (!Array.isArray(one)) return one + share * (other - one);
  return one.map((value, i) => mixed(value, other[i], share));
}
