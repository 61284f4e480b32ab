"""Settings from texts, files and code: each value of its kind, or one sentence with what is wanted."""

import math
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest

from tutorial_files.commands import Parser
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.__main__ import Compare, Train
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.settings import (
    add_arguments,
    as_toml,
    parse,
    read_settings,
    shared,
)
from tutorial_lib.knobs import check, kind_of, knob, knobs
from tutorial_lib.train import TrainConfig


@dataclass(frozen=True)
class Toy:
    name: str = knob("a", "which", choices=("a", "b"))
    size: int = knob(3, "how many", least=1)
    rate: float = knob(0.5, "how fast", least=0, below=1)
    loud: bool = knob(False, "with noise")
    limit: int | None = knob(None, "at most", least=1)
    seen: bool | None = knob(None, "or as it suits")
    rates: tuple[float, ...] = knob((0.1, 0.2), "a grid", least=0)
    words: tuple[str, ...] | None = knob(None, "some")
    place: Path = knob(Path("here"), "where", setting=False)

    def __post_init__(self):
        check(self)


KNOWN = dict.fromkeys(knobs(Toy), Toy) | {"options": dict}


class TestParse:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("size", "12", 12),
            ("rate", "1e-3", 0.001),
            ("loud", "TRUE", True),
            ("loud", "no", False),
            ("limit", "none", None),
            ("limit", "all", None),
            ("limit", "7", 7),
            ("seen", "0", False),
            ("seen", "none", None),
            ("rates", "0.1, 0.3 1", (0.1, 0.3, 1.0)),
            ("words", "x,y", ("x", "y")),
            ("words", "none", None),
            ("place", "a/b", Path("a/b")),
        ],
    )
    def test_right(self, name, text, value):
        found = parse(text, *kind_of(Toy, name))
        assert found == value and type(found) is type(value)

    @pytest.mark.parametrize(
        ("name", "text", "words"),
        [
            ("size", "1.5", "wants a whole number, got '1.5'"),
            ("size", "", "wants a whole number, got ''"),
            ("size", "none", "wants a whole number, got 'none'"),
            ("rate", "fast", "wants a number, got 'fast'"),
            ("loud", "ture", "wants true or false, got 'ture'"),
            ("loud", "2", "wants true or false, got '2'"),
            ("limit", "many", "wants a whole number or none, got 'many'"),
            ("seen", "maybe", "wants true or false or none, got 'maybe'"),
            ("rates", "0.1,x", "wants a number, got 'x'"),
        ],
    )
    def test_wrong(self, name, text, words):
        with pytest.raises(TutorialError) as caught:
            parse(text, *kind_of(Toy, name))
        assert str(caught.value) == words


class TestCheck:
    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"name": "c"}, "unknown name 'c'; known are a, b"),
            ({"size": 0}, "size must be a whole number of at least 1, got 0"),
            ({"size": 2.0}, "size must be a whole number of at least 1, got 2.0"),
            ({"size": True}, "size must be a whole number of at least 1, got True"),
            ({"size": None}, "size must be a whole number of at least 1, got None"),
            ({"rate": 1}, "rate must be a number of at least 0 and below 1, got 1"),
            ({"rate": math.nan}, "rate must be a number of at least 0 and below 1, got nan"),
            ({"rate": "0.5"}, "rate must be a number of at least 0 and below 1, got '0.5'"),
            ({"loud": 1}, "loud must be true or false, got 1"),
            ({"limit": 0}, "limit must be a whole number of at least 1, got 0"),
            ({"rates": (0.1, -1)}, "rates must be a number of at least 0, got -1"),
            ({"rates": (math.inf,)}, "rates must be a number of at least 0, got inf"),
            ({"rates": 0.1}, "rates must be a list, got 0.1"),
            ({"words": "xy"}, "words must be a list, got 'xy'"),
            ({"place": 3}, "place must be a path, got 3"),
        ],
    )
    def test_wrong(self, settings, words):
        with pytest.raises(TutorialError) as caught:
            Toy(**settings)
        assert str(caught.value) == words

    def test_right_values_get_their_kind(self):
        toy = Toy(rate=0, rates=[np.float64(0.1), 1], place="there", words=["x"])
        assert (toy.rate, toy.rates, toy.place, toy.words) == (
            0.0,
            (0.1, 1.0),
            Path("there"),
            ("x",),
        )
        assert {type(one) for one in (toy.rate, *toy.rates)} == {float}

    def test_shared_knobs_differ_only_where_said(self):
        @dataclass
        class Other:
            size: int = shared(Toy, "size", 9)
            rate: float = shared(Toy, "rate", below=2)

        size, rate = fields(Other)
        assert size.default == 9 and size.metadata == knobs(Toy)["size"].metadata
        assert rate.default == 0.5 and rate.metadata["below"] == 2
        assert "place" in knobs(Toy) and "place" not in knobs(Toy, settings=True)


