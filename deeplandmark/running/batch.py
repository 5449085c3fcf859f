"""Many pictures worked through in threads: results in order, bad files named and passed over."""

import logging
import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import chain

from deeplandmark.faces.many_pictures import group_size, share_of_group
from deeplandmark.running.faces_in_picture import Located
from deeplandmark.running.sources import passed_over_text, sources
from deeplandmark.work.in_order import in_chunks, in_order
from deeplandmark.work.progress import Progress

_LOG = logging.getLogger(__name__)


@dataclass
class Summary:
    """What became of everything that was named; pictures and videos alike."""
    looked_at: int = 0
    videos: int = 0    # of all of them
    without_face: int = 0
    faces: int = 0
    skipped: int = 0   # finished by an earlier run
    bad: int = 0

    def text(self, per_second):
        pictures = self.looked_at + self.skipped + self.bad - self.videos
        parts = [f"{_count(self.faces, 'face')} in {self.looked_at - self.without_face:,}",
                 f"{self.without_face:,} without a face"]
        parts += [f"{self.skipped:,} done before"] if self.skipped else []
        parts += [f"{self.bad:,} bad"] if self.bad else []
        named = [_count(pictures, "picture")] * bool(pictures or not self.videos)
        named += [_count(self.videos, "video")] * bool(self.videos)
        return f"{' and '.join(named)}: {', '.join(parts)}; {per_second:.1f} a second"


def refuse_video(source, progress):
    """The `take_video` of a command that is about pictures."""
    return Located(source.path, problem=f"{source.path}: a video; only pictures are taken here")


def count_sources(names, leave_out, command):
    """How many pictures and videos the names stand for (int; see `sources`); what folders hold besides is said."""
    passed_over = Counter()
    total = sum(1 for _ in sources(names, leave_out, passed_over))
    text = passed_over_text(passed_over)
    if text is not None:
        _LOG.info("%s: %s", command, text)
    return total


def work_through(items, total, read, take, threads, command, is_done=lambda source: False, take_video=refuse_video):
    """Works through every picture in threads, small ones together, and hands what was found over in order.

    Parameters
    ----------
    items : iterable of Source
    total : int
        How many there are, for the progress.
    read : (list of paths) -> iterable of Located, one each
        Called in threads. Their `image` is not looked at here: let it go, and memory stays flat.
    take : (Located) -> None
        Called in the order of the sources, for pictures that could be read.
    threads : int
    command : str
        Whose name stands before each message.
    is_done : (Source) -> bool
        Which ones are passed over, as an earlier run has finished them.
    take_video : (Source, Progress) -> Located
        Works through a video; its `Located` holds the faces of the frame that had most.

    Returns
    -------
    Summary
    """
    summary, progress = Summary(), Progress("pictures", total)
    try:
        coming = _not_done(items, is_done, summary, progress)
        groups = in_chunks(coming, group_size(total, threads), _share_of_group, 1)
        for source, located in chain.from_iterable(in_order(partial(_read, read), groups, threads, ahead=2)):
            if source.is_video and located is None:
                located = take_video(source, progress)
            elif located.problem is None:
                take(located)
            summary.videos += source.is_video
            _count_in(located, summary, progress, command)
    finally:
        progress.clear()
    progress.say(f"{command}: {summary.text(progress.per_second)}")
    return summary


def _read(read, group):
    """[(Source, its Located)] of some sources; None for a video."""
    located = iter(read([source.path for source in group if _is_picture(source)]))
    return [(source, next(located) if _is_picture(source) else _not_read(source)) for source in group]


def _is_picture(source):
    return source.problem is None and not source.is_video


def _not_read(source):
    return None if source.problem is None else Located(source.path, problem=source.problem)


def _share_of_group(source):
    """A video ends its group, so that it is not waited for longer than need be."""
    return math.inf if source.is_video else share_of_group(source.path)


def _not_done(sources, is_done, summary, progress):
    for source in sources:
        if is_done(source):
            summary.videos += source.is_video
            summary.skipped += 1
            progress.skip()
        else:
            yield source


def _count_in(located, summary, progress, command):
    if located.problem is not None:
        summary.bad += 1
        progress.say(f"{command}: {located.problem}", logging.WARNING)
    else:
        summary.looked_at += 1
        summary.faces += len(located.boxes)
        summary.without_face += not len(located.boxes)
    progress.step()


def _count(number, what):
    return f"{number:,} {what}{'' if number == 1 else 's'}"
