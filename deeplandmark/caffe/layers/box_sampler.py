"""Pieces of pictures that hold more or less of an object: SSD's batch samplers (sampler.cpp of weiliu89/caffe).

Boxes are float32 rows (x1, y1, x2, y2) as parts of the picture.
"""
import numpy as np

from deeplandmark.caffe.boxes import overlaps, shared_areas, sizes_of

_KINDS = ("jaccard_overlap", "sample_coverage", "object_coverage")


def check_samplers(layer, samplers):
    """Refuses, in the name of `layer`, scales and aspect ratios of BatchSampler messages that SSD refuses."""
    for s in (batch.sampler for batch in samplers):
        if not 0 < s.min_scale <= s.max_scale <= 1:
            layer.fail(f"a sampler needs 0 < min_scale <= max_scale <= 1, found {s.min_scale:g} and {s.max_scale:g}")
        if not 0 < s.min_aspect_ratio <= s.max_aspect_ratio < np.inf:
            layer.fail("a sampler needs 0 < min_aspect_ratio <= max_aspect_ratio, found "
                       f"{s.min_aspect_ratio:g} and {s.max_aspect_ratio:g}")


def sampled_boxes(samplers, objects, rng):
    """Boxes to choose from, a list of arrays (4,): those that each BatchSampler keeps of its max_trials tries.

    Parameters
    ----------
    samplers : list of BatchSampler
        One whose use_original_image is false keeps none.
    objects : float32 array (G, 4)
    rng : numpy Generator
    """
    found = []
    for batch in samplers:
        kept = []
        for _ in range(batch.max_trials if batch.use_original_image else 0):
            if batch.HasField("max_sample") and len(kept) >= batch.max_sample:
                break
            box = _drawn(batch.sampler, rng)
            if satisfies(batch.sample_constraint, box, objects):
                kept.append(box)
        found += kept
    return found


def _drawn(sampler, rng):
    """A box anywhere: the square root of its area between the scales, width / height between the aspect ratios."""
    scale = rng.uniform(sampler.min_scale, sampler.max_scale)
    aspect = rng.uniform(sampler.min_aspect_ratio, sampler.max_aspect_ratio)
    aspect = min(max(aspect, scale ** 2), 1 / scale ** 2)        # so that neither side is above 1
    sides = np.minimum([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], 1)
    corner = rng.uniform(0, 1 - sides)
    return np.concatenate([corner, corner + sides]).astype(np.float32)


def satisfies(constraint, box, objects):
    """Whether some object (G, 4) overlaps a box (4,) as a SampleConstraint says; without bounds every box does.

    The bounds are of intersection over union (jaccard_overlap) or, where none of these is given, of the share of the
    box that the object covers (sample_coverage) or else of the object that the box covers (object_coverage): of several
    kinds the code of SSD in effect looks at the first alone.
    """
    for kind in _KINDS:
        low, high = (constraint.HasField(f"{end}_{kind}") for end in ("min", "max"))
        if low or high:
            break
    else:
        return True
    if kind == "jaccard_overlap":
        values = overlaps(box, objects)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = sizes_of(box if kind == "sample_coverage" else objects)
            values = np.nan_to_num(shared_areas(box, objects) / whole)
    inside = np.ones(len(objects), bool)
    if low:
        inside &= values >= getattr(constraint, f"min_{kind}")
    if high:
        inside &= values <= getattr(constraint, f"max_{kind}")
    return bool(inside.any())
