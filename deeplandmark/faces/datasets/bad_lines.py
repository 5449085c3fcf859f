"""The one manner about bad lines: each is a `Problem`, to be named by the command; too many of them end the work.

Lines that cannot be read are judged against all lines of the list, pictures that cannot be read against the pictures
looked at.
"""
from __future__ import annotations

from collections.abc import Sequence

from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.errors import ListError

SHARE, ALWAYS = 0.01, 3     # of the lines that may be bad; so many may be in any case, unless no good one is left


class BadLines:
    """Counts the bad ones among `total` lines or pictures, one after another.

    Attributes
    ----------
    problems : list of Problem
    """

    def __init__(self, total):
        too_many_bad((), total)
        self.total, self.problems, self._good = total, [], 0

    def takes(self, result):
        """Whether a result is a Problem, which is then taken down.

        Raises
        ------
        ListError
            As soon as too many are bad; where all have been so far, when the next good one or the end tells how many.
        """
        if isinstance(result, Problem):
            self.problems.append(result)
        else:
            self._good += 1
        if self._good or len(self.problems) == self.total:
            too_many_bad(self.problems, self.total, self._good + len(self.problems) < self.total)
        return isinstance(result, Problem)


def too_many_bad(problems: Sequence[Problem], total: int, more_to_come: bool = False) -> None:
    """Raises ListError when there are no lines at all, when all have problems, or more than 1 % of the `total` and more
    than three."""
    if total == 0:
        raise ListError("the list holds no faces")
    most = max(ALWAYS, int(SHARE * total))
    if len(problems) > most or len(problems) == total:
        already = "already " if more_to_come else ""
        raise ListError(f"{already}{len(problems)} of {total} lines are bad (at most {most} may be); the first: "
                        f"{problems[0]}")
