"""Random tables, good and damaged: nothing but a TutorialError is ever raised, and what is accepted
is what an independent, strict reader (line by line, with the csv module) finds in the file.

300 tables as a rule; TUTORIAL_TABLES=5000 draws more.
"""

import csv
import gzip
import io
import os
import re
import warnings
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.sequences import training_batches
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.errors import TutorialError

TABLES = int(os.environ.get("TUTORIAL_TABLES", "300"))
NASTY = ["", "NA", "null", "007", "7", "1e5", "12e3", " 7", "7 ", "-1", "nan", "1.60E+09", "1.6e+09", "2020-09-13",
         "01/02/2020", "20240131", "9007199254740993", "9007199254740993.0", "9223372036854775808", '"', '""', "a\x1fb",
         "\ufeff", "张三", "é", "1_000", "１２", "x" * 300, "1600000000000", "0", "True", "1600000000.5", "#", "\\N", "'"]  # fmt: skip
SIGNS = list(",;\t|:\"\n\r \0\ufeff\x1f\\'é张1") + ["\r\n", "::", '"\n', "\u2028", "\x85", "\x0c"]
HEADERS = {
    "user": ["user", "user_id", "userId", "UserID", "uid", "user_id:token", " user "],
    "item": ["item", "item_id", "movieId", "asin", "item_id:token", "商品"],
    "timestamp": ["timestamp", "time", "ts", "unixReviewTime", "timestamp:float", "时间"],
    "rating": ["rating", "score", "stars"],
}
OTHERS = ["note", "zip", "", "genre", "x"]


