import pytest

pytest.importorskip("starlette", reason="needs the extra [web]")
pytest.importorskip("uvicorn", reason="needs the extra [web]")


@pytest.fixture(scope="session")
def server():
    from tests.helpers.server import Server
    running = Server("--max-bytes", "2000000", "--max-pixels", "1000000", "--threads", "2")
    yield running
    assert running.stop() == "serve: stopped\n"                   # no traceback, no warning in the whole session
