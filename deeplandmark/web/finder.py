"""From an upload to the answer: decode, find faces, find their points, on a bounded number of threads."""
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from deeplandmark.web.picture import decode


class Finder:
    """Answers uploads.

    Parameters
    ----------
    cascade : Cascade
    detector : with `detect(image uint8 (h, w, 3))` -> (boxes (n, 4) of the cascade's kind, scores (n,))
    limits : Limits
    threads : int
        Uploads that are worked on at a time; others wait.
    """

    def __init__(self, cascade, detector, limits, threads):
        self.limits = limits
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="landmarks")
        self._cascade, self._detector = cascade, detector

    def find(self, upload):
        """The answer to an Upload, ready for JSON: see `openapi.py`. Raises Refusal 422 for a picture it cannot use."""
        started = time.perf_counter()
        image = decode(upload.data, self.limits.pixels)
        if upload.boxes is None:
            boxes, scores = (values[:self.limits.faces] for values in self._detector.detect(image))
        else:
            boxes, scores = upload.boxes, [None] * len(upload.boxes)
        found = self._cascade.locate(image, boxes, upload.level)
        return {"faces": [_face(found, i, boxes[i], score) for i, score in enumerate(scores)],
                "ms": round(1000 * (time.perf_counter() - started), 1),
                "width": image.shape[1], "height": image.shape[0]}

    def model(self):
        """What the page must know of the cascade and the limits, ready for JSON."""
        settings = self._cascade.settings
        return {"points": list(settings.points.names),
                "names": list(settings.points.shown),
                "levels": list(self._cascade.levels),
                "half_sides": {str(level): max(network.half_side for network in settings.of_level(level))
                               for level in self._cascade.levels if level > 1},
                "limits": {"bytes": self.limits.bytes, "pixels": self.limits.pixels, "faces": self.limits.faces}}

    def close(self):
        """Ends the threads once their work is done; what still waits is dropped."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def _face(found, i, box, score):
    return {"box": _rounded(box, 2), "points": _rounded(found.points[i], 2),
            "confidence": _rounded(found.confidence[i], 4), "score": None if score is None else _rounded(score, 4),
            "levels": _rounded(found.levels[i], 2)}


def _rounded(values, digits):
    return np.round(np.asarray(values, np.float64), digits).tolist()
