"""Print what makes a shell complete verbs and flags of deeplandmark.

examples:
  deeplandmark completion bash > ~/.local/share/bash-completion/completions/deeplandmark
  deeplandmark completion zsh > ~/.zfunc/_deeplandmark          # with fpath+=~/.zfunc before compinit in ~/.zshrc
"""
import argparse
import sys
from importlib import import_module

from deeplandmark.commandline.command import command
from deeplandmark.commandline.parser import command_parser


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    import shtab  # late: --help needs no extra
    print(shtab.complete(whole_parser(), args.shell))
    return 0


def whole_parser():
    """One parser of all verbs, each with its flags; of those that need an extra which is missing, the verb alone."""
    from deeplandmark.__main__ import MODULES, VERBS
    parser = argparse.ArgumentParser("deeplandmark")
    parser.add_argument("--version", action="store_true", help="the version")
    verbs = parser.add_subparsers()
    for verb, text in (pair for group in VERBS.values() for pair in group.items()):
        try:
            module = import_module(MODULES.get(verb, f"deeplandmark.{verb}"))
        except ImportError:
            module = None
        own = next((getattr(module, name) for name in ("_parser", "get_args_parser") if hasattr(module, name)), None)
        verbs.add_parser(verb, parents=[own()] if own else [], add_help=own is None, help=text)
    return parser


def _parser():
    parser = command_parser("completion", __doc__)
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="which one it is for")
    return parser


if __name__ == "__main__":
    sys.exit(main())
