"""A server of its own process for the tests, and faces to send to it."""
import http.client
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from deeplandmark.faces.synthetic import draw_face
from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[2]
BOUNDARY = "deeplandmark-tests"


class Server:
    """`deeplandmark serve` on a free port; `limits` are those of `Limits` that no flag sets, `files` how many it may
    have open."""

    def __init__(self, *flags, files=None, **limits):
        code = ("import sys; from functools import partial; import deeplandmark.serve as serve; "
                f"serve.Limits = partial(serve.Limits, **{limits}); sys.exit(serve.main(sys.argv[1:]))")

        def prepare():
            signal.signal(signal.SIGINT, signal.default_int_handler)               # a shell's jobs ignore it
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--port", "0", *flags], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=prepare)
        line = self.process.stdout.readline()
        assert line.startswith("serving on http"), line + self.process.stderr.read()
        self.url = line.split()[2]
        self.address = urlsplit(self.url).hostname, urlsplit(self.url).port

    def get(self, path):
        """(status, headers, body)."""
        return self._request("GET", path)

    def post(self, picture=None, headers=(), chunked=False, source=None, **fields):
        """(status, JSON) of POST /api/landmarks; `source` is the client's address."""
        body = multipart(picture, **fields)
        sent = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **dict(headers)}
        pieces = (body[i:i + 4096] for i in range(0, len(body), 4096)) if chunked else body
        status, _, answer = self._request("POST", "/api/landmarks", pieces, sent, source, encode_chunked=chunked)
        return status, json.loads(answer)

    def workers(self):
        """The ids of its processes that work on uploads."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(child) for child in children
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}

    def _request(self, method, path, body=None, headers=None, source=None, **options):
        connection = http.client.HTTPConnection(*self.address, timeout=60, source_address=source and (source, 0))
        if options.get("encode_chunked"):
            headers = {**headers, "Transfer-Encoding": "chunked"}
        connection.request(method, path, body, headers or {}, **options)
        response = connection.getresponse()
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer

    def stop(self):
        """What it wrote to stderr."""
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE)[1]


def multipart(picture=None, **fields):
    """The bytes of a form: `picture` as the file `image`, the others as text (a list: the field again and again)."""
    parts = [] if picture is None else [
        b'Content-Disposition: form-data; name="image"; filename="face.jpg"\r\n\r\n' + picture]
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode())
    return b"".join(f"--{BOUNDARY}\r\n".encode() + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def face(seed=4):
    """A synthetic face: (image, landmark_px (5, 2), box as the text of a field)."""
    image, landmark_px, bbox = draw_face(np.random.default_rng(seed))
    return image, landmark_px, ",".join(f"{edge:g}" for edge in bbox.as_array())


def encoded(image, suffix=".png", *options):
    """The bytes of a picture's file."""
    return cv2.imencode(suffix, image, options)[1].tobytes()
