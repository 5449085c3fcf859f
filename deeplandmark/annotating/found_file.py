"""What a run has found so far, in a file beside its output: a long one that was stopped goes on with that.

The first line says what was asked. Then comes, in their order, a line for each picture or face of a list: its name and
what was found there, or what is wrong with it.
"""
from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from os import SEEK_END
from pathlib import Path

import numpy as np

from deeplandmark.annotating.annotate import FoundFace, face_of_picture
from deeplandmark.faces.datasets.annotation import Annotation, Problem
from deeplandmark.faces.errors import ListError

ENDING = ".part"


class FoundFile:
    """The file of a run. A context: it stays when the block ends, if it holds anything, and goes by `remove`.

    Parameters
    ----------
    output : path of what the run will write; this file has its name and `.part`
    asked : dict of JSON
        What the findings depend on.
    resume : bool
        Whether to go on with the file, if there is one; else it begins anew.

    Raises
    ------
    ListError
        For a file of a run that asked something else, or none of such a run.
    OSError
        When it cannot be written.
    """

    def __init__(self, output: Path, asked: dict, resume: bool):
        self.path = output.with_name(output.name + ENDING)
        head = json.dumps({"annotate": asked}, sort_keys=True).encode() + b"\n"
        resume = resume and self.path.exists() and self.path.stat().st_size >= len(head)
        self._file = self.path.open("r+b" if resume else "w+b")
        if resume and self._file.readline() != head:
            self._file.close()
            raise ListError(f"{self.path}: not of the same pictures, boxes and detector; without --resume everything "
                            "begins anew")
        self._file.write(b"" if resume else head)
        self._file.flush()
        self._begin = len(head)

    def over(self, items: Iterable[str | Annotation], find: Callable) -> Iterator[list[FoundFace] | Problem]:
        """What is found of each item, a picture's path or a face of a list, in order: first what the file has.

        `find(items)` gives a list of FoundFace, or a Problem, of each of some items.
        """
        items, waiting = iter(items), deque()

        def rest(first):
            for item in chain(first, items):
                waiting.append(item)
                yield item
        other = []
        for item in items:
            place, line = self._file.tell(), self._file.readline()
            found = _read(item, line)
            if found is None:
                self._file.seek(place)
                other = [item]
                break
            yield found
        self._file.truncate()
        for found in find(rest(other)):
            self._file.write(_written(waiting.popleft(), found))
            self._file.flush()
            yield found

    def remove(self) -> None:
        """The output is there: the file is needed no more."""
        self._file.close()
        with suppress(FileNotFoundError):
            self.path.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if not self._file.closed and self._file.seek(0, SEEK_END) == self._begin:
            self.remove()
        self._file.close()


def _name(item):
    return f"{item.list_file}:{item.line}" if isinstance(item, Annotation) else str(item)


def _written(item, found):
    values = {"of": _name(item)}
    if isinstance(found, Problem):
        values["problem"] = [found.line, found.text]
    else:
        values["faces"] = [[each.face.bbox.as_array().tolist(), each.score,
                            base64.b64encode(each.vertices.astype("<f4").tobytes()).decode()] for each in found]
    return json.dumps(values).encode() + b"\n"


def _read(item, line):
    """What a line tells of an item; None where it is of another, or was cut off."""
    with suppress(ValueError, KeyError, TypeError):
        values = json.loads(line) if line.endswith(b"\n") else {}
        if values.get("of") == _name(item):
            return Problem(*values["problem"]) if "problem" in values else [
                FoundFace(_face(item, box), np.frombuffer(base64.b64decode(mesh), "<f4").reshape(-1, 2), score)
                for box, score, mesh in values["faces"]]
    return None


def _face(item, box):
    return item if isinstance(item, Annotation) else face_of_picture(item, box)
