"""The command, the limits that are not of a single picture, and what every answer says to browsers."""
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from deeplandmark.serve import main
from deeplandmark.web.app import create_app
from deeplandmark.web.limits import Limits, Refusal
from deeplandmark.web.upload import read_upload
from tests.helpers.server import BOUNDARY, ROOT, Server, encoded, face, multipart

pytestmark = pytest.mark.process  # of a server

IMAGE, _, BOX = face()


def run(code):
    """(status, stdout, stderr) of some Python in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                          capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_what_cannot_be_served_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("deeplandmark.serve._set_up_libraries", lambda limits: None)   # this process is pytest's
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flags, says in ((("--port", str(port)), f"serve: cannot listen at 127.0.0.1, port {port}: "),
                            (("--port", "0", "--host", "no.such.host.invalid"), "serve: cannot listen at no.such.host"),
                            (("--port", "0", "--model", str(tmp_path)), f"serve: {tmp_path}"),
                            (("--port", "0", "--detector", "nix.onnx"), "serve: nix.onnx: no such detector")):
            assert main(flags) == 1
            out, err = capsys.readouterr()
            assert out == "" and err.startswith(says) and err.count("\n") == 1, err


@pytest.mark.parametrize("flags, says", [("--port 70000", "not a port"), ("--port x", "not a whole number"),
                                         ("--threads 0", "not at least 1"), ("--max-bytes 0", "not at least 1")])
def test_wrong_values(flags, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(flags.split())
    assert stopped.value.code == 2 and says in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install():
    hidden = "import sys; sys.modules['uvicorn'] = None; from deeplandmark.serve import main; sys.exit(main([]))"
    status, _, err = run(hidden)
    assert status == 1 and 'pip install ".[web]"' in err and err.count("\n") == 1


def test_ctrl_c_is_one_line_and_the_answer_under_way_arrives():
    running = Server("--threads", "1")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(running.post, encoded(IMAGE), boxes=[BOX] * 20)
        while not answer.done() and not answer.running():
            pass
        running.post(encoded(IMAGE), boxes=BOX)                   # queued behind it: so the first is at work for sure
        running.process.send_signal(signal.SIGINT)
        assert answer.result(30)[0] == 200
    _, err = running.process.communicate(timeout=30)
    assert running.process.returncode == 0 and err == "serve: stopped\n"


def test_opencv_has_the_limit_too():
    code = ("from deeplandmark.serve import _set_up_libraries; from deeplandmark.web.limits import Limits;"
            "_set_up_libraries(Limits(pixels=1000)); import cv2, numpy as np;"
            "image = cv2.imencode('.png', np.zeros((40, 40), np.uint8))[1]\n"
            "try: print(cv2.imdecode(image, 1))\nexcept cv2.error: print('refused')")
    assert run(code)[1] in ("refused\n", "None\n")


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/api/model", "/static/app.js", "/nowhere"])
def test_every_answer_keeps_browsers_at_home(server, path):
    _, headers, _ = server.get(path)
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert set(" ".join(policy.values()).split()) == {"'none'", "'self'", "blob:"}
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == ("no-store" if path.startswith("/api") else "no-cache")
    assert "server" not in headers and "access-control-allow-origin" not in headers


def test_many_clients_at_once(server):
    picture = encoded(IMAGE, ".jpg")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.post(picture, boxes=BOX), range(40)))
    assert {status for status, _ in answers} == {200}
    assert len({json.dumps(answer["faces"]) for _, answer in answers}) == 1


# ------------------------------------------------------------------------------------------ reading, without a server
def read(chunks, limits):
    """`read_upload` of a request whose body comes in these chunks; None stands for a client that says nothing more."""
    async def receive():
        chunk = waiting.pop(0)
        if chunk is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}
    waiting = list(chunks)
    headers = [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())]
    return asyncio.run(read_upload(Request({"type": "http", "headers": headers}, receive), limits))


def test_nothing_is_written_to_disk(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a temporary file was made")
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    picture = os.urandom(7_000_000)                               # Starlette's own limit for memory is 1 MB
    assert read([multipart(picture)[:4_000_000], multipart(picture)[4_000_000:]], Limits()).data == picture


def test_an_upload_that_never_ends():
    with pytest.raises(Refusal, match="within 0.2 seconds") as refused:
        read([multipart(b"x")[:50], None], replace(Limits(), seconds=0.2))
    assert refused.value.status == 408


def test_one_too_many_is_told_to_come_again():
    async def send(message):
        sent.append(message)
    sent, app = [], create_app(SimpleNamespace(limits=replace(Limits(), requests=0)))
    scope = {"type": "http", "method": "POST", "path": "/api/landmarks", "query_string": b"", "headers": []}
    asyncio.run(app(scope, None, send))
    assert sent[0]["status"] == 503 and dict(sent[0]["headers"])[b"retry-after"] == b"1"
    assert "try again" in json.loads(sent[1]["body"])["error"]
