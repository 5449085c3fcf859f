"""A whole job: plan, shards, what came of it."""
import json
import logging
import os
import time
from dataclasses import dataclass, field

from deeplandmark.faces.errors import FacesError
from deeplandmark.labelling.cluster import made_by_workers, ray_at
from deeplandmark.labelling.plan import Plan, make_plan
from deeplandmark.labelling.shards import PROBLEMS, TRIES, faces_of, finished
from deeplandmark.labelling.storage import names_in, place_of, remove, write_whole
from deeplandmark.labelling.table import Counts, counts_in
from deeplandmark.labelling.worker import Worker
from deeplandmark.work.progress import Progress, duration

_LOG = logging.getLogger(__name__)
SUMMARY = "_summary.json"
_FAILURES = 10              # shards that fail one after another: so will the others
_QUANTILES = 0.05, 0.25, 0.5, 0.75, 0.95


@dataclass
class Outcome:
    """What became of a job.

    Attributes
    ----------
    counts : Counts
        Of all shards that are there, those of earlier runs as well.
    before : int
        Pictures of these that an earlier run had done.
    shards : int
    failed : list of str
        Why shards are missing; the same command makes them.
    seconds : float
        Of this run's work, from the start of Ray on.
    """
    counts: Counts = field(default_factory=Counts)
    before: int = 0
    shards: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def told(self):
        """As a dict of numbers."""
        counts = self.counts
        looked_at = counts.pictures - self.before
        return {"pictures": counts.pictures, "faces": counts.faces, "without_face": counts.without_face,
                "bad": counts.bad, "shards": self.shards, "failed": len(self.failed), "done_before": self.before,
                "seconds": round(self.seconds, 1), "pictures_a_second": round(looked_at / max(self.seconds, 1e-9), 2),
                "pictures_a_second_a_core": round(counts.pictures / max(counts.seconds, 1e-9), 2),
                "confidence": {f"{share:g}": counts.quantile(share) for share in _QUANTILES}}

    def lines(self):
        """For people, a list of str."""
        told, counts = self.told(), self.counts
        with_face = counts.pictures - counts.without_face - counts.bad
        parts = [f"{counts.faces:,} faces in {with_face:,}", f"{counts.without_face:,} without a face"]
        parts += [f"{self.before:,} done before"] if self.before else []
        parts += [f"{counts.bad:,} bad"] if counts.bad else []
        lines = [f"{counts.pictures:,} pictures: {', '.join(parts)}",
                 f"{duration(self.seconds)}; {told['pictures_a_second']:,} a second, "
                 f"{told['pictures_a_second_a_core']:,} a second and core"]
        if counts.confidence:
            shares, values = (", ".join(f"{number:g}" for number in numbers)
                              for numbers in ([100 * share for share in _QUANTILES], told["confidence"].values()))
            lines.append(f"confidence of the points: {shares} % of them have at most {values}")
        return lines


def plan_of(names, job, settings):
    """The Plan in the folder of a Job, made of `names` unless it is there. Raises FacesError when it was made with
    other settings (a dict), or when the folder has other files."""
    settings = json.loads(json.dumps({"SOURCE": names, "folder": job.folder, **settings}))
    if not Plan.is_in(job.out):
        found = sorted(names_in(place_of(job.out)))
        if found:
            raise FacesError(f"{job.out}: there is something in it ({found[0]}); rows go to a folder of their own")
        make_plan(names, job.out, job.wanted, settings)
    plan = Plan(job.out)
    for name in {**plan.settings, **settings}:
        was, now = plan.settings.get(name), settings.get(name)
        if was != now:
            raise FacesError(f"{job.out} was begun with {name} {_shown(was)}, not {_shown(now)}: another folder for "
                             "another job")
    return plan


def label(plan, job, address=None, workers=None, log=os.devnull):
    """Makes every shard of a Plan that is not there.

    Parameters
    ----------
    plan : Plan
    job : Job
    address, workers, log : see `ray_at`

    Returns
    -------
    Outcome

    Raises
    ------
    FacesError
        When it makes no sense to go on.
    """
    done, out = finished(job.out), place_of(job.out)
    outcome = Outcome(shards=plan.shards)
    for shard in done:
        outcome.counts.add(counts_in(out.below(*faces_of(shard))))
    outcome.before = outcome.counts.pictures
    missing = sorted(set(range(plan.shards)) - set(done))
    if done:
        _LOG.info("label: %s", f"going on: {len(done):,} of {plan.shards:,} shards are done, "
                               f"{outcome.before:,} pictures")
    if missing:
        for name in names_in(out.below(TRIES)):                  # of an earlier run: now they may live
            remove(out.below(TRIES, name))
        started = time.monotonic()
        with ray_at(address, workers, log) as running:
            _LOG.info("label: %s", f"{len(missing):,} shards for {running.workers:,} "
                                   f"worker{'' if running.workers == 1 else 's'}")
            answers = made_by_workers(Worker, job, missing, running.workers)
            _make(plan, missing, answers, outcome, running.stderr)
        outcome.seconds = time.monotonic() - started
    write_whole(out.below(SUMMARY), json.dumps(outcome.told(), indent=1).encode())
    return outcome


def _make(plan, missing, answers, outcome, stream):
    left_to_do = None if plan.total is None else plan.total - outcome.before
    drawn = stream.isatty() and _LOG.isEnabledFor(logging.INFO)
    progress = Progress("pictures", left_to_do, "label", stream=stream if drawn else None)
    left, in_a_row = set(missing), 0
    try:
        for answer in answers:
            left.discard(answer["shard"])
            if answer["error"]:
                in_a_row += 1
                outcome.failed.append(answer["error"])
                if in_a_row == min(_FAILURES, len(missing)):
                    raise FacesError(f"{in_a_row} shards in a row could not be made: {answer['error']}")
                progress.say(f"label: {answer['error']}", logging.WARNING)
                continue
            in_a_row, counts = 0, Counts.of(answer["counts"])
            outcome.counts.add(counts)
            if plan.total is None:                               # as many in each of the others, so far as one knows
                made = len(missing) - len(left) - len(outcome.failed)
                progress.total = round((progress.done + counts.pictures) * len(missing) / made)
            progress.step(counts.pictures)
    finally:
        progress.clear()
    outcome.failed += [f"shard {shard}: its workers died, again and again" for shard in sorted(left)]


def _shown(value):
    return "unset" if value is None else " ".join(map(str, value)) if isinstance(value, list) else value


def where_problems_are(out):
    """The path or address (str) of the table of problems."""
    return os.path.join(out, PROBLEMS)
