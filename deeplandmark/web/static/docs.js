// openapi.json as a page to read.

const description = await (await fetch("openapi.json")).json();
const root = new URL(".", location.href).href;
document.getElementById("example").textContent = [
  "# the faces of a picture",
  `curl -F image=@face.jpg ${root}api/landmarks`,
  "",
  "# the points of a face whose box is known: left,top,right,bottom",
  `curl -F image=@face.jpg -F boxes=84,92,161,169 -F level=2 ${root}api/landmarks`,
].join("\n");
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    document.getElementById("operations").append(sectionOf(`${method.toUpperCase()} ${path}`, operation));
  }
}

function sectionOf(title, operation) {
  const section = make("section", make("h2", make("code", title)), make("p", operation.summary));
  if (operation.description) section.append(make("p", operation.description));
  for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
    section.append(make("h3", `Fields, ${type}`), fields(resolve(schema)));
  }
  const answers = Object.entries(operation.responses).map(([status, { description, content }]) => (
    [status, description, make("code", typeOf(content["application/json"].schema))]));
  section.append(make("h3", "Answers"), table(["status", "meaning", "holds"], answers));
  for (const name of schemasOf(operation.responses)) {
    section.append(make("h3", name), fields(description.components.schemas[name]));
  }
  return section;
}

// Names of all schemas that the answers are made of.
function schemasOf(responses) {
  const names = new Set();
  const visit = (value) => {
    if (value?.$ref) {
      names.add(nameOf(value.$ref));
      visit(resolve(value));
    } else if (value && typeof value === "object") {
      Object.values(value).forEach(visit);
    }
  };
  visit(responses);
  return names;
}

function fields(schema) {
  return table(["name", "kind", "meaning"], Object.entries(schema.properties).map(([name, field]) => {
    const optional = schema.required.includes(name) ? "" : ", optional";
    return [make("code", name), typeOf(field) + optional, field.description ?? ""];
  }));
}

function typeOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return [schema.type].flat().join(" or ");
}

function table(heads, rows) {
  return make("table", make("thead", make("tr", ...heads.map((head) => make("th", head)))),
              make("tbody", ...rows.map((row) => make("tr", ...row.map((value) => make("td", value))))));
}

function resolve(schema) {
  return schema.$ref ? description.components.schemas[nameOf(schema.$ref)] : schema;
}

function nameOf(ref) {
  return ref.split("/").at(-1);
}

function make(tag, ...children) {
  const element = document.createElement(tag);
  element.append(...children);
  return element;
}
