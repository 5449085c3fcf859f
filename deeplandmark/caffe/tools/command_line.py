"""`deeplandmark caffe NAME ...`: every verb of the `caffe` program and every tool beside it.

A verb is a function of the program's flags and a Log (verbs.py). A tool, which has arguments of its own, is a function
that adds them to a parser and returns the function to run with the parsed ones, whose result is the exit status, None
for 0. The first line of its docstring is its line of --help.
"""
import argparse
import sys

from deeplandmark.caffe import __version__ as CAFFE_VERSION
from deeplandmark.caffe.benchmark.table import benchmark
from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.logs.log import Log, SilentLog
from deeplandmark.caffe.solvers.average_precision import VERSIONS
from deeplandmark.caffe.solvers.signals import EFFECTS
from deeplandmark.caffe.tools import verbs
from deeplandmark.caffe.tools.classify import classify
from deeplandmark.caffe.tools.compute_image_mean import compute_image_mean
from deeplandmark.caffe.tools.convert_annoset import convert_annoset
from deeplandmark.caffe.tools.convert_imageset import convert_imageset
from deeplandmark.caffe.tools.detect import detect
from deeplandmark.caffe.tools.draw_net import draw_net
from deeplandmark.caffe.tools.extract_features import extract_features
from deeplandmark.caffe.tools.fuzz import fuzz
from deeplandmark.caffe.tools.parse_log import parse_log
from deeplandmark.caffe.tools.reference_check import reference_check
from deeplandmark.caffe.tools.upgrade_proto import (
    upgrade_net_proto_binary,
    upgrade_net_proto_text,
    upgrade_solver_proto_text,
)
from deeplandmark.work.one_line import clipped
from deeplandmark.work.torchrun import is_first

VERBS = {verb.__name__: verb for verb in (verbs.train, verbs.test, verbs.time, verbs.device_query)}
TOOLS = {tool.__name__: tool for tool in (
    convert_imageset, convert_annoset, compute_image_mean, extract_features, classify, detect, draw_net, parse_log,
    upgrade_net_proto_text, upgrade_net_proto_binary, upgrade_solver_proto_text, reference_check, fuzz,
    benchmark)}
_EXAMPLES = """examples:
  %(prog)s train -solver solver.prototxt
  %(prog)s train -solver solver.prototxt -snapshot model/net_iter_1000.solverstate
  %(prog)s train -solver solver.prototxt -weights first.caffemodel,second.caffemodel -log train.log
  torchrun --nproc-per-node 2 -m deeplandmark.caffe train -solver solver.prototxt
  %(prog)s test -model net.prototxt -weights net.caffemodel -iterations 100
  %(prog)s time -model net.prototxt -iterations 20 -phase TEST
  %(prog)s classify pictures/ out.npy --model_def net.prototxt --pretrained_model net.caffemodel
  %(prog)s detect windows.csv out.h5 --model_def net.prototxt --pretrained_model net.caffemodel"""


def main(arguments=None):
    """Run the verb or tool named first; returns the exit status.

    An error is one line on standard error and status 1.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in TOOLS:
        name = arguments[0]
        parser = _Parser(prog=f"deeplandmark caffe {name}", description=TOOLS[name].__doc__, allow_abbrev=False)
        run = TOOLS[name](parser)
        options = parser.parse_args(arguments[1:])
        return _status(name, run, options)
    options = program_parser().parse_args(arguments)
    return _status(f"caffe {options.verb}", _run_verb, options)


def _run_verb(options):
    with Log(options.log) if is_first() else SilentLog() as log:
        VERBS[options.verb](options, log)


def _status(name, run, options):
    try:
        return run(options) or 0
    except (CaffeError, OSError) as error:
        print(f"{name}: {clipped(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (--help shows the arguments)\n")


def program_parser():
    """The ArgumentParser of the flags of `caffe` (tools/caffe.cpp).

    Each may be spelled `-flag value`, `-flag=value`, `--flag value` or `--flag=value`.
    """
    parser = _Parser(prog="deeplandmark caffe", allow_abbrev=False, usage="%(prog)s verb [flags], or tool ...",
                     formatter_class=argparse.RawDescriptionHelpFormatter, description=_verbs_and_tools(),
                     epilog=_EXAMPLES)
    parser.add_argument("-version", "--version", action="version", version=f"caffe version {CAFFE_VERSION}")
    parser.add_argument("verb", metavar="verb", type=_verb, help="one of the verbs above")

    def flag(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", dest=name, **settings)

    flag("solver", metavar="FILE", help="solver definition (train)")
    flag("model", metavar="FILE", help="net definition (test, time)")
    flag("snapshot", metavar="FILE", help="solverstate to go on from (train)")
    flag("weights", metavar="FILES", help="weights to start from, several between commas; not with --snapshot")
    flag("iterations", type=int, default=50, metavar="N", help="batches to run (test, time); default 50")
    flag("ap_version", choices=VERSIONS, default="Integral",
         help="average precision of tops of DetectionEvaluate (test), as SSD's solvers name it; default Integral")
    flag("phase", choices=["TRAIN", "TEST"], type=str.upper, help="phase of the net (time); default TRAIN")
    flag("level", type=int, default=0, metavar="N", help="level of the net state")
    flag("stage", default="", metavar="STAGES", help="stages of the net state, between commas")
    flag("strict", action="store_true",
         help="refuse fields of forks of Caffe that change no result, as BVLC's does; default: a warning")
    flag("gpu", default="", metavar="IDS",
         help="GPU to run on, or one for each process of torchrun: 0,1; default: what solver_mode says (train), CPU "
              "(test, time)")
    flag("batch_size_of", choices=["rank", "all"], default="rank",
         help="under torchrun: whether the nets' batch_size is that of each rank, as with Caffe's --gpu 0,1 (default), "
              "or that of all together (train)")
    flag("sigint_effect", choices=sorted(EFFECTS), default="stop", help="what SIGINT does (train)")
    flag("sighup_effect", choices=sorted(EFFECTS), default="snapshot", help="what SIGHUP does (train)")
    flag("log", metavar="FILE", help="append log lines to this file as well")
    return parser


def _verb(name):
    if name not in VERBS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(VERBS)}, and none of the tools "
                                         f"{', '.join(TOOLS)}")
    return name


def _verbs_and_tools():
    def lines(functions):
        return [f"  {name:27s}{function.__doc__.splitlines()[0].rstrip('.')}" for name, function in functions.items()]
    return "\n".join(["verbs of the `caffe` program, which share the flags below:", *lines(VERBS), "",
                      "tools with arguments of their own (tool --help):", *lines(TOOLS)])
