"""Settings as fields of a dataclass: a knob carries its kind, default, help and limits, once.

Here are the checks. `experiments.settings` makes of the same knobs the arguments of a command line
and the keys of a configuration file. Taught in lesson 07.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterable
from pathlib import Path

from tutorial_lib.errors import TutorialError
from tutorial_lib.language import mark

WANTED = {
    int: mark("a whole number"),
    float: mark("a number"),
    bool: mark("true or false"),
    str: mark("a text"),
    Path: mark("a path"),
}


def knob(
    default: object,
    help: str,
    *,
    choices: Iterable[str] | None = None,
    least: float | None = None,
    below: float = math.inf,
    setting: bool = True,
    names: typing.Mapping[str, object] = types.MappingProxyType({}),
) -> typing.Any:
    """A field of a dataclass of settings. `least` <= value < `below`, each entry of a list alike;
    `setting=False`: it decides where and how fast, not what. `names` fill the {...} of the help.
    """
    about = {"help": help, "choices": choices and tuple(choices), "least": least, "below": below}
    about |= {"setting": setting, "names": names}
    return dataclasses.field(default=default, metadata=about)


def knobs(owner: type, *, settings: bool = False) -> dict[str, dataclasses.Field]:
    """The fields that are knobs; with `settings` only those that decide what comes out."""
    return {
        item.name: item
        for item in dataclasses.fields(owner)
        if "help" in item.metadata and (item.metadata["setting"] or not settings)
    }


def kind_of(owner: type, name: str) -> tuple[type, bool, bool]:
    """(kind, may it be None?, is it a list?) of a field, as annotated."""
    return parts_of(typing.get_type_hints(owner)[name])


def parts_of(annotation: object) -> tuple[type, bool, bool]:
    """int | None -> (int, True, False); tuple[float, ...] -> (float, False, True)."""
    optional = isinstance(annotation, types.UnionType)
    if optional:
        (annotation,) = (part for part in typing.get_args(annotation) if part is not type(None))
    many = typing.get_origin(annotation) is tuple
    return typing.get_args(annotation)[0] if many else annotation, optional, many


def check(owner: object) -> None:
    """Refuses values that are not of their knob's kind or out of its limits; whole numbers become
    floats where those are wanted (numpy's numbers could not be read back from a checkpoint).
    """
    for name, item in knobs(type(owner)).items():
        kind, optional, many = kind_of(type(owner), name)
        value = getattr(owner, name)
        if value is None and optional:
            continue
        if many and not isinstance(value, tuple | list):
            raise TutorialError("{name} must be a list, got {value!r}", name=name, value=value)
        entries = value if many else [value]
        entries = tuple(check_one(name, one, kind, item.metadata) for one in entries)
        object.__setattr__(owner, name, entries if many else entries[0])


def check_one(
    name: str, value: object, kind: type, about: typing.Mapping = types.MappingProxyType({})
) -> object:
    """One value, or one entry of a list."""
    if choices := about.get("choices"):
        if value not in choices:
            raise TutorialError(
                "unknown {name} {value!r}; known are {choices}",
                name=name,
                value=value,
                choices=", ".join(choices),
            )
        return value
    least, below = about.get("least"), about.get("below", math.inf)
    accepted = {float: int | float, Path: str | Path}.get(kind, kind)
    right = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    if right and kind in (int, float):
        right = (least is None or value >= least) and value < below  # NaN is neither
    if not right:
        if least is None:
            message = mark("{name} must be {wanted}, got {value!r}")
        elif below == math.inf:
            message = mark("{name} must be {wanted} of at least {least}, got {value!r}")
        else:
            message = mark(
                "{name} must be {wanted} of at least {least} and below {below}, got {value!r}"
            )
        limits = {"least": least, "below": below}
        raise TutorialError(message, name=name, wanted=WANTED[kind], value=value, **limits)
    return kind(value) if kind in (float, Path) else value
