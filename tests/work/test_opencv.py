"""Lines of libraries about damaged pictures, which name no file."""
import os

from deeplandmark.work.opencv import hushed


def test_only_libjpeg_is_hushed(capfd):
    with hushed():
        os.write(2, b"Corrupt JPEG data: premature end of data segment\n")
        os.write(2, b"a bar \xe2\x96\x88\r")
        os.write(2, b"and more\nPremature end of JPEG file\n")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "a bar █\rand more\nlater\n"


def test_without_stderr_the_work_is_done():
    kept = os.dup(2)
    os.close(2)
    try:
        with hushed():
            done = True
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert done
