"""Which column of a table is the user, the item, the time and the rating."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tutorial_files.errors import TutorialError
from tutorial_files.language import say

SYNONYMS = {
    "user": "user userid uid username reviewerid customerid visitorid memberid 用户 用户id",
    "item": "item itemid iid movieid productid asin videoid filmid songid trackid bookid articleid"
    " newsid venueid goodsid parentasin 物品 物品id 商品 商品id",
    "timestamp": "timestamp time ts unixtime unixreviewtime datetime 时间 时间戳",
    "rating": "rating score stars overall 评分",
}
MEANINGS = {name: meaning for meaning, names in SYNONYMS.items() for name in names.split()}
MOST_COLUMNS = 1000


def named(path: Path, line: int, header: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    """Column numbers by meaning, from a header in `line`; `given` are names that the user chose.

    Raises TutorialError for two columns of one meaning, and where user, item or timestamp is
    missing.
    """
    where, here, shown = {}, say("{path}, line {line}", path=path, line=line), name_list(header)
    if len(header) > MOST_COLUMNS:
        raise TutorialError(
            "{here}: {count:,} columns; a table of events has a line for each event and at"
            " most {most_columns:,} columns.",
            here=here,
            count=len(header),
            most_columns=MOST_COLUMNS,
        )
    for meaning, name in given.items():
        if header.count(name) != 1:
            raise TutorialError(
                "{here}: {header} columns are called {name!r}; choose {meaning}=... among"
                " [{shown}].",
                here=here,
                header=header.count(name),
                name=name,
                meaning=meaning,
                shown=shown,
            )
        where[meaning] = header.index(name)
    chosen = set(where.values())
    for number, name in enumerate(header):
        meaning = meaning_of(name)
        if meaning is None or meaning in given or number in chosen:
            continue
        if meaning in where:
            raise TutorialError(
                "{here}: the columns {header!r} and {name!r} both mean {meaning}; choose"
                " one, for example csv:{path}@{meaning}={name}",
                here=here,
                header=header[where[meaning]],
                name=name,
                meaning=meaning,
                path=path,
            )
        where[meaning] = number
    missing = [meaning for meaning in ("user", "item", "timestamp") if meaning not in where]
    if len(missing) == 3 and any(re.fullmatch(r"[\d.:\- ]+", cell) for cell in header):
        raise TutorialError(
            "{here}: no column names but values ([{shown}]), so the file has no header;"
            " number the columns, for example csv:{path}@user=1,item=2,timestamp=3",
            here=here,
            shown=shown,
            path=path,
        )
    if missing:
        rest = (name for number, name in enumerate(header) if number not in where.values())
        free = [name for name in rest if re.fullmatch(r"[^,@\r\n]{1,40}", name)]
        raise TutorialError(
            "{here}: the table has the columns [{shown}] but lacks {missing}; call them"
            " so, or say which they are, for example csv:{path}@{missing2}={free}",
            here=here,
            shown=shown,
            missing=missing,
            path=path,
            missing2=missing[0],
            free=free[0] if free else "NAME",
        )
    return where


def numbered(
    path: Path, line: int, row: Sequence[str], given: Mapping[str, str], fields: int
) -> dict[str, int]:
    """Column numbers from 0 by meaning, where the user numbered them from 1; `row` is the first
    line, to be checked.
    """
    where = {meaning: int(number) - 1 for meaning, number in given.items()}
    if {"user", "item"} - where.keys() or len(set(where.values())) < len(where):
        raise TutorialError(
            "{path}: numbered columns need user, item and, where there are times,"
            " timestamp, each another number, for example @user=1,item=2,timestamp=4",
            path=path,
        )
    wanted = max(fields, *(number + 1 for number in where.values()))
    if len(row) != wanted or min(where.values()) < 0:
        raise TutorialError(
            "{path}, line {line}: {count} columns ([{name_list}]), where {wanted} were"
            " expected; compare the file with the format, or number the columns from 1, for"
            " example csv:{path}@user=1,item=2,timestamp=4",
            path=path,
            line=line,
            count=len(row),
            name_list=name_list(row),
            wanted=wanted,
        )
    return where


def ignored(header: Sequence[str], where: Mapping[str, int]) -> list[str]:
    """A sentence about the columns that are not used, if there are any."""
    rest = [name for number, name in enumerate(header) if number not in where.values()]
    return [say("ignored the columns {columns}", columns=name_list(rest))] if rest else []


def meaning_of(name: str) -> str | None:
    """What a column of that name holds, if the name is a usual one: User_ID, user_id:token ..."""
    plain = name.strip().lower().partition(":")[0]  # RecBole writes the type behind a colon
    return MEANINGS.get(re.sub(r"[_\- ]", "", plain))


def separator_of(first: str) -> str:
    """Of the first line: "::", or the most frequent of comma, semicolon, tab and bar, or blanks."""
    if "::" in first:
        return "::"
    best = max(",;\t|", key=first.count)
    return best if best in first else " "


def name_list(header: Sequence[str]) -> str:
    """Names for a message, not too many and none too long."""
    shown = ", ".join(repr(name if len(name) <= 30 else name[:30] + "...") for name in header[:12])
    return shown + (say(" and {more:,} more", more=len(header) - 12) if len(header) > 12 else "")
