// A face box given by hand: dragged over the picture, or typed.
const EDGES = ["left", "top", "right", "bottom"];

export class BoxByHand {
  constructor(scene, { stage, button, form }, onBox) {
    Object.assign(this, { scene, stage, button, form, onBox });
    button.addEventListener("click", () => this.toggle(button.getAttribute("aria-pressed") !== "true"));
    form.addEventListener("submit", (event) => this.submit(event));
    scene.canvas.addEventListener("pointerdown", (event) => this.down(event));
    scene.canvas.addEventListener("pointermove", (event) => this.move(event));
    scene.canvas.addEventListener("pointerup", (event) => this.up(event));
    scene.canvas.addEventListener("pointercancel", () => this.end());
  }

  fill(box) {
    EDGES.forEach((edge, i) => { this.form.elements[edge].value = box ? box[i].toFixed(1) : ""; });
  }

  toggle(on) {
    this.button.setAttribute("aria-pressed", on);
    this.stage.classList.toggle("dragging", on);
  }

  submit(event) {
    event.preventDefault();
    this.onBox(EDGES.map((edge) => this.form.elements[edge].valueAsNumber));
  }

  down(event) {
    if (!this.stage.classList.contains("dragging")) return;
    this.scene.canvas.setPointerCapture(event.pointerId);
    this.from = this.scene.toPicture(event);
  }

  move(event) {
    if (this.from) this.scene.setBand(this.from, this.scene.toPicture(event));
  }

  up(event) {
    if (!this.from) return;
    const [from, to] = [this.from, this.scene.toPicture(event)];
    this.end();
    const box = [...from.map((value, i) => Math.min(value, to[i])), ...from.map((value, i) => Math.max(value, to[i]))];
    if (box[2] - box[0] < 4 || box[3] - box[1] < 4) return;       // a click, not a box
    this.toggle(false);
    this.onBox(box);
  }

  end() {
    this.from = null;
    this.scene.setBand(null);
  }
}
