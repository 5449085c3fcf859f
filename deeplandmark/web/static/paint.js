// Faces on any canvas: the page's, and the one of the picture to save.
import { colourOf } from "./colours.js";
import { pointsAt, windowsAt } from "./geometry.js";

// `scale`: canvas pixels a picture pixel; `unit`: canvas pixels of a CSS pixel, for lines and the smallest dot.
export function paintFaces(context, answer, model, { scale, unit, position, selected }) {
  answer.faces.forEach((face, i) => {
    context.globalAlpha = i === selected || selected < 0 ? 1 : 0.8;
    if (i === selected) paintWindows(context, windowsAt(face, model, position), scale, unit);
    paintCorners(context, face.box, scale, unit);
    if (answer.faces.length > 1) paintNumber(context, face.box, i + 1, scale, unit);
    const points = pointsAt(face, position);
    paintLines(context, points, model.lines, scale, unit);
    paintPoints(context, face, points, scale, unit);
    if (face.pose) paintAxes(context, face, scale, unit);
  });
  context.globalAlpha = 1;
}

export function place(value, scale) {
  return (value + 0.5) * scale;                                   // whole numbers are the middles of pixels
}

export function paintDot(context, x, y, radius, colour) {
  for (const [r, fill] of [[radius * 1.45, "#fff"], [radius * 1.25, "#0b1018"], [radius, colour]]) {
    context.beginPath();
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
  }
}

function paintLines(context, points, lines, scale, unit) {
  context.lineJoin = context.lineCap = "round";
  for (const [width, colour] of [[3, "rgb(11 16 24 / 55%)"], [1.5, "rgb(255 255 255 / 80%)"]]) {
    context.lineWidth = width * unit;
    context.strokeStyle = colour;
    for (const line of lines) {
      context.beginPath();
      line.forEach((i, k) => context[k ? "lineTo" : "moveTo"](...points[i].map((value) => place(value, scale))));
      context.stroke();
    }
  }
}

function paintPoints(context, face, points, scale, unit) {
  const many = Math.min(1, Math.sqrt(5 / points.length));         // dots of 68 points shall not hide the face
  const width = many * (face.box[2] - face.box[0]) * scale;
  const radius = Math.min(Math.max(width * 0.022, 2.8 * many * unit), 7 * unit);
  points.forEach(([x, y], i) => {
    const doubt = 1 - face.confidence[i];                          // a wide halo says the same as the colour
    context.beginPath();
    context.arc(place(x, scale), place(y, scale), radius * 1.6 + doubt * width * 0.12, 0, 2 * Math.PI);
    context.fillStyle = "rgb(255 255 255 / 28%)";
    context.fill();
    paintDot(context, place(x, scale), place(y, scale), radius, colourOf(face.confidence[i]));
  });
}

// The head's axes from the middle of its points: red to the right, green down, blue to where the nose points.
function paintAxes(context, face, scale, unit) {
  const [[sp, cp], [sy, cy], [sr, cr]] = face.pose.map((angle) => angle * Math.PI / 180)
    .map((angle) => [Math.sin(angle), Math.cos(angle)]);
  const ends = [[cr * cy, sr * cy], [cr * sy * sp - sr * cp, sr * sy * sp + cr * cp],
                [cr * sy * cp + sr * sp, sr * sy * cp - cr * sp]];
  const middle = [0, 1].map((axis) => face.points.reduce((sum, point) => sum + point[axis], 0) / face.points.length);
  const length = 0.5 * (face.box[2] - face.box[0]);
  context.lineWidth = 2.5 * unit;
  ends.forEach((end, i) => {
    context.strokeStyle = ["#e60000", "#00c800", "#0078ff"][i];
    context.beginPath();
    context.moveTo(...middle.map((value) => place(value, scale)));
    context.lineTo(...middle.map((value, axis) => place(value + length * end[axis], scale)));
    context.stroke();
  });
}

function paintWindows(context, windows, scale, unit) {
  for (const [width, colour] of [[2.5, "rgb(11 16 24 / 45%)"], [1, "rgb(255 255 255 / 85%)"]]) {
    context.lineWidth = width * unit;
    context.strokeStyle = colour;
    for (const { centre, half } of windows) {
      context.strokeRect(place(centre[0] - half[0], scale), place(centre[1] - half[1], scale),
                         2 * half[0] * scale, 2 * half[1] * scale);
    }
  }
}

function paintCorners(context, box, scale, unit) {
  const [left, top, right, bottom] = box.map((value) => place(value, scale));
  const arm = 0.16 * (right - left);
  const path = new Path2D();
  const corners = [[left, top, 1, 1], [right, top, -1, 1], [right, bottom, -1, -1], [left, bottom, 1, -1]];
  for (const [x, y, dx, dy] of corners) {
    path.moveTo(x + dx * arm, y);
    path.lineTo(x, y);
    path.lineTo(x, y + dy * arm);
  }
  context.lineJoin = context.lineCap = "round";
  for (const [width, colour] of [[5, "#0b1018"], [2.5, "#fff"]]) {
    context.lineWidth = width * unit;
    context.strokeStyle = colour;
    context.stroke(path);
  }
}

function paintNumber(context, box, number, scale, unit) {
  const [left, top] = box.slice(0, 2).map((value) => place(value, scale));
  const size = 20 * unit;
  const [x, y] = [Math.max(left - size / 2, 0), Math.max(top - size / 2, 0)];
  context.fillStyle = "#0b1018";
  context.beginPath();
  context.roundRect(x, y, size, size, size / 4);
  context.fill();
  context.fillStyle = "#fff";
  context.font = `600 ${13 * unit}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(number, x + size / 2, y + size / 2);
}