class Draw:
    """One random table: its bytes, name, and the separator and encoding with which it was written."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([20, seed])
        self.separator = self.pick([",", ",", ",", ";", "\t", "|", "::", " "])
        meanings = ["user", "item", "timestamp"] + ["rating"] * self.maybe(0.4)
        names = [self.pick(HEADERS[meaning]) for meaning in meanings]
        for _ in range(self.rng.integers(0, 3) if self.maybe(0.4) else 0):
            meanings.append("other")
            names.append(self.pick(OTHERS))
        if self.maybe(0.05):  # two columns of one meaning, or one missing
            names[self.rng.integers(len(names))] = self.pick(HEADERS[self.pick(list(HEADERS))])
        if self.separator == " ":
            names = [name.strip() or "x" for name in names]
        order = self.rng.permutation(len(names))
        lines = [[names[k] for k in order]]
        rows = int(self.rng.integers(3, 25))
        columns = [self.column(meanings[k], rows) for k in order]
        lines += [list(row) for row in zip(*columns, strict=True)]
        for _ in range(self.rng.integers(1, 4) if self.maybe(0.35) else 0):
            self.damage(lines)
        text = self.written(lines)
        for _ in range(self.rng.integers(1, 3) if self.maybe(0.25) else 0):
            place = int(self.rng.integers(len(text) + 1))
            cut = int(self.rng.integers(0, 3))
            text = text[:place] + self.pick(SIGNS) * self.maybe(0.7) + text[place + cut :]
        self.encoding = self.pick(
            ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "gb18030", "latin-1"]
        )
        self.data = text.encode(self.encoding, "replace")
        if self.maybe(0.08) and self.data:
            place = int(self.rng.integers(len(self.data)))
            self.data = (
                self.data[:place] + self.rng.bytes(1) * self.maybe(0.7) + self.data[place + 1 :]
            )
        self.packed = self.maybe(0.1)
        self.name = (
            self.pick(["x.csv", "x.CSV.GZ", "x.inter.gz"])
            if self.packed
            else self.pick(["x.csv", "x.txt", "x.dat", "X.TSV", "x.inter"])
        )
        if self.packed and not self.name.lower().endswith(".gz"):
            self.name += ".gz"

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def maybe(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def column(self, meaning: str, rows: int) -> list[str]:
        numbers = self.rng.integers(0, 6, rows)
        if meaning in ("user", "item"):
            numbers = numbers if meaning == "item" else np.sort(numbers // 2)
            form = self.pick(
                ["{}", "{}", "{:03d}", "u{}", "{}.0", "{}e3", "é{}", "用户{}", "A{:010d}"]
            )
            words = ["NA", "null", "None", "nan", "7", "007"]
            return [self.pick(words) if self.maybe(0.02) else form.format(n) for n in numbers]
        if meaning == "timestamp":
            start = int(self.rng.integers(10**8, 3 * 10**9))
            times = start + np.cumsum(self.rng.integers(0, 5000, rows))
            return self.times(times.tolist())
        blank = "-" if self.separator == " " else ""
        if meaning == "rating":
            return [self.pick(["1", "2.5", "5", "4.0", blank.replace("-", "3")]) for _ in numbers]
        return [self.pick([blank, "abc", "1", f"x{blank or ' '}y"]) for _ in numbers]

    def times(self, times: list[int]) -> list[str]:
        match int(self.rng.integers(0, 14)):
            case 0:
                return [str(time * 1000 + 5) for time in times]
            case 1:
                return [str(time * 10**6) for time in times]
            case 2:
                return [f"{time}.{int(self.rng.integers(1000)):03d}" for time in times]
            case 3:
                return [
                    datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    for time in times
                ]
            case 4:
                return [
                    datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
                    for time in times
                ]
            case 5:
                return [datetime.fromtimestamp(time, UTC).strftime("%Y%m%d") for time in times]
            case 6:
                return [f"{time:.2E}" for time in times]
            case 7:
                return [datetime.fromtimestamp(time, UTC).strftime("%d/%m/%Y") for time in times]
            case 8:
                return [str(times[0])] * len(times)
        return [str(time) for time in times]

    def damage(self, lines: list[list[str]]) -> None:
        row = int(self.rng.integers(len(lines)))
        place = int(self.rng.integers(len(lines[row]))) if lines[row] else 0
        match int(self.rng.integers(0, 6)):
            case 0 if lines[row]:
                lines[row][place] = self.pick(NASTY)
            case 1 if lines[row]:
                del lines[row][place]
            case 2:
                lines[row].insert(place, self.pick(NASTY))
            case 3:
                lines.insert(row, list(lines[row]))
            case 4:
                del lines[row]
                lines or lines.append([])
            case 5:
                column = place
                for line in lines[1:]:
                    if column < len(line) and self.maybe(0.5):
                        line[column] = self.pick(NASTY)

    def written(self, lines: list[list[str]]) -> str:
        end = self.pick(["\n", "\n", "\n", "\r\n"])
        if len(self.separator) > 1 or self.separator == " " or self.maybe(0.5):
            text = end.join(self.separator.join(line) for line in lines)
        else:
            buffer = io.StringIO(newline="")
            quoting = self.pick([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
            csv.writer(
                buffer, delimiter=self.separator, lineterminator=end, quoting=quoting
            ).writerows(lines)
            text = buffer.getvalue().removesuffix(end)
        return text + end * self.maybe(0.8)


class Refused(Exception):
    pass


NAMES = {"user": "user userid uid username reviewerid customerid visitorid memberid 用户 用户id", "item": "item itemid iid movieid productid asin videoid filmid songid trackid bookid articleid newsid venueid goodsid parentasin 物品 物品id 商品 商品id",
         "timestamp": "timestamp time ts unixtime unixreviewtime datetime 时间 时间戳", "rating": "rating score stars overall 评分"}  # fmt: skip


def strict(draw: Draw) -> dict[str, list[tuple[str, int]]]:
    """What the table says, user by user in order of time, read without any library of ours."""
    try:
        text = draw.data.decode(draw.encoding)
    except UnicodeError as error:
        raise Refused("encoding") from error
    if "\0" in text:
        raise Refused("NUL")
    if draw.separator in (" ", "::"):
        if re.search(r"\r(?!\n)", text):
            raise Refused("carriage return")
        lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
        if draw.separator == " ":
            table = [re.sub("[ \t]+", " ", line).strip(" ").split(" ") for line in lines]
        else:
            table = [line.split("::") for line in lines]
    else:
        try:
            table = list(
                filter(
                    None,
                    csv.reader(
                        io.StringIO(text, newline=""), delimiter=draw.separator, strict=True
                    ),
                )
            )
        except csv.Error as error:
            raise Refused("quotes") from error
    if len(table) < 2 or any(len(row) != len(table[0]) for row in table):
        raise Refused("fields")
    where = {}
    for place, name in enumerate(table[0]):
        plain = name.strip().lower().split(":")[0].translate({ord(sign): None for sign in "_- "})
        for meaning, known in NAMES.items():
            if plain in known.split():
                if meaning in where:
                    raise Refused("two of one meaning")
                where[meaning] = place
    if not {"user", "item", "timestamp"} <= where.keys():
        raise Refused("header")
    rows = [[row[where[name]] for name in ("user", "item", "timestamp")] for row in table[1:]]
    if any("" in row or len(row[0]) > 255 or len(row[1]) > 255 for row in rows):
        raise Refused("missing or long")
    if "rating" in where:
        for row in table[1:]:
            cell = row[where["rating"]]
            if (
                cell
                and not re.fullmatch(
                    r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})? *", cell
                )
                or (cell and abs(float(cell)) >= 1e38)
            ):
                raise Refused("rating")
    times = exact_times([row[2].strip() for row in rows])
    if len(times) > 1 and len(set(times)) == 1:
        raise Refused("equal times")
    events = [(user, item, time) for (user, item, _), time in zip(rows, times, strict=True)]
    if len(set(events)) < len(events):
        raise Refused("duplicate")
    users: dict[str, list] = {}
    for user, item, time in sorted(events, key=lambda event: event[2]):
        event = (item, int(time))
        if event not in users.setdefault(user, []):
            users[user].append(event)
    users = {user: found for user, found in users.items() if len(found) >= 3}
    if not users:
        raise Refused("short histories")
    return users


def exact_times(texts: list[str]) -> list[Decimal]:
    if re.fullmatch(r"[0-9]{4}-[0-9].*", texts[0]):
        zoned = ["Z" in text for text in texts]
        if len(set(zoned)) > 1 or not all(
            re.fullmatch(
                r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ] *[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)? *Z?", text
            )
            for text in texts
        ):
            raise Refused("dates")
        found = []
        for text in texts:
            year, month, day, *clock = (int(part) for part in re.findall("[0-9]+", text))
            try:
                found.append(
                    Decimal(int(datetime(year, month, day, *clock, tzinfo=UTC).timestamp()))
                )
            except ValueError as error:
                raise Refused("calendar") from error
        if min(found) < 0:
            raise Refused("before 1970")
        return found
    found = []
    for text in texts:
        if match := re.fullmatch(r"([0-9])(\.([0-9]*))?[eE]\+?([0-9]{1,3})", text):
            if len(match[3] or "") < int(match[4]):
                raise Refused("rounded")
        elif not re.fullmatch(r"[0-9]{1,19}(\.[0-9]*)?", text):
            raise Refused("time")
        found.append(Decimal(text))
    if max(found) >= 2**63 or max(map(int, found)) > 10**11:
        raise Refused("not seconds")
    for form, digits in (("%Y%m%d", 8), ("%Y%m%d%H", 10), ("%Y%m", 6), ("%Y", 4)):
        right = sum(is_calendar(str(int(time)), form, digits) for time in found)
        if right == len(found) or (digits > 6 and right > len(found) / 2):
            raise Refused("calendar number")
    return found


def is_calendar(text: str, form: str, digits: int) -> bool:
    try:  # the day is 1 to 31 in every month: a wrong day is no sign of seconds
        fits = datetime.strptime(
            text[:6] + ("01" if 1 <= int(text[6:8] or 1) <= 31 else "00") + text[8:]
            if digits > 6
            else text,
            form,
        )
    except ValueError:
        return False
    return len(text) == digits and 1900 <= fits.year <= 2100


def examine(seed: int, folder: Path) -> tuple[str, str]:
    """(outcome, reason); fails the test where the two readers disagree to the worse."""
    draw = Draw(seed)
    path = folder / draw.name
    path.write_bytes(gzip.compress(draw.data) if draw.packed else draw.data)
    try:
        expected, why = strict(draw), ""
    except Refused as error:
        expected, why = None, str(error)
    try:
        with warnings.catch_warnings(action="ignore"):
            dataset = load_dataset(f"csv:{path}")
    except TutorialError as error:
        assert "\n" not in str(error), (seed, str(error))
        return ("refused", why) if expected is None else ("refused, readable", str(error))
    assert expected is not None, (seed, why, draw.data)
    found: dict[str, list] = {}
    for user, item, time in dataset.events[["user", "item", "timestamp"]].to_numpy():
        name = str(dataset.user_ids[user])
        found.setdefault(name, []).append((str(dataset.item_ids[item - 1]), int(time)))
    assert found == expected, (seed, draw.data)
    return "accepted", ""


def test_random_tables_are_read_right_or_refused(tmp_path: Path) -> None:
    outcomes = [examine(seed, tmp_path) for seed in range(TABLES)]
    counts = Counter(outcome for outcome, _ in outcomes)
    print(dict(counts), Counter(why for outcome, why in outcomes if outcome == "refused"))
    # whoever does not know the encoding may refuse what can be read with it
    readable = [why for outcome, why in outcomes if outcome == "refused, readable"]
    others = [why for why in readable if "encoding=" not in why]
    assert len(others) <= 1 + TABLES // 1000, (
        others
    )  # say, a damaged header with more of another separator
    assert counts["accepted"] > 0.2 * TABLES and counts["refused"] > 0.2 * TABLES
    assert len({why for outcome, why in outcomes if outcome == "refused"}) >= 10
    assert len(readable) < 0.05 * TABLES


@pytest.mark.parametrize("count", [12])
def test_what_is_accepted_trains(count: int, tmp_path: Path) -> None:
    trained = 0
    for seed in range(TABLES):
        draw = Draw(seed)
        path = tmp_path / draw.name
        path.write_bytes(gzip.compress(draw.data) if draw.packed else draw.data)
        try:
            with warnings.catch_warnings(action="ignore"):
                split = leave_last_out(load_dataset(f"csv:{path}"))
            batches = list(training_batches(split, max_len=5, batch_size=4, seed=0, epoch=0))
        except TutorialError:
            continue
        assert all(int(batch.items.max()) <= split.dataset.num_items for batch in batches)
        assert len(split.test) == split.dataset.num_users
        trained += 1
        if trained == count:
            return
    raise AssertionError(f"only {trained} tables were accepted")
