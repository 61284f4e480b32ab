"""Commands, verdicts, reports and advice in two languages: the same numbers in other words."""

import os
import re
import subprocess
import sys
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data import __main__ as data_commands
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments import clock
from tutorial_lib.experiments.__main__ import build_parser, main
from tutorial_lib.experiments.clock import advice
from tutorial_lib.experiments.published import read_report, retell_report
from tutorial_lib.experiments.results import RESULTS, read_suite, suite_names, suite_tables
from tutorial_lib.experiments.settings import parse
from tutorial_lib.experiments.stages import work
from tutorial_lib.experiments.stages.report import READS, under_protocol
from tutorial_lib.experiments.stages.robustness import AHEAD, BEATEN, BLIND, COUNTED, HOLDS
from tutorial_lib.experiments.words import CELLS, in_words
from tutorial_lib.language import say, speaking, use_language
from tutorial_lib.serving import __main__ as serving_commands

HAN = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")  # three small words in a row
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@pytest.fixture
def chinese():
    use_language("zh")
    yield
    use_language("en")


def numbers(text: str) -> Counter[str]:
    return Counter(NUMBER.findall(text))


def both(tell) -> tuple[list[str], list[str]]:
    """What `tell` says in English and in Chinese; the numbers must be equal, sentence by sentence."""
    told = []
    for code in ("en", "zh"):
        with speaking(code):
            told.append(list(tell()))
    english, said = told
    assert len(english) == len(said) and english
    for one, other in zip(english, said, strict=True):
        assert numbers(one) == numbers(other), (one, other)
        assert HAN.search(other) and not ENGLISH.search(other), other
        assert not HAN.search(one)
    return english, said


class TestCommands:
    def test_help_speaks_the_language_of_the_environment(self):
        environment = os.environ | {"TUTORIAL_LANGUAGE": "zh"}
        command = [sys.executable, "-m", "tutorial_lib.experiments", "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert shown.returncode == 0 and shown.stdout.startswith("用法：")
        assert "训练一个模型，在测试集上评估，写出结果" in shown.stdout
        assert "选项：\n  -h, --help  显示这份帮助并退出\n" in shown.stdout

    @pytest.mark.parametrize(
        ("parser", "words"),
        [
            *(
                (build_parser, [name, "--help"])
                for name in ("train", "suite", "clock", "worker", "test")
            ),
            (data_commands.build_parser, ["info", "--help"]),
        ],
    )
    def test_no_page_of_help_has_an_english_sentence(self, chinese, parser, words, capsys):
        with pytest.raises(SystemExit):
            parser().parse_args(words)
        text = capsys.readouterr().out
        assert text.startswith("用法：") and HAN.search(text)
        assert not ENGLISH.search(" ".join(text.split()).replace("pip install", ""))

    def test_lines_of_help_fit_the_screen(self, chinese, capsys, monkeypatch):
        """By columns, of which a Chinese character has two; a closing mark may hang over."""
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit):
            build_parser().parse_args(["suite", "--help"])
        lines = capsys.readouterr().out.splitlines()
        widths = [len(line) + len(re.findall("[\u2e80-\uffef]", line)) for line in lines]
        assert 72 < max(widths) <= 80
        assert not any(re.match(r"\s*[，。；：、）]", line) for line in lines)

    @pytest.mark.parametrize(
        ("call", "sentence"),
        [
            ([], "错误：缺少必需的参数：COMMAND；用法见 python -m tutorial_lib.experiments --help"),
            (["train", "--epochs"], "--epochs：需要一个值；"),
            (["train", "--model", "sasrec", "--modle", "x"], "无法识别的参数：--modle x；"),
            (["play"], "没有 'play' 这个选择（可选 'train', 'suite', "),
            (["train", "--epochs", "x"], "--epochs：需要整数，收到的是 'x'；"),
            (["train", "--users", "x"], "--users：需要整数或 none，收到的是 'x'；"),
            (["suite", "--dropout", "3"], "dropout 必须是不小于 0、小于 1 的数，得到的是 3.0"),
        ],
    )
    def test_wrong_use_is_one_chinese_sentence(self, chinese, call, sentence, capsys):
        assert main(call) == 2
        shown = capsys.readouterr().err
        assert shown.startswith("错误：") and sentence in shown and shown.count("\n") == 1


