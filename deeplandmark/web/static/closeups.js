// One enlarged tile a point: where each level put it, and the way between.
import { colourOf } from "./colours.js";
import { pointsAt } from "./geometry.js";
import { paintDot } from "./paint.js";

const HALF = 0.1;                                                 // of a tile, as a fraction of the face box's width
const PIXELS = 272;
const LEAST_SHOWN = 110;                                          // CSS pixels; marks do not shrink with smaller tiles

export class Closeups {
  constructor(list) {
    this.list = list;
  }

  show(picture, answer, face, names) {
    const scale = picture.width / answer.width;
    this.face = face;
    if (!face) return this.list.replaceChildren();
    this.half = HALF * (face.box[2] - face.box[0]);
    this.tiles = face.points.map((point, i) => this.tile(i, point, picture, scale, names[i]));
    this.list.replaceChildren(...this.tiles.map((tile) => tile.item));
  }

  draw(position) {
    if (!this.face) return;
    pointsAt(this.face, position).forEach((point, i) => this.drawTile(this.tiles[i], i, point, position));
  }

  tile(i, middle, picture, scale, name) {
    const item = document.createElement("li");
    const canvas = document.createElement("canvas");
    const text = document.createElement("span");
    canvas.width = canvas.height = PIXELS;
    canvas.setAttribute("aria-hidden", "true");
    text.textContent = name;
    item.append(canvas, text);
    const [left, top] = middle.map((value) => (value + 0.5 - this.half) * scale);
    const side = 2 * this.half * scale;
    return { item, middle, picture, context: canvas.getContext("2d"), from: [left, top, side, side] };
  }

  drawTile({ context, picture, from, middle }, i, point, position) {
    const size = Math.max(1, LEAST_SHOWN / (context.canvas.clientWidth || LEAST_SHOWN));
    const at = ([x, y]) => [x - middle[0], y - middle[1]].map((value) => PIXELS / 2 * (1 + value / this.half));
    context.clearRect(0, 0, PIXELS, PIXELS);
    context.drawImage(picture, ...from, 0, 0, PIXELS, PIXELS);
    const passed = this.face.levels.slice(0, Math.floor(position)).map((points) => at(points[i]));
    for (const [width, colour] of [[9, "rgb(11 16 24 / 60%)"], [4, "#fff"]]) {
      context.lineWidth = width * size;
      context.strokeStyle = colour;
      context.beginPath();
      [...passed, at(point)].forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.stroke();
      for (const [x, y] of passed) {
        context.beginPath();
        context.arc(x, y, 9 * size, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    paintDot(context, ...at(point), 11 * size, colourOf(this.face.confidence[i]));
  }
}
