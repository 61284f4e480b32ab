"""The library speaks the reader's language; what has no Chinese stays English."""

import pickle
from pathlib import Path

import pandas as pd
import pytest

from tutorial_files import language as catalogues
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import language, retold, say, speaking, spoken, use_language

PO = r"""msgid ""
msgstr ""
"Language: zh\n"

#: a.py
msgid "cannot read {path}: {reason}"
msgstr "无法读取 {path}：{reason}"

msgid "it is \"empty\""
msgstr "它是"
"“空”的"

#, fuzzy
msgid "old"
msgstr "旧"

msgid "nothing yet"
msgstr ""

msgid "wrong {name} here"
msgstr "这里缺 {other}"

#~ msgid "gone"
#~ msgstr "没了"
"""


@pytest.fixture
def chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with one catalogue, and the Chinese language in use."""
    folder = tmp_path / "locale" / "zh" / "library"
    folder.mkdir(parents=True)
    (folder / "core.po").write_text(PO, encoding="utf-8")
    monkeypatch.setattr(catalogues, "SHARED", tmp_path)
    catalogues._entries.cache_clear()
    use_language("zh")
    yield folder
    use_language("en")
    catalogues._entries.cache_clear()


def test_a_message_and_the_texts_in_it_are_translated(chinese: Path) -> None:
    assert say("cannot read {path}: {reason}", path="a.csv", reason='it is "empty"') == (
        "无法读取 a.csv：它是“空”的"
    )
    with pytest.raises(TutorialError, match="^无法读取 b.csv：7$"):
        raise TutorialError("cannot read {path}: {reason}", path="b.csv", reason=7)


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("unknown {word}", {"word": "x"}),  # no entry
        ("old", {}),  # fuzzy
        ("nothing yet", {}),  # empty
        ("gone", {}),  # obsolete
        ("wrong {name} here", {"name": "x"}),  # a fault of the translation
        ("a brace { that stands for itself", {}),
    ],
)
def test_english_is_the_fallback(chinese: Path, message: str, values: dict) -> None:
    assert say(message, **values) == (message.format(**values) if values else message)


def test_a_damaged_catalogue_stops_nothing(chinese: Path) -> None:
    (chinese / "other.po").write_bytes(b"\xff\xfe\x00")
    (chinese / "third.po").write_text('msgid "half\nmsgstr "x"\n')
    catalogues._entries.cache_clear()
    assert say('it is "empty"') == "它是“空”的"
    assert say("half") == "half"


def test_english_is_never_changed(chinese: Path) -> None:
    use_language("en")
    assert say('it is "empty"') == 'it is "empty"'
    assert spoken("zh", 'it is "empty"') == "它是“空”的"


def test_the_environment_decides_where_nothing_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogues, "_chosen", None)
    for value, expected in (("", "en"), ("zh_CN", "zh"), ("ZH", "zh"), ("en", "en"), ("fr", "en")):
        monkeypatch.setenv("TUTORIAL_LANGUAGE", value)
        assert language() == expected


def test_an_unknown_language_is_refused_and_nothing_changes() -> None:
    before = language()
    with pytest.raises(TutorialError, match="the language is 'fr': choose en or zh"):
        use_language("fr")
    assert language() == before


def test_tables_give_a_chinese_character_two_columns(chinese: Path) -> None:
    """So that the numbers below a Chinese head line up."""
    assert pd.DataFrame({"权重": [1], "b": [2]}).to_string(index=False) == " 权重  b\n    1  2"


def test_an_error_survives_a_process_border(chinese: Path) -> None:
    error = TutorialError("cannot read {path}: {reason}", path="a", reason="b")
    assert str(pickle.loads(pickle.dumps(error))) == "无法读取 a：b"


def test_a_language_for_a_while() -> None:
    use_language("en")
    with pytest.raises(KeyError), speaking("zh"):
        assert language() == "zh"
        raise KeyError
    assert language() == "en"


def test_what_others_say_is_told_by_templates(chinese: Path) -> None:
    templates = ("nothing fits {x}", "cannot read {path}: {reason}")
    assert retold('cannot read a.csv: it is "empty"', *templates) == "无法读取 a.csv：它是“空”的"
    assert retold("something else", *templates) == "something else"
    with speaking("en"):
        text = "cannot read a.csv: b"
        assert retold(text, *templates) == text
