"""What the parsers of all commands have: their name, examples as they stand in the docstring, how much is told."""
import argparse
import logging


def command_parser(verb, description, **more):
    """The ArgumentParser of `deeplandmark VERB`, with --quiet and --verbose; `more` as of ArgumentParser."""
    parser = argparse.ArgumentParser(prog=f"deeplandmark {verb}", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, **more)
    told = parser.add_mutually_exclusive_group()
    told.add_argument("-q", "--quiet", action=_Level, const=logging.WARNING, help="tell only warnings and errors: no "
                      "progress, no summary")
    told.add_argument("-v", "--verbose", action=_Level, const=logging.DEBUG, help="tell also which files are read and "
                      "written, and by what")
    return parser


class _Level(argparse.Action):
    """From where on the logger "deeplandmark" tells; `command` puts it back when the command has ended."""

    def __init__(self, option_strings, dest, const, help):
        super().__init__(option_strings, dest, nargs=0, const=const, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser, namespace, values, option=None):
        logging.getLogger("deeplandmark").setLevel(self.const)
