// Where faces are: detectors/single_shot.py, in two looks; its numbers come with the page, in model/settings.json.
import { boxOf, distinct, inSteps, middleOf, squareOf, usable } from "./boxes.js";
import { Halves, moved } from "./cutting.js";
import { brightened } from "./picture.js";

export class Detector {
  constructor(ort, search, verify, { detector, brightening, edge_shifts: edgeShifts }) {
    Object.assign(this, { ort, search, verify, brightening, edgeShifts, n: detector });
  }

  // Faces { points, score, box } of a picture, surest first.
  async detect(picture, minFace = null) {
    const halves = new Halves(picture);
    const smallest = this.smallestShare(picture, minFace);
    const candidates = await this.candidates(halves, smallest);
    await this.look(halves, candidates);
    const least = this.n.nearly * smallest * Math.min(picture.width, picture.height);
    return distinct(candidates, this.n.overlap)
      .filter(({ score, box }) => score >= this.n.score && box[2] - box[0] >= least);
  }

  smallestShare({ width, height }, minFace) {
    const share = (pixels) => (pixels <= 1 ? pixels : Math.min(1, pixels / Math.min(width, height)));
    if (minFace !== null) return share(minFace);
    return Math.max(this.n.share, Math.min(share(this.n.smallest), this.n.smallest / this.n.base));
  }

  async candidates(halves, smallest) {
    const found = [];
    const sizes = lookedAt(halves.picture, smallest, this.n);
    for (const size of sizes) found.push(...await this.seenAt(halves, size, size === sizes[0]));
    return distinct(found, this.n.overlap);
  }

  async seenAt(halves, size, isSmallest) {
    const [small, ratio] = halves.resized(size);
    const found = [];
    for (const { probabilities, places } of await this.run(this.search, [brightened(small, this.brightening)])) {
      const [rows, columns] = probabilities.dims.slice(2);
      const stride = small.width / columns;
      probabilities.data.forEach((score, cell) => {
        if (score < this.n.first_score) return;
        const middle = [cell % columns, Math.floor(cell / columns)].map((step) => (step + 0.5) * stride - 0.5);
        const points = pairs((i) => places.data[i * rows * columns + cell])
          .map((place) => place.map((value, axis) => middle[axis] + value * this.n.unit * stride));
        const box = boxOf(points, this.edgeShifts);
        if (usable(box) && (isSmallest || box[2] - box[0] < this.n.largest * this.n.base)) found.push(this.face(
          points.map((point) => point.map((value, axis) => (value + 0.5) / ratio[axis] - 0.5)), score));
      });
    }
    return found;
  }

  face(points, score) {
    return { points, score, box: boxOf(points, this.edgeShifts) };
  }

  // The second look: how sure it is, and where the points are exactly.
  async look(halves, candidates) {
    const { window, batch } = this.n;
    for (let start = 0; start < candidates.length; start += batch) {
      const faces = candidates.slice(start, start + batch);
      const matrices = faces.map(({ points }) => uprightWindow(points, window, this.n.width));
      const windows = matrices.map((matrix) => brightened(halves.window(matrix, window), this.brightening));
      const [{ probabilities, places }] = await this.run(this.verify, windows);
      faces.forEach((face, i) => {
        const inside = pairs((k) => places.data[10 * i + k] * window + (window - 1) / 2);
        Object.assign(face, this.face(inside.map((point) => moved(matrices[i], point)),
                                      Math.sqrt(face.score * probabilities.data[i])));
      });
    }
  }

  // [{ probabilities, places }] of the maps of a network that sees pictures of one size, from the finest.
  async run(session, pictures) {
    const outputs = await session.run({ [session.inputNames[0]]: this.asInput(pictures) });
    const maps = [1, 10].map((channels) => (
      session.outputNames.filter((name) => outputs[name].dims[1] === channels).sort().map((name) => outputs[name])));
    return maps[0].map((probabilities, i) => ({ probabilities, places: maps[1][i] }));
  }

  asInput(pictures) {
    const [{ width, height }] = pictures;
    const data = new Float32Array(pictures.length * 3 * width * height);
    pictures.forEach((picture, n) => {
      for (let channel = 0; channel < 3; channel += 1) {
        const plane = (n * 3 + channel) * width * height;
        for (let i = 0; i < width * height; i += 1) {
          data[plane + i] = (picture.data[3 * i + channel] - this.n.mean) / this.n.deviation;
        }
      }
    });
    return new this.ort.Tensor("float32", data, [pictures.length, 3, height, width]);
  }
}

// Sizes [width, height] in which the first network looks at a picture, the smallest first.
function lookedAt({ width, height }, minFace, { smallest, longest, base, step, multiple }) {
  const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
  const finest = Math.min(smallest / minFace, shorter * longest / longer);
  const count = Math.max(0, Math.ceil(Math.log(finest / base) / Math.log(step) - 0.1));
  const ratio = count ? (finest / base) ** (1 / count) : 1;
  return Array.from({ length: count + 1 }, (_, i) => finest / shorter / ratio ** (count - i)).map((scale) => (
    [width, height].map((side) => multiple * Math.max(1, halfToEven(side * scale / multiple)))));
}

// As Python rounds.
function halfToEven(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + floor % 2 : Math.round(value);
}

// detectors/upright.py: the matrix that brings the pixels of a window, upright about five points, to the picture's.
function uprightWindow(found, size, width) {
  const points = found.map((point) => inSteps(point, squareOf(found).side));
  const { middle, side } = squareOf(points);
  const [eyes, mouth] = [middleOf(points.slice(0, 2)), middleOf(points.slice(3))];
  const length = Math.hypot(mouth[0] - eyes[0], mouth[1] - eyes[1]);
  const down = length > 0 ? [(mouth[0] - eyes[0]) / length, (mouth[1] - eyes[1]) / length] : [0, 1];
  const step = width / size * side;
  const [across, along] = [[down[1] * step, -down[0] * step], [down[0] * step, down[1] * step]];
  const corner = middle.map((value, axis) => value - (size - 1) / 2 * (across[axis] + along[axis]));
  return [across[0], along[0], corner[0], across[1], along[1], corner[1]];
}

function pairs(number) {
  return Array.from({ length: 5 }, (_, i) => [number(2 * i), number(2 * i + 1)]);
}
