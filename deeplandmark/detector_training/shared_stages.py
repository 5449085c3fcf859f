"""Stages that every detector's training begins with."""
from deeplandmark.detector_training.suspects import find_suspects


def write_prototxt(generate, job):
    """Training, deploy and solver prototxt, by the `generate` of the system's networks."""
    paths = generate(job.folders.prototxt, recipe=job.recipe, effort=job.effort, seed=job.seed,
                     variables=dict(job.variables), train=job.folders.train, model=job.folders.model)
    return f"{len(paths)} prototxt files are in {job.folders.prototxt}/"


def suspect(job):
    """Where faces may be that nobody labelled."""
    suspects = find_suspects(job.pictures()[0], job.suspects_file, job.jobs)
    return f"{suspects.count} places where a face may be, found by {suspects.found_by}, are in {job.suspects_file}"
