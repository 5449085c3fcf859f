// Several pictures: a strip of thumbnails, and what was found in each.
const HEIGHT = 72;                                                // CSS pixels of a thumbnail

export class Album {
  constructor(list, onChoose) {
    Object.assign(this, { list, onChoose, entries: [] });
  }

  // entries: [{ file, name }]; of each there will be { answer, picture } or { error }.
  start(entries) {
    this.entries = entries;
    this.list.hidden = entries.length < 2;
    this.list.replaceChildren(...(entries.length < 2 ? [] : entries.map((entry, i) => this.item(entry, i))));
  }

  item(entry, i) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const canvas = Object.assign(document.createElement("canvas"), { width: HEIGHT, height: HEIGHT });
    canvas.setAttribute("aria-hidden", "true");
    entry.text = Object.assign(document.createElement("span"), { textContent: "…" });
    Object.assign(entry, { button, canvas });
    button.setAttribute("aria-label", `${entry.name}: not looked at yet`);
    button.append(canvas, entry.text);
    button.addEventListener("click", () => this.onChoose(i));
    item.append(button);
    return item;
  }

  // What was found in a picture, or why nothing could be.
  set(entry, result) {
    Object.assign(entry, result);
    if (!entry.button) return;
    const count = entry.answer?.faces.length;
    const found = entry.error ?? (count === 1 ? "1 face" : `${count} faces`);
    entry.text.textContent = entry.error ? "!" : count;
    entry.button.setAttribute("aria-label", `${entry.name}: ${found}`);
    if (entry.picture) drawThumbnail(entry.canvas, entry.picture);
  }

  mark(entry) {
    this.entries.forEach(({ button }, i) => button?.setAttribute("aria-current", this.entries[i] === entry));
  }

  // All faces of all pictures as a table: the columns of `deeplandmark detect --csv` that pictures have.
  csv() {
    const rows = this.entries.flatMap(({ name, file, answer }) => (answer?.faces ?? []).map((face) => [
      file.name ?? name, ...face.box, ...face.points.flat(), ...face.confidence, face.score ?? ""]));
    const count = this.entries.find(({ answer }) => answer?.faces.length)?.answer.faces[0].points.length ?? 0;
    const numbers = Array.from({ length: count }, (_, i) => i + 1);
    const head = ["picture", "left", "top", "right", "bottom", ...numbers.flatMap((i) => [`x${i}`, `y${i}`]),
                  ...numbers.map((i) => `confidence${i}`), "score"];
    return [head, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
  }
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text;
}

function drawThumbnail(canvas, picture) {
  const scale = devicePixelRatio || 1;
  canvas.height = Math.round(HEIGHT * scale);
  canvas.width = Math.max(1, Math.round(Math.min(2 * HEIGHT, HEIGHT * picture.width / picture.height) * scale));
  const side = Math.max(canvas.width / picture.width, canvas.height / picture.height);
  const [width, height] = [picture.width * side, picture.height * side];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}
