"""A finder whose answers and deaths are told by the bytes of a picture, for processes that look at pictures apart."""
import os
import signal
import time

import numpy as np

from deeplandmark.running.faces_in_picture import Located


class FakeFinder:
    """One face for each letter f; `kill` ends the process, `wait` takes forever, `raise` is an error of nobody's,
    `memory` asks for 8 GiB, `once:PATH` kills unless the file is there, which it makes."""

    def read(self, pictures, opened):
        for picture in pictures:
            if picture.problem is not None:
                yield Located(picture, problem=picture.problem)
                continue
            text = picture.data.decode()
            if text.startswith("once:") and not os.path.exists(text[5:]):
                open(text[5:], "w").close()
                text = "kill"
            if text == "kill":
                os.kill(os.getpid(), signal.SIGSEGV)
            if text == "wait":
                time.sleep(1000)
            if text == "memory":
                bytearray(8 << 30)
            if text == "raise":
                raise KeyError(text)
            faces = text.count("f")
            yield Located(picture, np.full((faces, 4), 1.234), np.full((faces, 5, 2), float(len(text))),
                          np.full((faces, 5), 0.5), np.full(faces, np.nan if "n" in text else 0.25))


def broken():
    raise ValueError("no such model")
