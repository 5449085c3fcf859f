// The picture on the page's canvas, as large as there is room, with the faces drawn over it.
import { paintFaces } from "./paint.js";

export class Scene {
  constructor(canvas, room) {
    this.canvas = canvas;
    this.room = room;
    this.state = { position: 1, selected: 0 };
    new ResizeObserver(() => this.fit()).observe(room);
  }

  // Shows a picture (ImageBitmap) of so many pixels for the server; they differ only where the browser scaled it down.
  show(picture, answer, model) {
    Object.assign(this, { picture, answer, model });
    this.fit();
  }

  clear() {
    Object.assign(this, { picture: null, answer: null, band: null });
    this.canvas.width = this.canvas.height = 0;
  }

  set(changes) {
    Object.assign(this.state, changes);
    this.draw();
  }

  fit() {
    if (!this.picture) return;
    const { width, height } = this.picture;
    const room = this.room.clientWidth;
    const shown = Math.min(room / width, Math.max(0.7 * innerHeight, 320) / height, 4);
    this.unit = devicePixelRatio || 1;
    this.canvas.style.width = `${width * shown}px`;
    // A page that is being left has no room, and a picture may be a line; a canvas of no pixels cannot be drawn.
    this.canvas.width = Math.max(1, Math.round(width * shown * this.unit));
    this.canvas.height = Math.max(1, Math.round(height * shown * this.unit));
    this.base = scaled(this.picture, this.canvas.width, this.canvas.height);
    this.draw();
  }

  draw() {
    if (!this.picture) return;
    const context = this.canvas.getContext("2d");
    context.drawImage(this.base, 0, 0);
    if (this.answer) {
      const scale = this.canvas.width / this.answer.width;
      paintFaces(context, this.answer, this.model, { scale, unit: this.unit, ...this.state });
    }
    if (this.band) {
      context.setLineDash([6 * this.unit, 4 * this.unit]);
      context.lineWidth = 2 * this.unit;
      context.strokeStyle = "#fff";
      context.strokeRect(...this.band);
      context.setLineDash([]);
    }
  }

  // Picture pixels of a place on the page.
  toPicture(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const scale = (this.answer?.width ?? this.picture.width) / width;
    return [(event.clientX - left) * scale - 0.5, (event.clientY - top) * scale - 0.5];
  }

  setBand(from, to) {                                             // a box being dragged, picture pixels, or nothing
    const scale = this.canvas.width / (this.answer?.width ?? this.picture?.width ?? 1);
    const corner = from?.map((value) => (value + 0.5) * scale);
    this.band = from && [...corner, (to[0] - from[0]) * scale, (to[1] - from[1]) * scale];
    this.draw();
  }
}

function scaled(picture, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
}
