"""OpenCV's settings for the whole process. Commands and their workers choose them; what is imported as a library does
not. OpenCV is imported only here, by who asks: `--help` does not need it."""
import os
import tempfile
import threading
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.Lock()
_OF_LIBJPEG = b"Corrupt JPEG data", b"Premature end of JPEG file", b"Inconsistent progression", b"Unsupported marker"


def set_up_opencv():
    """For who works on many pictures at a time: one thread a call, and no lines of its own."""
    import cv2
    if cv2.getNumThreads() != 1:                                 # in a forked process, OpenCV would wait for threads
        cv2.setNumThreads(1)                                     # the pictures are what runs in parallel
    quiet_opencv()


def quiet_opencv():
    """No lines of its own about bad pictures and videos, unless the user wants them: our messages are one line each."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")        # read when the first video is opened
    if "OPENCV_LOG_LEVEL" not in os.environ:
        import cv2
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def limit_opencv_pictures(pixels):
    """Larger pictures are refused by OpenCV itself. To be called before anything imports it: it reads this once."""
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(pixels)


@contextmanager
def hushed():
    """libjpeg writes lines about damaged pictures to the process's stderr, which name no file: not in this block. What
    others write there meanwhile comes at its end."""
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as heard:
        try:
            stderr = os.dup(2)
        except OSError:                                          # there is none
            yield
            return
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            heard.seek(0)
            others = b"".join(line for line in heard if not line.startswith(_OF_LIBJPEG))
            if others:
                os.write(2, others)
