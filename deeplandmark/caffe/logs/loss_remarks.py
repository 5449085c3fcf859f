"""What is unusual about loss curves: those that diverge, stay flat or over-fit, and networks behind their siblings."""

import numpy as np

from deeplandmark.caffe.logs.loss_curves import TRAINING_LOSS

DIVERGED = 2.0        # last value this many times the lowest, and above the first one
NOT_FALLING = 0.95    # last value as a fraction of the first one, at least
STUCK = 2.5           # last value as a multiple of the median of its level, or of its sibling's
FLAT = 0.005          # what moves less than this fraction over three quarters of the run is flat
OVER_FITTED = 1.1     # last test loss this many times the lowest, while the training loss went on falling
BY_HEART = 0.3        # training loss as a fraction of a test loss that does not fall: the samples are learned by heart
FEWEST = 8            # tests that tell the course of a curve


def unusual(curves):
    """What is unusual about each of several curves.

    Parameters
    ----------
    curves : list of LossCurve

    Returns
    -------
    dict of name to list of str
        Only the names that have something to say for themselves.
    """
    remarks = {curve.name: _alone(curve) or _among_siblings(curve, curves) for curve in curves}
    return {name: found for name, found in remarks.items() if found}


def _alone(curve):
    """Remarks that need no other curve."""
    what, (iters, values) = curve.judged
    for name, series in ((TRAINING_LOSS, curve.smoothed_loss), (TRAINING_LOSS, curve.train_loss), curve.judged):
        bad = np.flatnonzero(~np.isfinite(series.values))
        if len(bad):
            return [f"{name} not finite at iteration {series.iters[bad[0]]}"]
    if len(values) < 2:
        return []
    if remark := _over_fitting(curve):
        return [remark]
    if values[-1] > DIVERGED * values.min() and values[-1] > values[0]:
        return [f"diverged: {what} went from {values.min():.3g} to {values[-1]:.3g}"]
    if what != TRAINING_LOSS and (since := _flat_since(iters, values)):
        return [f"{what} flat at {values[-1]:.3g} since iteration {since}: the output may be a constant"]
    if values[-1] >= NOT_FALLING * values[0]:
        train = curve.smoothed_loss.values
        by_heart = what == "test loss" and len(train) and train[-1] < BY_HEART * values[-1]
        why = f"; over-fitting: the training loss is {train[-1]:.3g}" if by_heart else ""
        return [f"not going down: {what} {values[0]:.3g} at first, {values[-1]:.3g} at last{why}"]
    return []


def _over_fitting(curve):
    """That the test loss rose while the training loss fell; None where it did not, or was not tested often enough."""
    iters, values = curve.test_loss
    train_iters, train = curve.smoothed_loss
    if len(values) < FEWEST or not len(train):
        return None
    smooth = np.median([values[:-2], values[1:-1], values[2:]], axis=0)          # one odd test is no course
    lowest = int(smooth.argmin())
    then = train[np.searchsorted(train_iters, iters[lowest + 1]).clip(max=len(train) - 1)]
    if smooth[-1] <= OVER_FITTED * smooth[lowest] or train[-1] >= then:
        return None
    return (f"over-fitting: since iteration {iters[lowest + 1]} the test loss rose from {smooth[lowest]:.3g} to "
            f"{smooth[-1]:.3g}, the training loss fell from {then:.3g} to {train[-1]:.3g}")


def _flat_since(iters, values):
    """Iteration from which the last three quarters of the tests (8 or more) hardly move; None when they move."""
    tail = values[len(values) // 4:]
    if len(tail) < FEWEST or np.ptp(tail) > FLAT * abs(np.median(tail)):
        return None
    return int(iters[len(values) // 4])


def _among_siblings(curve, curves):
    """Remarks on a last value far above those of the same level, or of the same point there, in the same measure."""
    level, _ = curve.family
    what = curve.judged[0]
    alike = [c for c in curves if c.family[0] == level and c.judged[0] == what]
    finals = {c.name: c.judged[1].last for c in alike}
    finals = {name: last for name, last in finals.items() if last is not None and np.isfinite(last)}
    if level is None or curve.name not in finals:
        return []
    last, median = finals[curve.name], float(np.median(list(finals.values())))
    if len(finals) >= 3 and last > STUCK * median > 0:
        return [f"stuck: {what} {last:.3g} is {last / median:.1f} x the median of level {level}"]
    twins = [finals[c.name] for c in alike if c.family == curve.family and c is not curve and c.name in finals]
    if twins and last > STUCK * min(twins) > 0:
        return [f"stuck: {what} {last:.3g} is {last / min(twins):.1f} x that of its sibling network"]
    return []
