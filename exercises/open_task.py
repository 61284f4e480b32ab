"""How the report of an open task is checked. Such a task has no single answer, so a checker looks at
what can be looked at: are all parts there, does an interval hold its own mean, was the choice made
on the scores that are given, and not at the edge of what was tried, are there enough seeds.

A report is a dictionary. Its verdict is *not attempted yet*, *incomplete, because ...* with all that
is missing, or *complete*; it earns no points.
"""

import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from matplotlib.figure import Figure

from exercises import record
from exercises.checking import (
    NOT_ATTEMPTED,
    NotAttempted,
    Verdict,
    Wrong,
    want_array,
    want_number,
    want_truth,
)
from tutorial_lib.language import mark, say
from tutorial_lib.statistics import Interval

COMPLETE, INCOMPLETE = mark("complete"), mark("incomplete")
WORDS = 8  # of a sentence that says something; Chinese counts by characters
Test = Callable[["Report"], None]


class Report:
    """The parts of a report, read one by one: each method returns the part in one form, or None
    where something is wrong with it, which then stands in `faults`.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts, self.faults = dict(parts), []

    def want(self, condition: bool, message: str, /, **values: Any) -> None:
        """Note the message, with its {placeholders} filled, unless the condition holds."""
        if not condition:
            self.faults.append(say(message, **values))

    def _read(self, name: str, read: Callable[[Any], Any]) -> Any:
        value = self.parts.get(name)
        try:
            if not is_empty(value):
                return read(value)
            self.want(False, "`{name}` is missing", name=name)
        except NotAttempted:  # a list with gaps
            self.want(False, "`{name}` is missing", name=name)
        except Wrong as error:
            self.faults.append(str(error))
        return None

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A finite number from low to high."""
        return self._read(name, lambda value: _number(value, f"`{name}`", low, high))

    def truth(self, name: str) -> bool | None:
        """True or False."""
        return self._read(name, lambda value: want_truth(value, f"`{name}`"))

    def interval(
        self, name: str, low: float = -math.inf, high: float = math.inf
    ) -> Interval | None:
        """A mean with the ends of its interval, all from low to high: an Interval of the library
        (`paired_bootstrap`), three numbers (mean, low, high), or a dictionary of these.
        """
        return self._read(name, lambda value: _interval(value, f"`{name}`", low, high))

    def runs(
        self,
        name: str,
        least: int = 3,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> list[float] | None:
        """At least `least` numbers, one a seed, a user or a run, and not all the same."""
        return self._read(name, lambda value: _runs(value, f"`{name}`", least, low, high))

    def table(self, name: str, cell: Test, least: int = 2, keys: Iterable = ()) -> dict | None:
        """A dictionary with at least `least` entries, and with all `keys`. `cell` reads an entry,
        which it finds in a report under the name of the table, as in `runs_of`.
        """

        def read(value: Any) -> dict:
            if not isinstance(value, Mapping):
                raise Wrong("`{name}` is a dictionary, such as {{1: ..., 2: ...}}", name=name)
            missing = [key for key in keys if key not in value]
            if missing:
                raise Wrong("`{name}` has no entry for {key}", name=name, key=repr(missing[0]))
            if len(value) < least:
                raise Wrong(
                    "`{name}` has {count} of at least {least} entries",
                    name=name,
                    count=len(value),
                    least=least,
                )
            return {key: self._entry(f"{name}[{key!r}]", one, cell) for key, one in value.items()}

        found = self._read(name, read)
        return None if found is None or None in found.values() else found

    def _entry(self, name: str, value: Any, cell: Callable[["Report", str], Any]) -> Any:
        inner = Report({name: value})
        found = cell(inner, name)
        self.faults += inner.faults
        return found

    def whole_numbers(self, name: str) -> list[int] | None:
        """A list of whole numbers, such as users."""
        return self._read(name, lambda value: want_array(value, f"`{name}`", kind="int").tolist())

    def same_keys(self, *names: str) -> None:
        """The tables of these names have the same entries."""
        found = [self.parts.get(name) for name in names]
        if all(isinstance(one, Mapping) for one in found):
            self.want(
                all(set(one) == set(found[0]) for one in found),
                "{names} have different entries",
                names=", ".join(f"`{name}`" for name in names),
            )

    def grid(self, name: str, chosen: str | None = None, best: Callable = max) -> dict | None:
        """Scores on the validation part, {value that was tried: score}, at least three. The best
        one must not be at an edge, and it is the one that `chosen` names, where a part does.
        """
        scores = self.table(name, Report.number, least=3)
        if scores is None or any(
            self._read(name, lambda _, key=key: _number(key, f"`{name}`")) is None for key in scores
        ):
            return None
        winner = best(scores, key=scores.get)
        self.want(
            min(scores) < winner < max(scores),
            "the best of `{name}` is {winner:g}, at the edge of what was tried: try values beyond it",
            name=name,
            winner=winner,
        )
        if chosen and (took := self.number(chosen)) is not None:
            self.want(
                math.isclose(took, winner),
                "`{chosen}` is {took:g}, but by `{name}` the best is {winner:g}",
                chosen=chosen, took=took, name=name, winner=winner,
            )  # fmt: skip
        return scores

    def values(self, name: str, arguments: Iterable[Any]) -> list[float] | None:
        """What a function gives for these arguments."""

        def read(function: Any) -> list[float]:
            if not callable(function):
                raise Wrong("`{name}` is a function", name=name)
            found = []
            for argument in arguments:
                try:
                    value = function(argument)
                except Exception as error:
                    kind = type(error).__name__
                    raise Wrong(
                        "`{name}` of {argument} raised {kind}",
                        name=name, argument=argument, kind=kind,
                    ) from error  # fmt: skip
                found.append(_number(value, f"`{name}`"))
            return found

        return self._read(name, read)

    def text(self, name: str) -> str | None:
        """A sentence or two."""

        def read(value: Any) -> str:
            if not isinstance(value, str):
                raise Wrong("`{name}` is a sentence, in quotation marks", name=name)
            if len(re.findall(r"[^\W\d_\u3400-\u9fff]+|[\u3400-\u9fff]", value)) < WORDS:
                raise Wrong("`{name}` says too little: write a full sentence", name=name)
            return value

        return self._read(name, read)

    def picture(self, name: str = "picture") -> Figure | None:
        """A figure of matplotlib with data and a label on each axis."""

        def read(value: Any) -> Figure:
            found = getattr(value, "figure", None) or value
            if not isinstance(found, Figure):
                raise Wrong("`{name}` is a figure: fig, ax = plt.subplots()", name=name)
            drawn = [ax for ax in found.axes if ax.has_data()]
            if not drawn:
                raise Wrong("nothing is drawn in `{name}`", name=name)
            if not any(ax.get_xlabel() and ax.get_ylabel() for ax in drawn):
                raise Wrong("the axes of `{name}` have no labels: what, in which unit?", name=name)
            return found

        return self._read(name, read)

    def closing(self) -> None:
        """What every report ends with: a picture, and a doubt about the own result."""
        self.picture()
        self.text("doubt")


def runs_of(least: int, low: float = -math.inf, high: float = math.inf) -> Callable:
    """For `Report.table`: each entry has at least `least` numbers, one a seed."""
    return lambda report, name: report.runs(name, least, low, high)


def number_of(low: float = -math.inf, high: float = math.inf) -> Callable:
    """For `Report.table`: each entry is a number."""
    return lambda report, name: report.number(name, low, high)


def interval_of(low: float = -math.inf, high: float = math.inf) -> Callable:
    """For `Report.table`: each entry is a mean with its interval."""
    return lambda report, name: report.interval(name, low, high)


def open_task(test: Test) -> Callable[[Any], Verdict]:
    """Decorator: turns `test(report)`, which reads the parts of a Report, into a checker of the
    dictionary that a learner hands in. It prints one line and returns the Verdict; it never raises.
    """
    lesson = test.__module__[-2:]

    @functools.wraps(test)
    def checker(parts: Any) -> Verdict:
        if is_empty(parts):
            verdict = Verdict(NOT_ATTEMPTED)
        elif not isinstance(parts, Mapping):
            verdict = Verdict(INCOMPLETE, say("a report is a dictionary of its parts"))
        else:
            report = Report(parts)
            try:
                test(report)
            except Exception as error:
                report.want(False, "it raised {kind}", kind=type(error).__name__)
            faults = "; ".join(" ".join(fault.split()) for fault in report.faults)
            verdict = Verdict(INCOMPLETE, faults) if faults else Verdict(COMPLETE)
        print(verdict)
        if verdict.status != NOT_ATTEMPTED:
            record.note(f"{lesson}.open", verdict.status == COMPLETE)
        return verdict

    return checker


def is_empty(value: Any) -> bool:
    """Whether a report, or a part of one, is still as the lesson hands it out."""
    if isinstance(value, Mapping):
        return all(map(is_empty, value.values()))
    return value is None or value is Ellipsis


def _number(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    found = want_number(value, name)
    if not math.isfinite(found):
        raise Wrong("{name} is {found}, not a finite number", name=name, found=found)
    if not low <= found <= high:
        raise Wrong(
            "{name} is {found:g}; it lies from {low:g} to {high:g}",
            name=name, found=found, low=low, high=high,
        )  # fmt: skip
    return found


def _interval(value: Any, name: str, low: float, high: float) -> Interval:
    ends = ("mean", "low", "high")
    if isinstance(value, Mapping) and all(end in value for end in ends):
        value = [value[end] for end in ends]
    elif isinstance(value, Interval):
        value = [getattr(value, end) for end in ends]
    elif not (isinstance(value, tuple | list) and len(value) == 3):
        raise Wrong("{name} is an interval: a mean, its lower and its upper end", name=name)
    found = Interval(*(_number(one, name, low, high) for one in value))
    if not found.low < found.high:
        raise Wrong("the lower end of {name} is not below its upper end", name=name)
    if not found.low <= found.mean <= found.high:
        raise Wrong(
            "the interval of {name}, {low:g} to {high:g}, does not hold its own mean, {mean:g}:"
            " the order is mean, low, high",
            name=name, low=found.low, high=found.high, mean=found.mean,
        )  # fmt: skip
    return found


def _runs(value: Any, name: str, least: int, low: float, high: float) -> list[float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    array = want_array(value, name, kind="float")
    if array.ndim != 1 or len(array) < least:
        raise Wrong(
            "{name} has {count} of at least {least} runs",
            name=name,
            count=len(array) if array.ndim == 1 else 0,
            least=least,
        )
    found = [_number(float(one), name, low, high) for one in array]
    if len(set(found)) == 1 and found[0] not in (low, high):  # all right, or none, may be
        raise Wrong(
            "all runs of {name} are {found:g}: does the seed reach the model and its data?",
            name=name,
            found=found[0],
        )
    return found


# Answers on which the tests try the checkers: the parts that many reports share.


def drawn(label: str = "users") -> Figure:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2, 3], [0.1, 0.3, 0.2])
    axes.set(xlabel=label, ylabel=label)
    return figure


END = {
    "picture": drawn(),
    "doubt": "The pauses are those of one simulated world, and its people never sleep.",
}
END_ZH = {"picture": drawn().axes[0], "doubt": "这些停顿来自同一个模拟世界，里面的人从不睡觉。"}
