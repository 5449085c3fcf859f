// The server's answers. Every failure becomes an Error whose message a person can read.

export async function readModel() {
  return answerOf(await fetch("api/model"));
}

export async function findLandmarks(file, { boxes, points, search, signal } = {}) {
  const form = new FormData();
  form.append("image", file, "picture");
  if (points) form.append("points", points);
  for (const [name, value] of Object.entries(search ?? {})) form.append(name, value);
  if (boxes) form.append("boxes", JSON.stringify(boxes));
  let response;
  try {
    response = await fetch("api/landmarks", { method: "POST", body: form, signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error("The server does not answer. Is it still running?");
  }
  return answerOf(response);
}

async function answerOf(response) {
  const answer = await response.json().catch(() => ({ error: `status ${response.status}` }));
  if (!response.ok) throw new Error(sentence(answer.error));
  return answer;
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}
