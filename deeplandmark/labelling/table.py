"""Rows of faces as Parquet, and what a shard's file says of itself."""
import io
import json
from dataclasses import asdict, dataclass, field

from deeplandmark.running.rows import face_rows

_KEY = b"deeplandmark"
STEPS = 1000                # of a confidence, which rows have with three decimals


@dataclass
class Counts:
    """What became of some pictures.

    Attributes
    ----------
    pictures : int
        All of them, bad ones as well.
    faces, without_face, bad : int
    seconds : float
        Of work, of all workers together.
    confidence : {thousandths: points}
        How many points have which confidence.
    """
    pictures: int = 0
    faces: int = 0
    without_face: int = 0
    bad: int = 0
    seconds: float = 0.0
    confidence: dict[int, int] = field(default_factory=dict)

    def add(self, other):
        """Counts another's as well."""
        for name in ("pictures", "faces", "without_face", "bad", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for step, points in other.confidence.items():
            self.confidence[step] = self.confidence.get(step, 0) + points

    def count(self, located):
        """Counts a picture, a `Located`; returns its rows."""
        self.pictures += 1
        if located.problem is not None:
            self.bad += 1
            return []
        rows = face_rows(located)
        self.faces += len(rows)
        self.without_face += not rows
        for row in rows:
            for confidence in row["confidence"]:
                step = round(STEPS * confidence)
                self.confidence[step] = self.confidence.get(step, 0) + 1
        return rows

    def quantile(self, share):
        """The confidence (float) that this share of all points has at most; None where there are none."""
        left = share * sum(self.confidence.values())
        for step in sorted(self.confidence):
            left -= self.confidence[step]
            if left <= 0:
                return step / STEPS
        return None

    def text(self):
        """As JSON (str)."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text):
        """Of such JSON."""
        told = json.loads(text)
        return cls(**{**told, "confidence": {int(step): points for step, points in told["confidence"].items()}})


def faces_file(rows, constants, counts):
    """A Parquet file (bytes) of rows as `face_rows` has them, with columns of `constants` ({name: str}) besides; its
    schema holds the Counts."""
    import pyarrow as pa  # late: only who labels needs it
    numbers = pa.list_(pa.float32())
    fields = {"picture": pa.string(), "box": numbers, "points": pa.list_(numbers), "confidence": numbers,
              "score": pa.float32(), "pose": numbers, **dict.fromkeys(constants, pa.string())}
    rows = [{**row, "picture": _text(row["picture"]), **constants} for row in rows]
    return _file(rows, pa.schema(fields, {_KEY: counts.text()}))


def problems_file(problems):
    """A Parquet file (bytes) of (picture, problem)s."""
    import pyarrow as pa
    rows = [{"picture": _text(picture), "problem": _text(problem)} for picture, problem in problems]
    return _file(rows, pa.schema({"picture": pa.string(), "problem": pa.string()}))


def counts_in(place):
    """The Counts of a file of faces at a Place. Raises OSError or ValueError for one that is not of this command."""
    from pyarrow.parquet import read_schema
    with place.system.open_input_file(place.path) as stream:
        try:
            return Counts.of(read_schema(stream).metadata[_KEY])
        except (KeyError, TypeError):
            raise ValueError(f"{place.path}: not a file of this command") from None


def _file(rows, schema):
    import pyarrow as pa
    from pyarrow.parquet import write_table
    stream = io.BytesIO()
    write_table(pa.Table.from_pylist(rows, schema), stream, compression="zstd")
    return stream.getvalue()


def _text(name):
    """A name of a file may be no UTF-8, of which Parquet's text is."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
