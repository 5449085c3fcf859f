"""A file appears when it is whole: real links, pipes, devices, full disks, read-only folders, and two writers."""
import errno
import os
import resource
import stat
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.work.whole_file import WholeFile, open_whole, target_of, write_bytes, write_text

NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=250)


@settings(deadline=None)                                         # a disk may be slow
@given(NAMES.filter(lambda name: len(name.encode()) <= 250 and name not in (".", "..")), st.binary(max_size=200))
def test_any_name_and_content(name, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_bytes(path, content)
        assert path.read_bytes() == content and os.listdir(folder) == [name]


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("before")
    with open_whole(path) as stream:
        stream.write("after")
        stream.flush()
        assert path.read_text() == "before"
    assert path.read_text() == "after" and os.listdir(tmp_path) == ["table.txt"]


def test_text_is_written_as_it_is(tmp_path):
    write_text(tmp_path / "a", "ä\r\nb\n")
    assert (tmp_path / "a").read_bytes() == "ä\r\nb\n".encode()
    write_text(tmp_path / "a", os.fsdecode(b"\xff.jpg"))
    assert (tmp_path / "a").read_bytes() == b"\xff.jpg"


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "a"
    path.write_text("before")
    for error in (ValueError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, WholeFile(path) as temporary:
            Path(temporary).write_text("half")
            raise error
        assert raised.value is error and path.read_text() == "before" and os.listdir(tmp_path) == ["a"]


def test_a_library_may_make_the_temporary_file_anew(tmp_path):
    with WholeFile(tmp_path / "a.png", suffix=".png") as temporary:
        assert temporary.endswith(".png")
        os.remove(temporary)
        Path(temporary).write_text("new")
    assert (tmp_path / "a.png").read_text() == "new"


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_new_file_has_the_umask_an_old_one_keeps_its_mode(tmp_path, umask):
    path = tmp_path / "a"
    write_text(path, "new")
    assert mode(path) == 0o640
    for kept in (0o604, 0o755):
        path.chmod(kept)
        write_text(path, "again")
        assert mode(path) == kept and path.read_text() == "again"


@pytest.mark.parametrize("leads_to", ["folder/real", "../{}/folder/real"])
def test_a_link_stays(tmp_path, leads_to):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(leads_to.format(tmp_path.name))
    (tmp_path / "link of link").symlink_to("link")
    for text in ("the file is not there yet", "replaced"):
        write_text(tmp_path / "link of link", text)
        assert (tmp_path / "folder/real").read_text() == text and os.readlink(tmp_path / "link of link") == "link"
        assert not (tmp_path / "folder/real").is_symlink() and os.listdir(tmp_path / "folder") == ["real"]
    assert target_of(tmp_path / "link of link") == str(tmp_path.resolve() / "folder/real")


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError) as error:
        write_text(tmp_path / "a", "")
    assert error.value.errno == errno.ELOOP


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        write_bytes(pipe, b"x" * 200_000)
        assert read.result(timeout=10) == b"x" * 200_000
    assert stat.S_ISFIFO(os.stat(pipe).st_mode) and os.listdir(tmp_path) == ["pipe"]


def test_a_device_is_written_to(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_text("")
    except OSError:
        pytest.skip("only root may make a device, and not on every file system")
    (tmp_path / "link").symlink_to(device)
    for path in (device, tmp_path / "link"):
        write_text(path, "gone")
        assert target_of(path) is None
    assert stat.S_ISCHR(os.stat(device).st_mode) and (tmp_path / "link").is_symlink()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc here: other systems' /dev/stdout is a device")
@pytest.mark.parametrize("out", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.process
def test_standard_output_in_a_file_keeps_what_was_printed(tmp_path, out):
    (tmp_path / "link").symlink_to("/dev/stdout")
    program = ("import sys; from deeplandmark.work.whole_file import write_text; print('before'); "
               f"write_text({out!r}, 'whole\\n'); print('after')")
    with (tmp_path / "printed").open("w") as printed:
        subprocess.run([sys.executable, "-c", program], stdout=printed, cwd=tmp_path, check=True)
    assert (tmp_path / "printed").read_text() == "before\nwhole\nafter\n"
    assert sorted(os.listdir(tmp_path)) == ["link", "printed"]


def test_what_fails_half_way_is_not_written_to_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")                                  # nobody reads: opening it would wait for ever
    with pytest.raises(ValueError), open_whole(tmp_path / "pipe") as stream:
        stream.write("half")
        raise ValueError


@pytest.mark.parametrize("path, kind", [
    ("none/a", FileNotFoundError), ("file/a", NotADirectoryError), ("folder", IsADirectoryError),
    ("", FileNotFoundError), ("new/", FileNotFoundError)])
def test_wrong_paths_are_told_at_once(tmp_path, monkeypatch, path, kind):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    with pytest.raises(kind) as error:
        WholeFile(path)
    assert error.value.filename == path and sorted(os.listdir()) == ["file", "folder"]


def as_nobody(function):
    """What a function returns in a process without root's rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, str(function()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        return answer.read()


@pytest.mark.process
def test_a_read_only_folder():
    def error():
        try:
            write_text(f"{folder}/a", "after")
        except OSError as error:
            return error
    with tempfile.TemporaryDirectory() as folder:                # not tmp_path, which only its owner may enter
        Path(folder, "a").write_text("before")
        os.chmod(folder, 0o555)
        assert as_nobody(error) == f"[Errno {errno.EACCES}] {os.strerror(errno.EACCES)}: '{folder}/a'"
        assert Path(folder, "a").read_text() == "before" and os.listdir(folder) == ["a"]


def test_a_full_disk(tmp_path):
    """The limit of a file's size makes writing fail as a full disk does."""
    path = tmp_path / "a"
    path.write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))    # Python ignores the signal that comes with it
    try:
        with pytest.raises(OSError) as error:
            write_bytes(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.filename == str(path) and error.value.errno == errno.EFBIG
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["a"]


def test_two_writers_of_one_file(tmp_path):
    path, started = tmp_path / "a", threading.Barrier(8)

    def write(letter):
        started.wait()
        for _ in range(20):
            write_bytes(path, letter * 50_000, durable=False)
    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write, bytes([letter])) for letter in b"abcdefgh"]
        seen = [path.read_bytes() for _ in range(200) if path.exists()]
        for result in writing:
            result.result()
    assert all(len(content) == 50_000 and len(set(content)) == 1 for content in (*seen, path.read_bytes()))
    assert os.listdir(tmp_path) == ["a"]


def test_one_writer_fails_beside_another(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(ValueError), open_whole(path) as first:
        first.write("first")
        write_text(path, "second")
        raise ValueError
    assert path.read_text() == "second" and os.listdir(tmp_path) == ["a"]


def test_the_data_reach_the_disk_before_the_name_does(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace

    def noted_fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else os.fstat(descriptor).st_size)
        fsync(descriptor)

    def noted_replace(source, target):
        calls.append("replace")
        replace(source, target)
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_bytes(tmp_path / "a", b"12345")
    assert calls == [5, "replace", "folder"]
    calls.clear()
    write_bytes(tmp_path / "a", b"12345", durable=False)
    assert calls == ["replace"]
