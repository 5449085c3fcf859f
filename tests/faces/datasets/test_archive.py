"""Opening, unpacking, checking and fetching the archive, the last from a real HTTP server on this machine."""

import http.server
import threading
import time
import zipfile
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.faces import ArchiveError, check_archive, open_archive
from deeplandmark.faces.datasets.archive import unpack
from deeplandmark.faces.datasets.download import download

LINE = "lfw_5590\\{} 10 50 20 60 1 2 3 4 5 6 7 8 9 10\r\n"
FILES = {"trainImageList.txt": LINE.format("a.jpg") + LINE.format("b.jpg"), "testImageList.txt": LINE.format("c.jpg"),
         "lfw_5590/a.jpg": "A", "lfw_5590/b.jpg": "B" * 50, "lfw_5590/c.jpg": "C"}


def make_zip(path, files, below=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(below + name, text)
    return path


@pytest.mark.parametrize("below", ["", "train/"])
def test_a_zip_and_then_its_folder(tmp_path, below):
    archive = open_archive(make_zip(tmp_path / "train.zip", FILES, below), tmp_path / "out")
    assert archive.folder == tmp_path / "out" / below
    assert str(check_archive(archive, pictures=3)) == "all 3 pictures are there"
    assert open_archive(tmp_path / "out") == archive
    assert not list(tmp_path.rglob("*.part"))


def test_missing_pictures_are_counted(tmp_path):
    archive = open_archive(make_zip(tmp_path / "train.zip", FILES), tmp_path / "out")
    (tmp_path / "out" / "lfw_5590" / "b.jpg").unlink()
    found = check_archive(archive)
    assert found.named == 3 and [path.name for path in found.missing] == ["b.jpg"]
    with pytest.raises(ArchiveError, match="expected 3 pictures; 1 of 3 pictures are missing, the first: .*b.jpg"):
        check_archive(archive, pictures=3)


def test_unpacking_goes_on_after_a_kill(tmp_path):
    source, folder = make_zip(tmp_path / "train.zip", FILES), tmp_path / "out"
    (folder / "lfw_5590").mkdir(parents=True)
    (folder / "lfw_5590" / "a.jpg").write_text("a")        # the right size: kept
    (folder / "lfw_5590" / "b.jpg").write_text("B" * 20)   # half a file: written again
    unpack(source, folder)
    assert (folder / "lfw_5590" / "a.jpg").read_text() == "a"
    assert (folder / "lfw_5590" / "b.jpg").read_text() == "B" * 50


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5), st.integers(0, 2000))
def test_a_damaged_zip_is_one_error(tmp_path_factory, packing, changes, length):
    """Whatever is changed, in the names, the packed bytes or the directory."""
    folder = tmp_path_factory.mktemp("zip")
    with zipfile.ZipFile(folder / "a.zip", "w", packing) as archive:
        for name, text in FILES.items():
            archive.writestr(name, 30 * text)
    data = bytearray((folder / "a.zip").read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    (folder / "a.zip").write_bytes(data[:max(30, len(data) - max(0, length - 1000))])
    try:
        unpack(folder / "a.zip", folder / "out")
    except ArchiveError as error:
        assert "a.zip" in str(error)


def test_a_zip_of_more_than_there_is_room_for(tmp_path, monkeypatch):
    source = make_zip(tmp_path / "train.zip", {"a": "x" * 5000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=4999))
    with pytest.raises(ArchiveError, match="its files take 5,000 bytes, .*out has room for 4,999"):
        unpack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_names_that_lead_out_are_refused_before_anything_is_written(tmp_path, name):
    source = make_zip(tmp_path / "train.zip", {**FILES, name: "evil"})
    with pytest.raises(ArchiveError, match="leads out of the folder"):
        open_archive(source, tmp_path / "out")
    assert not list(tmp_path.rglob("evil*")) and not (tmp_path / "out").exists()


def test_damaged_zips(tmp_path):
    (tmp_path / "page.zip").write_text("<html>")
    with pytest.raises(ArchiveError, match="damaged"):
        open_archive(tmp_path / "page.zip")
    data = bytearray(make_zip(tmp_path / "train.zip", {**FILES, "lfw_5590/d.jpg": "0123456789" * 9}).read_bytes())
    at = data.index(b"lfw_5590/d.jpg") + 16
    data[at] ^= 0x55
    (tmp_path / "train.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged"):
        open_archive(tmp_path / "train.zip", tmp_path / "out")


def test_nothing_there(tmp_path):
    with pytest.raises(ArchiveError, match="no such folder or zip"):
        open_archive(tmp_path / "none")
    with pytest.raises(ArchiveError, match="holds trainImageList.txt and testImageList.txt"):
        open_archive(tmp_path)


DATA = bytes(range(256)) * 400


class Server(http.server.BaseHTTPRequestHandler):
    """Serves DATA: /ranges, /whole (knows no ranges), /short (closes half way), /stall (falls silent half way),
    /silent (never answers)."""
    asked = []

    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.asked.append((self.path, start))
        if self.path == "/silent":
            time.sleep(1.5)
            return
        if start and start >= len(DATA) and self.path == "/ranges":
            return self._refuse()
        start = 0 if self.path == "/whole" else start
        body = DATA[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if self.path in ("/short", "/stall") else body)
        self.wfile.flush()
        if self.path == "/stall":
            time.sleep(1.5)

    def _refuse(self):
        self.send_response(416)
        self.send_header("Content-Range", f"bytes */{len(DATA)}")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    Server.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path, asked_from", [("/ranges", 1000), ("/whole", 1000)])
def test_download_goes_on_where_it_stopped(tmp_path, url, path, asked_from):
    (tmp_path / "train.zip.part").write_bytes(DATA[:1000])
    assert download(url + path, tmp_path / "train.zip", timeout=5).read_bytes() == DATA
    assert Server.asked == [(path, asked_from)] and not (tmp_path / "train.zip.part").exists()
    download(url + path, tmp_path / "train.zip")
    assert len(Server.asked) == 1  # already there


def test_a_zip_of_nothing(tmp_path):
    zipfile.ZipFile(tmp_path / "data.zip", "w").close()
    with pytest.raises(ArchiveError, match="data: neither it nor a folder in it holds"):
        open_archive(tmp_path / "data.zip")


def test_a_part_that_is_already_everything(tmp_path, url):
    (tmp_path / "train.zip.part").write_bytes(DATA)
    assert download(url + "/ranges", tmp_path / "train.zip", timeout=5).read_bytes() == DATA


def test_a_part_longer_than_the_file_is_thrown_away(tmp_path, url):
    (tmp_path / "train.zip.part").write_bytes(DATA + b"more")
    assert download(url + "/ranges", tmp_path / "train.zip", timeout=5).read_bytes() == DATA


def test_a_connection_closed_too_early(tmp_path, url):
    with pytest.raises(ArchiveError, match=f"closed after {len(DATA) // 2} of {len(DATA)} bytes"):
        download(url + "/short", tmp_path / "train.zip", timeout=5)
    assert download(url + "/ranges", tmp_path / "train.zip", timeout=5).read_bytes() == DATA
    assert Server.asked[-1] == ("/ranges", len(DATA) // 2)


@pytest.mark.parametrize("path", ["/stall", "/silent"])
def test_a_server_that_falls_silent(tmp_path, url, path):
    with pytest.raises(ArchiveError, match="no byte within 0.4 seconds"):
        download(url + path, tmp_path / "train.zip", timeout=0.4)
    assert not (tmp_path / "train.zip").exists()


def test_a_server_that_is_not_there(tmp_path, url):
    with pytest.raises(ArchiveError, match="refused"):
        download("http://127.0.0.1:1/train.zip", tmp_path / "train.zip", timeout=5)