def test_an_error_of_a_process_speaks_the_language_of_its_parent(chinese):
    with pytest.raises(TutorialError, match="^需要整数，收到的是 'x'$"):
        work.perform([partial(parse, "x", int)] * 2, 2, lambda: None)


class TestVerdicts:
    @pytest.mark.parametrize("name", suite_names())
    def test_of_every_stage_of_every_suite(self, name):
        for stage in READS:
            tables = {
                table: read_suite(name, stage.name, table)
                for where, table in (one.split("/") for one in suite_tables(name))
                if where == stage.name
            }
            if tables:
                both(partial(stage.verdict, tables))
                both(lambda stage=stage: [say(stage.question)])

    def test_the_sentence_of_a_loss(self):
        row = {"model": "tisasrec", "twin": "sasrec", "condition": "gaps shuffled"}
        row |= {"delta": -0.02, "delta_low": -0.03, "delta_high": -0.01}
        other = row | {"model": "sasrec", "twin": None, "delta_high": 0.01}
        (stage,) = (one for one in READS if one.name == "sensitivity")
        english, said = both(lambda: stage.verdict({"sensitivity": pd.DataFrame([row, other])}))
        assert english == [
            "gaps shuffled: 1 of 1 time-aware models lose (tisasrec), 0 of 1 others."
        ]
        assert said == [
            "间隔打乱：1 个时间感知模型中有 1 个变差（tisasrec），其余 1 个模型中有 0 个。"
        ]

    def test_a_collapsed_seed_and_a_model_that_might_gain(self):
        """What the tuning says under the protocol, with names and without."""
        (stage,) = (one for one in READS if one.name == "tune")
        seeds = {"model": "m", "seed": [0, 1, 2], "epochs": 4, "valid_ndcg@10": [0.1, 0.1, 0.01]}
        grid = pd.DataFrame(seeds | {"learning_rate": 0.01, "best_epoch": 2})
        tables = {"grid": grid, "chosen": grid[:1]}
        tables["seeds"] = pd.DataFrame(seeds | {"collapsed": [False, False, True]})
        tables["longer"] = tables["seeds"][:2].assign(epochs=6)
        english, said = both(lambda: stage.verdict(tables))
        assert english[1:] == [
            "Would gain from half as many epochs again: none.",
            "Collapsed, and in no mean: m (seed 2).",
        ]
        assert said[2] == "训练崩溃，不计入任何均值：m（种子 2）。"
        tables["longer"] = tables["longer"].assign(**{"valid_ndcg@10": 0.3})
        assert "再增加一半还会提高的模型：m。" in both(lambda: stage.verdict(tables))[1][1]

    def test_broken_rules(self):
        """Each rule of the protocol, read off tables that break it."""
        runs = {"model": "m", "seed": [0, 0], "valid_ndcg@10": [0.5, 0.1], "epochs": 4}
        chosen = pd.DataFrame({"model": ["m", "n"], "learning_rate": 0.1, "epochs": 4})
        row = {"model": "m", "against": "n", "reference": 0.1, "margin": 0.1, "low": 0.2}
        row |= {"high": 0.3, "ceiling": 1.0, "p": 0.01, "p_holm": 0.5, "answer": "against"}
        tables = {
            "tune/grid": pd.DataFrame(runs | {"learning_rate": [0.001, 0.003]}),
            "tune/chosen": chosen,
            "tune/seeds": pd.DataFrame(runs | {"epochs": 3}),
            "tune/longer": pd.DataFrame(runs)[:0],
            "tune/curves": pd.DataFrame({"epoch": 1, "ndcg": 0.1} | runs)[:0],
            "stability/models": pd.DataFrame({"model": ["m", "n"], "seeds": 3}),
            "stability/runs": pd.DataFrame({"label": ["m"], "train_seconds": 1.0}),
            "significance/answers": pd.DataFrame([row]),
        }
        english, _ = both(lambda: under_protocol(tables, {"rates": (0.001, 0.003, 0.01)}))
        kinds = {line.removeprefix("Broken: ").partition(":")[0] for line in english}
        rules = {"budget", "interior", "collapse", "seeds", "enough", "curves", "answers"}
        assert kinds == rules
        assert both(lambda: under_protocol({}, {}))[0][0].startswith("Not judged: the stages tune,")

    def test_what_is_counted_and_shown_in_words_are_the_words_of_the_tables(self):
        assert set(CELLS["verdict"]) == set(COUNTED) == {BLIND, HOLDS, AHEAD, BEATEN}