class TestCommandLine:
    def given(self, *words: str) -> dict:
        parser = Parser(prog="toy")
        add_arguments(parser, Toy, "toys")
        return vars(parser.parse_args(words))

    def test_only_what_is_given(self):
        assert self.given() == {}
        assert self.given("--no-loud", "--rates", "1,2") == {"loud": False, "rates": (1.0, 2.0)}

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--size", "x"], "--size: wants a whole number, got 'x'; see toy --help"),
            (["--size"], "--size: expected one argument; see toy --help"),
            (["--siz3", "1"], "unrecognized arguments: --siz3 1; see toy --help"),
        ],
    )
    def test_one_sentence(self, words, message):
        with pytest.raises(TutorialError) as caught:
            self.given(*words)
        assert str(caught.value) == message

    def test_no_knob_is_written_twice(self):
        """A default or help of Run or TrainConfig that the suite has too comes from there."""
        for owner, name in [
            *((Run, name) for name in ("dataset", "split", "users", "max_len", "dim")),
            *((TrainConfig, name) for name in ("epochs", "batch_size", "windows", "filter_seen")),
        ]:
            assert knobs(Suite)[name].metadata == knobs(owner)[name].metadata
        kinds = [set(knobs(owner)) for owner in (Run, TrainConfig, Train)]
        assert sum(map(len, kinds)) == len(set.union(*kinds))
        assert not set(knobs(Suite)) & set(knobs(Compare))


class TestFiles:
    def test_round_trip(self, tmp_path):
        toy = Toy("b", 4, 1e-05, True, None, None, (0.1, 3.0), ("x", 'quote " and \\ and é'), "a b")
        plain = {name: getattr(toy, name) for name in knobs(Toy)}
        (tmp_path / "c.toml").write_text(as_toml(plain | {"options": {"k": 1}}), encoding="utf-8")
        found = read_settings(tmp_path / "c.toml", KNOWN)
        assert found.pop("options") == {"k": 1} and Toy(**found) == toy
        assert found["limit"] is None and found["seen"] is None

    def test_yaml_says_the_same(self, tmp_path):
        pytest.importorskip("yaml")
        text = "size: 4\nrate: 1e-3\nloud: yes\nlimit: all\nseen: null\nrates: [0.1, 1e-2]\n"
        (tmp_path / "c.yaml").write_text(text + "options:\n  k: 1\n", encoding="utf-8")
        found = read_settings(tmp_path / "c.yaml", KNOWN)
        assert found.pop("options") == {"k": 1}
        assert Toy(**found) == Toy(size=4, rate=0.001, loud=True, rates=(0.1, 0.01))

    def test_yaml_without_its_package(self, tmp_path, monkeypatch):
        (tmp_path / "c.yml").write_text("size: 4")
        monkeypatch.setitem(sys.modules, "yaml", None)
        with pytest.raises(TutorialError, match=r"needs PyYAML \(pip install pyyaml\); TOML needs"):
            read_settings(tmp_path / "c.yml", KNOWN)

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("c.toml", b"siez = 3", "unknown key 'siez'; known are name, size, rate"),
            ("c.toml", b"size = many", "c.toml is no configuration: Invalid value (at line 1"),
            ("c.toml", b"size = 'many'", "c.toml: size wants a whole number, got 'many'"),
            ("c.toml", b"rates = 0.1", "c.toml: rates wants a list, got 0.1"),
            ("c.toml", b"options = 3", "c.toml: options wants a table of names and values"),
            ("c.toml", b"size = '\xff'", "c.toml is no configuration: 'utf-8' codec"),
            ("c.yaml", b"- 3", "c.yaml is no configuration: it wants lines such as epochs = 20"),
            ("c.yaml", b"a: [", "c.yaml is no configuration: while parsing"),
            ("c.yaml", b"!!python/object/apply:os.getpid []", "could not determine a constructor"),
            ("absent.toml", None, "absent.toml: No such file or directory"),
            (".", None, "Is a directory"),
        ],
    )
    def test_one_sentence(self, name, content, words, tmp_path):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(TutorialError) as caught:
            read_settings(tmp_path / name, KNOWN)
        assert words in str(caught.value) and "\n" not in str(caught.value)


def test_library_code_names_each_flag_once():
    """No default of a flag stands in the command line itself."""
    text = Path(sys.modules[Train.__module__].__file__).read_text(encoding="utf-8")
    flags = re.findall(r'add_argument\(\s*"(--[a-z-]+)"', text)
    assert sorted(flags) == ["--config", "--device", "--option"]


def test_help_runs_as_a_command():
    command = [sys.executable, "-m", "tutorial_lib.experiments", "test", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True)
    assert shown.returncode == 0 and "RUN" in shown.stdout
