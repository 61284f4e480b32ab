"""Eight stages from data to report: every model, every seed, one command, resumable at any moment.
Taught in lessons 18 to 23.

    python -m tutorial_lib.experiments suite --dataset sample --out experiments/sample

Each stage writes OUT/STAGE/*.csv, pictures and provenance.json. It is skipped while its settings,
its code and the files it read are what they were. Trained models lie in OUT/runs and are shared by
all stages, each trained once.
"""

import json
import time
from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch

from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.digests import digest, remove_damaged
from tutorial_lib.experiments.protocol import SETTINGS
from tutorial_lib.experiments.runs import announce, code_version, machine, read_run
from tutorial_lib.experiments.stages import report
from tutorial_lib.experiments.stages.fresh import sources, why
from tutorial_lib.experiments.stages.shared import Stage
from tutorial_lib.files import replacing, sweep, write_text
from tutorial_lib.language import language, say
from tutorial_lib.metrics import parse_metric
from tutorial_lib.notebook import Bar
from tutorial_lib.plots import use_style
from tutorial_lib.train import pick_device

STAGES: dict[str, Stage] = {stage.name: stage for stage in (*report.READS, report.STAGE)}
# so few steps need the higher rate: at 0.003 the GRUs reach a third of what they reach at 0.01
SCALES = {
    "quick": {"users": 1000, "seeds": 2, "tune_seeds": 1, "epochs": 8, "rates": (0.003, 0.01)},
    "full": {"users": None, "seeds": 5, "tune_seeds": 2, "epochs": 20, "rates": (0.001, 0.003)},
    "protocol": {"users": None, "epochs": 12} | SETTINGS,
}


def steps(suite: Suite, stage: str) -> int:
    """How many ticks of the progress bar a stage takes."""
    models, trained = len(suite.lineup), sum(entry.trained for entry in suite.lineup)
    every = trained * suite.seeds + models - trained
    counts = {
        "tune": trained * len(suite.rates) * suite.tune_seeds + models - trained,
        "efficiency": every + models,
        "report": 1,
    }
    return counts.get(
        stage, every + (models * suite.seeds if stage in ("sensitivity", "robustness") else 0)
    )


def run_stage(suite: Suite, name: str) -> None:
    """Runs one stage and writes its tables, pictures and, last of all, its provenance."""
    stage, folder, begin = STAGES[name], suite.out / name, time.perf_counter()
    suite.reads.clear()
    suite.made.clear()
    tables = stage.run(suite)
    for name, table in tables.items():
        write_text(
            folder / f"{name}.csv",
            table.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        )
        tables[name] = pd.read_csv(folder / f"{name}.csv")  # pictures show what the file holds
    made = [*(f"{name}.csv" for name in tables), *draw(suite, stage, tables), *stage.files]
    provenance = {
        "stage": stage.name,
        "settings": suite.settings,
        "code": digest(*sources(stage.name)),
        "code_version": code_version(),
    }
    provenance |= machine(torch.nn.Module()) | {
        "device": str(pick_device(suite.device)),
        "wall_seconds": round(time.perf_counter() - begin, 2),
        "language": language(),
        "inputs": dict(suite.reads),
    }
    provenance["outputs"] = {name: digest(folder / name) for name in made}
    write_text(folder / "provenance.json", json.dumps(provenance, indent=1))


def draw(suite: Suite, stage: Stage, tables: dict[str, pd.DataFrame]) -> list[str]:
    """Writes the pictures of a stage; returns the names of their files."""
    with plt.rc_context():
        use_style()
        figures = stage.draw(tables, parse_metric(suite.metric)[0])
        for name, figure in figures.items():
            with replacing(suite.out / stage.name / f"{name}.png") as partial_file:
                figure.savefig(partial_file, format="png")
    return [f"{name}.png" for name in figures]


def retell(suite: Suite, name: str) -> None:
    """A stage that is up to date, for a reader of another language: the pictures are drawn anew
    from its tables. The report then sees other pictures and is written anew; the numbers stay.
    """
    folder = suite.out / name
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    if provenance.get("language", "en") == language():
        return
    files = [file for file in provenance["outputs"] if file.endswith(".csv")]
    tables = {file.removesuffix(".csv"): pd.read_csv(folder / file) for file in files}
    drawn = draw(suite, STAGES[name], tables)
    provenance["outputs"] |= {file: digest(folder / file) for file in drawn}
    provenance["language"] = language()
    write_text(folder / "provenance.json", json.dumps(provenance, indent=1))


def mend(suite: Suite) -> None:
    """Makes runs again that have lost something, whether a stage asks for it now or not."""
    lost = []
    for folder in sorted(suite.runs.glob("*")):
        if sentence := remove_damaged(folder):
            announce(sentence)
            lost.append(read_run(folder))
    suite.bar = None
    suite.train([run for run in lost if (suite.runs / run.name).exists()])


def run_suite(suite: Suite, stages: Sequence[str] = tuple(STAGES)) -> dict[str, str]:
    """Runs the stages that are not up to date, in their order; the tuning first of all, for every
    other needs its choice.

    Returns {stage: "done" or "skipped"}. Cut at any moment and started again, it goes on and
    finishes with the same numbers.
    """
    sweep(suite.out)
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise TutorialError(
            "unknown stage {unknown!r}; known are {stages}",
            unknown=unknown[0],
            stages=", ".join(STAGES),
        )
    mend(suite)
    wanted = [stage for stage in STAGES if stage in stages or stage == "tune"]
    outcome, before = {}, 0
    with Bar(
        total=sum(steps(suite, stage) for stage in wanted), disable=not suite.progress, unit="step"
    ) as suite.bar:
        for stage in wanted:
            suite.bar.set_description(stage)
            reason = why(suite.settings, suite.out, stage)
            announce(
                say("{stage}: {reason}, runs now", stage=stage, reason=reason)
                if reason
                else say("{stage}: unchanged, skipped", stage=stage)
            )
            if stage == "tune" and "epochs" in reason:
                announce(
                    say("the cosine schedule follows from the number of epochs: all start anew")
                )
            if reason:
                run_stage(suite, stage)
            else:
                retell(suite, stage)
            outcome[stage] = "done" if reason else "skipped"
            before += steps(suite, stage)
            suite.tick(before - suite.bar.n)
        suite.bar.set_description(say("suite"))
    return outcome
