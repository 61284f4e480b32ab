"""Commands that speak the reader's language, the words that argparse itself says included."""

import argparse
import re
import textwrap
import typing

from tutorial_files.errors import TutorialError
from tutorial_files.language import columns, mark, retold, say

ERRORS = (  # of argparse
    mark("the following arguments are required: {names}"),
    mark("unrecognized arguments: {names}"),
    mark("ambiguous option: {option} could match {matches}"),
    mark("{option}: expected one argument"),
    mark("{option}: expected at least one argument"),
    mark("{option}: ignored explicit argument {value}"),
    mark("{option}: invalid choice: {value} (choose from {choices})"),
    mark("{option}: invalid {kind} value: {value}"),
    mark("{option}: not allowed with argument {other}"),
    mark("{option}: {problem}"),  # of ours, found in a value
)
WORDS = re.compile(r"\s+|[!-~]+|.")  # a Chinese character is a word of its own
CLOSING = "，。；：、）”？！"  # begin no line


def filled(text: str, width: int) -> list[str]:
    """The lines of a text, none wider than `width` columns but for a closing mark."""
    text = " ".join(text.split())
    if columns(text) == len(text):
        return textwrap.wrap(text, width)
    lines = [""]
    for word in WORDS.findall(text):
        if columns(lines[-1] + word) > width and lines[-1] and word not in CLOSING:
            lines.append("")
        lines[-1] += word if lines[-1] else word.lstrip()
    return [line.rstrip() for line in lines]


class Help(argparse.HelpFormatter):
    """A help page whose lines are filled by columns: a Chinese character has two."""

    def add_usage(self, usage, actions, groups, prefix=None) -> None:
        super().add_usage(usage, actions, groups, say("usage: ") if prefix is None else prefix)

    def format_help(self) -> str:
        return re.sub(r"(?<=[㐀-鿿]):$", "：", super().format_help(), flags=re.M)  # of headings

    def _split_lines(self, text: str, width: int) -> list[str]:
        return filled(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in filled(text, width - len(indent)))


class Parser(argparse.ArgumentParser):
    """Errors are one sentence (TutorialError) instead of the whole usage."""

    def __init__(self, *args, **how):
        super().__init__(*args, **{"formatter_class": Help} | how | {"add_help": False})
        self._positionals.title, self._optionals.title = say("positional arguments"), say("options")
        if how.get("add_help", True):
            about = say("show this help message and exit")
            self.add_argument("-h", "--help", action="help", default=argparse.SUPPRESS, help=about)

    def error(self, message: str) -> typing.NoReturn:
        raise TutorialError(
            "{message}; see {prog} --help",
            message=retold(message.removeprefix("argument "), *ERRORS),
            prog=self.prog,
        )
