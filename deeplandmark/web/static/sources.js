// Where pictures come from: chosen, dropped or pasted files, or the drawn faces that come with the page. onFiles is
// given a list of { file, name }.

export function listen({ input, sample, stage }, onFiles, onError) {
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";                                             // so that the same file can be chosen again
  });
  sample.addEventListener("click", async () => {
    try {
      onFiles([{ file: await (await fetch("static/sample.jpg")).blob(), name: "drawn-faces" }]);
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
    onFiles([...files].map((file) => ({ file, name: file.name.replace(/\.[^.]*$/, "") || "picture" })));
    return true;
  }
}
