"""Label any number of pictures on this machine's cores or a Ray cluster: rows as of detect, in Parquet.

examples:
  deeplandmark label pictures rows
  deeplandmark label 's3://bucket/shards/*.tar' s3://bucket/rows --address auto
  deeplandmark label crawl.parquet rows --columns image,url --points 68
  deeplandmark label list.txt trial --sample 0.01 --limit 1000
"""

import argparse
import os
import sys
from functools import partial

from deeplandmark import __version__
from deeplandmark.commandline.arguments import fraction, whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.finder_arguments import add_model_arguments, add_pose_argument, load_finder
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.telling import LOG
from deeplandmark.networks.published import DEFAULT, model_of_points
from deeplandmark.work.extras import install


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status: 1 when shards are missing or no picture could be read, 130 after Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check_extra()
    from deeplandmark.labelling.run import label, plan_of  # late: it needs the extra
    job = _job(options)
    with when_interrupted("the same command goes on"):
        plan = plan_of(options.source, job, _settings(options))
        outcome = label(plan, job, options.address, options.workers, options.ray_log)
    for line in outcome.lines():
        LOG.info("label: %s", line)
    return _status(outcome, options.out)


def _status(outcome, out):
    from deeplandmark.labelling.run import where_problems_are
    counts = outcome.counts
    if counts.bad:
        LOG.warning("label: what is wrong with %s of them is in %s", f"{counts.bad:,}", where_problems_are(out))
    if outcome.failed:
        LOG.warning("label: %s shards are missing; the same command makes them. The first: %s",
                    f"{len(outcome.failed):,}", outcome.failed[0])
    return 1 if outcome.failed or counts.bad == counts.pictures else 0


def _job(options):
    """The Job. The finder that its workers will make is made here as well: what is wrong with it is said at once."""
    from deeplandmark.labelling.plan import Wanted  # late: --help needs none of it
    from deeplandmark.labelling.worker import Job
    from deeplandmark.work.picture_limits import picture_limits
    finder = load_finder(options)
    wanted = Wanted(options.sample, options.limit, options.shard, options.columns)
    return Job(options.out, partial(load_finder, options), wanted, _constants(options, finder),
               picture_limits().pixels, os.getcwd())


def _constants(options, finder):
    """Columns that say, in each row, by what it was made."""
    import cv2
    import onnxruntime
    model = model_of_points(options.points, options.model) or DEFAULT
    versions = {"deeplandmark": __version__, "onnxruntime": onnxruntime.__version__, "opencv": cv2.__version__}
    return {"system": f"{type(finder.system).__name__.lower()} {model}, detector {finder.detector.name}",
            "versions": ", ".join(f"{name} {version}" for name, version in versions.items())}


def _settings(options):
    """What decides about the rows: the command that goes on with them has to say the same."""
    from deeplandmark.labelling.storage import is_remote
    names = {name: value for name, value in vars(options).items()
             if name not in ("source", "out", "address", "workers", "ray_log", "boxes", "boxes_file", "device")}
    relative = any(not is_remote(name) and (name.endswith(".txt") or not os.path.isabs(name))
                   for name in options.source)
    return {"the working directory": os.getcwd() if relative else None,
            **{f"--{name.replace('_', '-')}": value for name, value in names.items()}}


def _check_extra():
    """Nothing is listed for an hour before somebody is told that Ray is missing."""
    from importlib.util import find_spec
    for module in ("ray", "pyarrow"):
        if find_spec(module) is None:
            raise ModuleNotFoundError(f"{module} is not installed: {install('cluster')}", name=module)


def _columns(text):
    from deeplandmark.labelling.containers import Columns
    parts = [part or None for part in text.split(",")]
    if not 1 <= len(parts) <= 2 or parts[0] is None:
        raise argparse.ArgumentTypeError(f"expected PICTURE or PICTURE,NAME, found {text}")
    return Columns(*parts)


def _parser():
    parser = command_parser("label", __doc__)
    parser.add_argument("source", nargs="+", metavar="SOURCE", help="picture, folder, glob, .txt with a name a line, "
                        ".parquet or .tar with encoded pictures, or a folder of those; here, or s3://, gs:// ...")
    parser.add_argument("out", metavar="OUT", help="folder, or its address, for the rows; a job that was stopped goes "
                        "on there")
    parser.add_argument("--address", metavar="RAY", help="a Ray cluster, auto for the one of this machine; default: "
                        "RAY_ADDRESS, or else a Ray of this machine alone, started for the purpose")
    parser.add_argument("--workers", type=whole_number(1), metavar="N", help="default: every core there is")
    parser.add_argument("--limit", type=whole_number(1), metavar="N", help="only the first N pictures")
    parser.add_argument("--sample", type=fraction, metavar="F", help="only this fraction of them, by their names: the "
                        "same ones every time")
    parser.add_argument("--columns", type=_columns, metavar="PICTURE,NAME", help="of Parquet: the column that holds "
                        "encoded pictures, and the one that names them (column.field of a struct)")
    parser.add_argument("--shard", type=whole_number(1), metavar="N", help="pictures of a shard, which is one file of "
                        "rows, and what is done again when a machine dies (default 1,024; fewer of a small job)")
    parser.add_argument("--ray-log", default=os.devnull, metavar="FILE", help="what Ray says goes there (default: "
                        "nowhere)")
    add_model_arguments(parser)
    add_pose_argument(parser)
    parser.set_defaults(boxes=None, boxes_file=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
