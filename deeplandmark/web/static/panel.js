// The result in words and numbers, and the files to save.
import { colourOf } from "./colours.js";
import { paintFaces } from "./paint.js";

export function describe(answer) {
  const count = answer.faces.length;
  const found = count === 0 ? "No face found" : count === 1 ? "1 face found" : `${count} faces found`;
  return `${found} in ${Math.round(answer.ms)} ms.`;
}

export function fillPoints(body, face, points, names) {
  body.replaceChildren(...points.map(([x, y], i) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    const swatch = document.createElement("span");
    head.scope = "row";
    swatch.className = "swatch";
    swatch.style.background = colourOf(face.confidence[i]);
    head.append(swatch, names[i]);
    row.append(head, ...[x.toFixed(1), y.toFixed(1), face.confidence[i].toFixed(2)].map(cell));
    return row;
  }));
}

// Where the head looks, in words and degrees; nothing where the answer does not tell.
export function describePose(face) {
  if (!face.pose) return "";
  const [pitch, yaw, roll] = face.pose.map((angle) => Math.round(angle));
  const part = (angle, above, below) => `${Math.abs(angle)}° ${angle < 0 ? below : above}`;
  return `The head looks ${part(yaw, "to the right", "to the left")} and ${part(pitch, "up", "down")}, ` +
    `tilted ${part(roll, "clockwise", "anticlockwise")}.`;
}

export function saveJson(answer, name) {
  save(new Blob([`${JSON.stringify(answer, null, 1)}\n`], { type: "application/json" }), `${name}.json`);
}

export function saveCsv(text, name) {
  save(new Blob([text], { type: "text/csv" }), `${name}.csv`);
}

// What finds the same from Python: of so many points where they are not the usual, with the box that was given by hand,
// where there is one, or else with how faces were looked for.
export function asPython(file, name, { box, points, search }) {
  const path = JSON.stringify(file.name ?? `${name}.jpg`);
  const edges = box?.map((edge) => edge.toFixed(1)).join(", ");
  const options = [points && `points=${points}`, search.min_face && `min_face=${search.min_face}`,
                   search.thorough && "thorough=True"].filter(Boolean);
  const found = box ? `deeplandmark.load(${points ? `"${points}"` : ""}).locate(${path}, [[${edges}]], looks="auto")`
    : `deeplandmark.find(${[path, ...options].join(", ")})`;
  return `import deeplandmark\n\nfaces = ${found}\nprint(faces.points, faces.confidence)\n`;
}

export function savePicture(picture, answer, model, state, name) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const unit = Math.max(1, Math.max(picture.width, picture.height) / 1000);
  paintFaces(context, answer, model, { scale: picture.width / answer.width, unit, ...state });
  canvas.toBlob((blob) => save(blob, `${name}-points.jpg`), "image/jpeg", 0.93);
}

function cell(text) {
  const element = document.createElement("td");
  element.textContent = text;
  return element;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
