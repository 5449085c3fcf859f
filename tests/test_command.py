"""How commands end: one line on stderr, the same for all of them."""
import argparse
import importlib

import pytest

from deeplandmark.__main__ import MODULES, VERBS
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.faces import PictureError

COMMANDS = [verb for verbs in VERBS.values() for verb in verbs if verb not in MODULES]


def ended(error, capsys):
    """(status, stderr) of a command in which an error is raised."""
    @command
    def main(arguments):
        raise error
    return main([]), capsys.readouterr().err


@pytest.mark.parametrize("error, text", [
    (ValueError("a net\n  of two lines\n"), "a net of two lines"),
    (PictureError("a.jpg: cut short"), "a.jpg: cut short"),
    (FileNotFoundError(2, "No such file or directory", "a.txt"), "a.txt: No such file or directory"),
    (OSError("a.txt: cannot be written"), "a.txt: cannot be written"),
    (MemoryError(), "there is not enough memory"),
    (MemoryError("Unable to allocate 4 TiB"), "there is not enough memory (Unable to allocate 4 TiB)")])
def test_errors_of_the_user_are_one_line(error, text, capsys):
    assert ended(error, capsys) == (1, f"test_command: {text}\n")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), SystemExit(2),
                                   ImportError("no such name", name="deeplandmark")])
def test_other_errors_are_raised(error, capsys):
    with pytest.raises(type(error)):
        ended(error, capsys)


def test_ctrl_c_says_what_is_there_and_how_to_go_on(capsys):
    @command
    def main(arguments):
        with when_interrupted("all is as it was"):
            raise KeyboardInterrupt
    assert main([]) == 130 and capsys.readouterr().err == "test_command: interrupted; all is as it was\n"
    assert ended(KeyboardInterrupt(), capsys) == (130, "test_command: interrupted\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_so(name, monkeypatch, capsys):
    main = importlib.import_module(f"deeplandmark.{name}").main
    for error, status, text in ((KeyboardInterrupt(), 130, "interrupted"), (OSError("two\nlines"), 1, "two lines")):
        def fail(parser, arguments, error=error):
            raise error
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", fail)
        assert main([]) == status and capsys.readouterr().err == f"{name}: {text}\n"
