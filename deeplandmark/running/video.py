"""Videos and cameras, frame by frame, in and out (OpenCV; sound is not kept)."""

import os
import sys
from pathlib import Path
from time import monotonic

import cv2

from deeplandmark.faces.errors import PictureError
from deeplandmark.work.opencv import quiet_opencv
from deeplandmark.work.whole_file import WholeFile

HELD = 1000        # frames of a drawn video for which one may be held: more is a damaged time
USUAL_RATE = 25.0  # frames a second, where a file or camera does not say


class VideoReader:
    """Frames of a video file or a camera, by iterating; close it afterwards.

    Parameters
    ----------
    source : path of a file, or the number of a camera
    every : int
        Only each such frame, from the first.

    Attributes
    ----------
    rate : float
        Frames a second that come out.
    count : int or None
        Frames that come out, as the file says; None for a camera.

    Raises
    ------
    PictureError
        When it cannot be opened, or has no frame.
    """

    def __init__(self, source, every=1):
        self.every, self._is_camera = every, isinstance(source, int)
        quiet_opencv()
        self._capture = cv2.VideoCapture(source)
        opened, self._first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not opened:
            self._capture.release()
            if isinstance(source, int):
                raise PictureError(f"camera {source}: there is none, or another program uses it")
            raise PictureError(f"{source}: not a video that OpenCV can read")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = (rate if 0 < rate < 1000 else USUAL_RATE) / every
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = -(-int(count) // every) if 0 < count < 1e9 else None  # as the file says; None for a camera

    def __iter__(self):
        """(number of the frame in the video, its time in seconds, uint8 (h, w, 3))."""
        number, time, image = 0, 0.0, self._first
        start = self._place()
        while image is not None:
            yield number, time, image
            image = self._next()
            number += self.every
            told = self._place() - start
            # Some files tell no times, or the same ones again.
            time = told if told > time else number / (self.rate * self.every)

    def _place(self):
        """Seconds, as the file or the clock tells of the last frame."""
        return monotonic() if self._is_camera else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def _next(self):
        for _ in range(self.every - 1):
            if not self._capture.grab():
                return None
        return self._capture.read()[1]

    def close(self):
        """Lets go of the file or the camera."""
        self._capture.release()


class VideoWriter:
    """An .mp4 that appears under its name when `finish` is called, and not at all when `drop` is.

    Parameters
    ----------
    path : where the video ends up; its folder is made
    rate : float
        Frames a second.
    """

    def __init__(self, path, rate):
        self.path, self._rate, self._frames, self._whole, self._writer = Path(path), rate, 0, None, None
        self._last = None

    def write(self, image, time=None):
        """The next frame, uint8 (h, w, 3) blue green red; all have the size of the first.

        Where its `time` is told, in seconds from the first one, it is shown at that time: the frame before it is held
        until then (as long as HELD frames), and one for which there is no time is left out.

        Raises
        ------
        OSError
            When nothing can be written there.
        """
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._whole = WholeFile(self.path, suffix=".mp4")
            self._writer = cv2.VideoWriter(self._whole.temporary, cv2.VideoWriter_fourcc(*"mp4v"), self._rate,
                                           image.shape[1::-1])
            if not self._writer.isOpened():
                raise OSError(f"{self.path}: this OpenCV cannot write a video there")
        place = self._frames if time is None else round(time * self._rate)
        held = image if self._last is None else self._last
        for frame in [held] * min(place - self._frames, HELD) + [image] * (place >= self._frames):
            self._writer.write(frame)
            self._frames += 1
        self._last = image

    def finish(self):
        """Ends the video; the file appears under its name, unless there was no frame. An OSError where it cannot, or
        where not all frames are there: OpenCV does not tell of a full disk."""
        if self._writer is None:
            return
        self._writer.release()
        if not self._is_whole():
            self._whole.drop()
            raise OSError(f"{self.path}: not every frame could be written (is the disk full?)")
        self._whole.appear()

    def _is_whole(self):
        capture = cv2.VideoCapture(self._whole.temporary)
        try:
            return capture.get(cv2.CAP_PROP_FRAME_COUNT) == self._frames and capture.read()[0]
        finally:
            capture.release()

    def drop(self):
        """Ends the video and leaves no file."""
        if self._writer is not None:
            self._writer.release()
            self._whole.drop()


class Window:
    """Shows frames; `closed` (bool) once the user pressed q or Escape. None of it where there is no screen."""

    def __init__(self, title):
        self._title, self._there, self.closed = title, has_screen(), False

    def show(self, image):
        """Shows a frame, uint8 (h, w, 3) blue green red."""
        if self._there:
            cv2.imshow(self._title, image)
            self.closed = cv2.waitKey(1) & 0xFF in (ord("q"), 27)


def has_screen():
    """Whether (bool) windows can be opened.

    OpenCV's headless build cannot, and its others abort without a display.
    """
    gui = next((line for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("GUI:")), "")
    if gui.split()[-1:] in ([], ["NONE"]):
        return False
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
