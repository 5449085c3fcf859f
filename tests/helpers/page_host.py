"""A plain host of files in this process; it also runs networks for the stand-in of ONNX Runtime's wasm."""
import json
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import onnxruntime


@contextmanager
def hosted(folder):
    """The address of a folder, while the block runs."""
    host = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    host.sessions = {}
    thread = threading.Thread(target=host.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{host.server_address[1]}/"
    finally:
        host.shutdown()
        host.server_close()
        thread.join()


class _Files(SimpleHTTPRequestHandler):
    def do_POST(self):
        question, _, numbers = self.rfile.read(int(self.headers["Content-Length"])).partition(b"\n")
        action = {"/open": self.open, "/run": self.run}[urlsplit(self.path).path]
        answer = json.dumps(action(numbers=numbers, **json.loads(question))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def open(self, model, numbers):
        path = Path(self.directory, urlsplit(model).path.lstrip("/"))
        session = self.server.sessions[model] = onnxruntime.InferenceSession(str(path))
        return {"inputNames": [node.name for node in session.get_inputs()],
                "outputNames": [node.name for node in session.get_outputs()]}

    def run(self, model, inputs, numbers):
        session, feeds, start = self.server.sessions[model], {}, 0
        for each in inputs:
            feeds[each["name"]] = np.frombuffer(numbers, each["type"], int(np.prod(each["dims"])),
                                                start).reshape(each["dims"])
            start += feeds[each["name"]].nbytes
        names = [node.name for node in session.get_outputs()]
        return [{"name": name, "dims": list(array.shape), "data": array.ravel().tolist()}
                for name, array in zip(names, session.run(names, feeds))]

    def log_message(self, *_):
        pass
