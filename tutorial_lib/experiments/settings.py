"""Knobs on a command line and in files: arguments, TOML or YAML, and the texts for values.
See `tutorial_lib.knobs`.
"""

import argparse
import dataclasses
import json
import tomllib
import typing
from collections.abc import Iterable
from pathlib import Path

from tutorial_lib.errors import TutorialError
from tutorial_lib.knobs import WANTED, kind_of, knob, knobs
from tutorial_lib.language import mark, say

TRUE, FALSE, NONE = ("true", "yes", "1"), ("false", "no", "0"), ("none", "all")
METAVARS = {int: "N", float: "X", bool: "YES|NO", str: "NAME", Path: "PATH"}


def shared(owner: type, name: str, *default: object, **changes) -> typing.Any:
    """The knob of another dataclass, with another default where one is given."""
    (found,) = (item for item in dataclasses.fields(owner) if item.name == name)
    return knob(*(default or (found.default,)), **dict(found.metadata) | changes)


def parse(text: str, kind: type, optional: bool = False, many: bool = False) -> object:
    """The value that a text stands for, or a sentence with what is wanted. The entries of a list
    are separated by commas or spaces; "none" and "all" are no value.
    """
    if optional and text.strip().lower() in NONE:
        return None
    if many:
        return tuple(parse(word, kind) for word in text.replace(",", " ").split())
    word = text.strip().lower()
    try:
        if kind is bool:
            return {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}[word]
        return kind(text)
    except (ValueError, KeyError):
        raise TutorialError(
            "wants {wanted} or none, got {text!r}" if optional else "wants {wanted}, got {text!r}",
            wanted=WANTED[kind],
            text=text,
        ) from None


def add_arguments(
    parser: argparse.ArgumentParser, owner: type, title: str, **defaults: object
) -> None:
    """An option --NAME for every knob, under a title. What is not given stays away from the result
    of the parser, so that a file can speak; `defaults` are those shown where they differ.
    """
    group = parser.add_argument_group(title)
    for name, item in knobs(owner).items():
        kind, default = kind_of(owner, name), defaults.get(name, item.default)
        about = say(item.metadata["help"], **item.metadata["names"])
        if kind[0] is bool and not kind[1]:
            how = {"action": argparse.BooleanOptionalAction}
        else:
            how = {"metavar": METAVARS[kind[0]], "type": argument_type(*kind)}
            how["metavar"] += ",..." if kind[2] else ""
            about = with_default(about, item.metadata["choices"], default)
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, default=argparse.SUPPRESS, help=about.replace("%", "%%"), **how)


def with_default(about: str, choices: tuple[str, ...] | None, default: object) -> str:
    """The help of an option with its choices and its default, as they are typed."""
    many = isinstance(default, tuple | list)
    shown = ", ".join(map(str, default)) if many else "none" if default is None else default
    values = {"about": about, "choices": ", ".join(choices or ()), "default": shown}
    if default is dataclasses.MISSING:
        needed = mark("{about}: one of {choices} (needed)")
        message = needed if choices else mark("{about} (needed)")
    elif choices:
        message = mark("{about}: one of {choices} (default: {default})")
    else:
        message = mark("{about} (default: {default})")
    return say(message, **values)


def argument_type(*kind) -> typing.Callable[[str], object]:
    def convert(text: str) -> object:
        try:
            return parse(text, *kind)
        except TutorialError as error:  # a ValueError, whose message argparse would drop
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def read_settings(
    path: Path | str, known: dict[str, type], others: Iterable[str] = ()
) -> dict[str, object]:
    """The settings in a file of TOML (or YAML, where PyYAML is installed). `known`: name -> the
    dataclass whose knob it is, or dict for a table of its own; `others` are left out.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        found = load_yaml(path, text) if path.suffix in (".yaml", ".yml") else tomllib.loads(text)
    except OSError as error:
        raise TutorialError(
            "cannot read {path}: {strerror}", path=path, strerror=error.strerror
        ) from None
    except ValueError as error:  # those of encoding, TOML and YAML
        if isinstance(error, TutorialError):
            raise
        raise TutorialError(
            "{path} is no configuration: {error}", path=path, error=" ".join(str(error).split())
        ) from None
    if not isinstance(found, dict):
        raise TutorialError(
            "{path} is no configuration: it wants lines such as epochs = 20", path=path
        )
    settings = {}
    for name, value in found.items():
        name = name.replace("-", "_")
        if name in others:
            continue
        if name not in known:
            raise TutorialError(
                "{path}: unknown key {name!r}; known are {known}",
                path=path,
                name=name,
                known=", ".join(known),
            )
        if known[name] is dict:
            if not isinstance(value, dict):
                raise TutorialError(
                    "{path}: {name} wants a table of names and values", path=path, name=name
                )
            settings[name] = value
            continue
        kind = kind_of(known[name], name)
        try:  # "none", and YAML takes 1e-3 for a text
            text = isinstance(value, str) and kind[0] is not str or value in NONE
            if kind[2] and kind[0] is not str and isinstance(value, list):
                value = [parse(one, kind[0]) if isinstance(one, str) else one for one in value]
            settings[name] = parse(value, *kind) if text else value
            if kind[2] and not isinstance(settings[name], list | tuple | None):
                raise TutorialError("wants a list, got {value!r}", value=value)
        except TutorialError as error:
            raise TutorialError(
                "{path}: {name} {error}", path=path, name=name, error=error
            ) from None
    return settings


def load_yaml(path: Path, text: str) -> object:
    try:
        import yaml
    except ImportError:
        raise TutorialError(
            "{path} is YAML, which needs PyYAML (pip install pyyaml); TOML needs nothing", path=path
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from None


def as_toml(settings: dict[str, object]) -> str:
    """What `read_settings` reads back. None is written as "none"; tables come last."""
    tables = {name: value for name, value in settings.items() if isinstance(value, dict)}
    lines = [line(name, settings[name]) for name in settings if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(line(key, value) for key, value in table.items())]
    return "\n".join(lines) + "\n"


def line(name: str, value: object) -> str:
    plain = "none" if value is None else str(value) if isinstance(value, Path) else value
    return f"{name} = {json.dumps(plain, ensure_ascii=False)}"  # these are TOML's words as well
