// Boxes [left, top, right, bottom] and the points that they are made of: faces/box.py, faces/box_of_points.py.
const LARGEST = 4;                                                // times the picture's longer side

export function middleOf(points) {
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
}

// The middle of the square about points, and its side: four root mean square distances.
export function squareOf(points) {
  const [x, y] = middleOf(points);
  const squares = points.reduce((sum, point) => sum + (point[0] - x) ** 2 + (point[1] - y) ** 2, 0);
  return { middle: [x, y], side: 4 * Math.sqrt(squares / points.length) };
}

export function boxOf(points, shifts) {
  const { middle: [x, y], side } = squareOf(points);
  return [x - side / 2, y - side / 2, x + side / 2, y + side / 2].map((edge, i) => edge + shifts[i] * side);
}

export function usable(box) {
  const [left, top, right, bottom] = box.map(Math.fround);
  return box.every((edge) => Math.abs(edge) < 1e6) && right - left >= 1 / 16 && bottom - top >= 1 / 16;
}

// Faces { box, score } that are none of a surer one, surest first: they share at most so much of their union.
export function distinct(faces, most) {
  const kept = [];
  for (const face of faces.filter(({ box }) => usable(box)).sort((one, other) => other.score - one.score)) {
    if (!kept.some((surer) => overlap(face.box, surer.box) > most)) kept.push(face);
  }
  return kept;
}

function overlap(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  return shared / (areaOf(one) + areaOf(other) - shared);
}

function areaOf([left, top, right, bottom]) {
  return (right - left) * (bottom - top);
}

// What is wrong with the first of boxes that was not meant for this picture, or nothing.
export function boxProblem(boxes, width, height) {
  for (const box of boxes) {
    const [left, top, right, bottom] = box;
    const name = `The box ${box.map((edge) => Number(edge.toFixed(1))).join(", ")}`;
    if (!usable(box)) return `${name} has no area; the order is left, top, right, bottom.`;
    if (!(right > 0 && bottom > 0 && left < width && top < height)) return `${name} lies outside the picture.`;
    if (Math.max(right - left, bottom - top) > LARGEST * Math.max(width, height)) {
      return `${name} is more than ${LARGEST} times as large as the picture.`;
    }
  }
  return null;
}

// faces/in_steps.py: places in steps of a side, so that the last digits of what networks say count for nothing.
export function inSteps(values, side) {
  const step = 2 ** Math.floor(Math.log2(side)) / 1024;
  return side > 0 ? values.map((value) => Math.floor(value / step + 0.5) * step) : values;
}
