// Where faces are and how far they are turned: faces/upright.py. A frame is { angle, centre, side }: degrees, pixels.
import { inSteps, middleOf, squareOf, usable } from "./boxes.js";

export function frameOfBox([left, top, right, bottom], angle = 0) {
  const side = Math.sqrt(Math.max(right - left, 0) * Math.max(bottom - top, 0));
  return { angle, centre: [(left + right) / 2, (top + bottom) / 2], side };
}

export function frameOfPoints(five, { mean_face: meanFace, edge_shifts: shifts }) {
  const { middle, side } = squareOf(five);
  const mean = middleOf(meanFace);
  let [real, imaginary] = [0, 0];                                 // of the turn from the mean face, a complex number
  five.forEach(([px, py], i) => {
    const [x, y] = [px - middle[0], py - middle[1]];
    const [u, v] = [meanFace[i][0] - mean[0], meanFace[i][1] - mean[1]];
    real += x * u + y * v;
    imaginary += y * u - x * v;
  });
  const length = Math.hypot(real, imaginary) || 1;
  // The box about points in a square of side 1 about 0: its middle, and the side of a square as large.
  const edges = [-0.5, -0.5, 0.5, 0.5].map((edge, i) => edge + shifts[i]);
  const [sx, sy] = [(edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2];
  const centre = [middle[0] + side * (sx * real - sy * imaginary) / length,
                  middle[1] + side * (sx * imaginary + sy * real) / length];
  const size = Math.sqrt((edges[2] - edges[0]) * (edges[3] - edges[1]));
  return { angle: Math.atan2(imaginary, real) * 180 / Math.PI, centre, side: side * size };
}

export function angleOf(five, settings) {
  return frameOfPoints(five, settings).angle;
}

export function isUsable({ angle, centre: [x, y], side }) {
  return Number.isFinite(angle) && usable([x - side / 2, y - side / 2, x + side / 2, y + side / 2]);
}

// How far a frame is off from another.
export function misfit(frame, other) {
  const angle = turnBetween(other.angle - frame.angle);
  const away = other.centre.map((value, axis) => (value - frame.centre[axis]) / frame.side);
  return (angle / 20) ** 2 + (away[0] ** 2 + away[1] ** 2) / 0.15 ** 2 + (Math.log(other.side / frame.side) / 0.2) ** 2;
}

// -180 .. 180 degrees.
export function turnBetween(angle) {
  return ((angle + 180) % 360 + 360) % 360 - 180;
}

// The similarity from the picture's pixels to those of the face's patch, in whose middle its box stands upright.
export function patchMatrix(frame, { patch, box }, mirrored) {
  const angle = Math.floor(16 * frame.angle + 0.5) / 16;
  const [x, y, side] = inSteps([...frame.centre, frame.side], frame.side);
  const [cos, sin] = [Math.cos(angle * Math.PI / 180) * box / side, Math.sin(angle * Math.PI / 180) * box / side];
  const middle = (patch - 1) / 2;
  const across = [cos, sin, middle - cos * x - sin * y];
  const shown = mirrored ? [-cos, -sin, patch - 1 - across[2]] : across;
  return [...shown, -sin, cos, middle + sin * x - cos * y];
}
