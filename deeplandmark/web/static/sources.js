// Where pictures come from: a chosen, dropped or pasted file, or the drawn faces that come with the page. Of several
// files the first is taken; onFile is told how many there were.

export function listen({ input, sample, stage }, onFile, onError) {
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";                                             // so that the same file can be chosen again
  });
  sample.addEventListener("click", async () => {
    try {
      onFile(await (await fetch("static/sample.jpg")).blob(), "drawn-faces");
    } catch {
      onError(new Error("The server does not answer. Is it still running?"));
    }
  });
  addEventListener("paste", (event) => take(event.clipboardData.files));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    if (!take(event.dataTransfer.files)) onError(new Error("That is no file. Save the picture, then drop it here."));
  });

  function take(files) {
    if (!files.length) return false;
    onFile(files[0], files[0].name.replace(/\.[^.]*$/, "") || "picture", files.length);
    return true;
  }
}