class TestTables:
    @pytest.mark.parametrize("name", suite_names())
    def test_heads_are_words_and_stay_apart(self, name, chinese):
        for one in suite_tables(name):
            table = read_suite(name, *one.split("/"))
            shown = in_words(table)
            assert shown.shape == table.shape and shown.columns.is_unique
            numeric = table.select_dtypes(np.number)
            for column in numeric:
                values = shown.iloc[:, table.columns.get_loc(column)]
                np.testing.assert_array_equal(values.to_numpy(), numeric[column].to_numpy())

    def test_english_ones_are_those_of_the_files(self):
        table = pd.DataFrame({"model": ["m"], "verdict": [BLIND]})
        assert in_words(table) is table
        with speaking("zh"):
            shown = in_words(table.assign(gain_low=0.5, uses_time=True, corruption="jitter 0.5"))
        assert shown.to_dict("list") == {
            "模型": ["m"],
            "判定": ["没有用到时间，不能证明什么"],
            "收益下限": [0.5],
            "用到时间": ["是"],
            "干扰": ["强度 0.5 的抖动"],
        }


class TestReports:
    @pytest.mark.parametrize("name", suite_names())
    def test_a_committed_report_follows_from_its_archive(self, name):
        """In English to the letter; in Chinese with the same numbers and no English sentence."""
        english = read_report(name)
        assert english == (RESULTS / "suite" / f"{name}.md").read_text(encoding="utf-8")
        assert retell_report(english, name) == english
        with speaking("zh"):
            said = read_report(name)
        for one, other in zip(english.splitlines(), said.splitlines(), strict=True):
            if not one.startswith("|"):
                assert numbers(one) == numbers(other), (one, other)
            assert not ENGLISH.search(re.sub("`.*?`", "", other)), other

    def test_advice_on_a_log(self):
        table = pd.DataFrame(
            {"evaluation": evaluation, "clock": kind, "users": 40, "targets": 90}
            | {"gain": 0.02, "gain_low": 0.01, "gain_high": 0.03, "gain_percent": 12.0}
            | {"helps": kind == "query"}
            for evaluation in ("frozen", "live")
            for kind in clock.KINDS
        )
        english, said = both(lambda: advice(table))
        assert english[0] == (
            "The clock of this log helps: the gap from the last event to the question"
            " (frozen: +0.0200 NDCG@10, +12 %)."
        )
        assert said[0] == (
            "这份日志的时间信息有帮助：最后一个事件到查询的间隔（冻结：NDCG@10 +0.0200，+12%）。"
        )
        both(lambda: advice(table.assign(helps=False)))


def test_the_service_explains_its_options_in_chinese(chinese, capsys):
    with pytest.raises(SystemExit):
        serving_commands.build_parser().parse_args(["--help"])
    assert capsys.readouterr().out.startswith("用法：")
