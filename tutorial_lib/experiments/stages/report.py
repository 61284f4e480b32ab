"""Stage 8: one page with every table, picture and verdict, and an archive of all tables and ranks
with their provenance.

Nothing is computed here that the tables do not hold: a verdict is a sentence made from the numbers
on the disk.
"""

import json
import zipfile
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.data.simulate import WORLDS
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.protocol import violations
from tutorial_lib.experiments.stages import (
    efficiency,
    irregularity,
    robustness,
    sensitivity,
    significance,
    stability,
    tune,
)
from tutorial_lib.experiments.stages.fresh import why
from tutorial_lib.experiments.stages.shared import Stage, ceiling, listed
from tutorial_lib.experiments.words import cell, in_words
from tutorial_lib.files import replacing, write_text
from tutorial_lib.language import language, mark, say, speaking
from tutorial_lib.metrics import parse_metric

# in this order, which is that of the suite
READS = tuple(
    module.STAGE
    for module in (
        tune,
        sensitivity,
        robustness,
        efficiency,
        significance,
        irregularity,
        stability,
    )
)
LONG = 25  # tables with more rows are folded
# what an overview says; their values are texts, so that a report can be told in another language
DATA = mark(
    "Data: {dataset}, {users} users, {items} items, {events} events; split {split}: {valid}"
    " validation and {test} test targets."
)
BUDGET = mark(
    "Every model: {seeds} seeds, up to {epochs} epochs, batch {batch}, width {width}, window"
    " {window}, dropout {dropout}, full softmax, full ranking over the catalogue."
)
SHOWN = mark("Tables and pictures show {metric}.")
CEILING = mark(
    "Clairvoyant ceiling: NDCG@10 {ceiling} with the clock, {blind} without: the clock is worth"
    " {worth}."
)
LEFT_OUT = mark("Left out, because {dataset} knows the order of events but no times: {models}.")
CONTROL = mark(
    "In this world the clock means nothing, so no time-aware model may gain; see significance for"
    " whether one does."
)
ABOUT = (DATA, BUDGET, SHOWN, CEILING, LEFT_OUT, CONTROL)


def plain(value: object) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def markdown(table: pd.DataFrame) -> str:
    """A table of Markdown; missing values are empty cells."""
    lines = [
        list(table.columns),
        ["---"] * len(table.columns),
        *table.astype(object).to_numpy().tolist(),
    ]
    return "\n".join("| " + " | ".join(map(plain, line)) + " |" for line in lines)


def ceilings(suite: Suite) -> list[str]:
    """Of a simulated world: what who knows the world's law can reach, with the clock and
    without."""
    if suite.dataset not in WORLDS:
        return []
    with_clock, without = (ceiling(suite, clock) for clock in ("with", "without"))
    values = {"ceiling": with_clock, "blind": without, "worth": with_clock - without}
    return [say(CEILING, **{name: f"{value:.4f}" for name, value in values.items()})]


def overview(suite: Suite) -> list[str]:
    """What was compared on what."""
    data, split = suite.data.dataset, suite.data
    counts = {"users": data.num_users, "items": data.num_items, "events": len(data.events)}
    counts |= {"valid": len(split.valid), "test": len(split.test)}
    budget = {"seeds": suite.seeds, "epochs": suite.epochs, "batch": suite.batch_size}
    budget |= {"width": suite.dim, "window": suite.max_len, "dropout": f"{suite.dropout:g}"}
    lines = [
        say(
            DATA,
            dataset=suite.dataset,
            split=suite.split,
            **{name: f"{count:,}" for name, count in counts.items()},
        ),
        say(BUDGET, **budget),
        say(SHOWN, metric=parse_metric(suite.metric)[0]),
        *ceilings(suite),
    ]
    if left_out := [entry.label for entry in suite.entries if entry not in suite.lineup]:
        lines.append(say(LEFT_OUT, dataset=suite.dataset, models=listed(left_out)))
    if suite.dataset == "control":
        lines.append(say(CONTROL))
    return lines


@dataclass(frozen=True)
class Chapter:
    """One stage in the report: what was written down when it ran, and its tables. `fault`: why
    there is nothing to show; `stale`: why the numbers are old.
    """

    stage: Stage
    provenance: dict[str, dict] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    fault: str = ""
    stale: str = ""


def read_chapter(suite: Suite, one: Stage) -> Chapter:
    stage, file = one.name, suite.out / one.name / "provenance.json"
    if not file.exists():
        return Chapter(one, fault=say("This stage has not been run."))
    try:
        provenance = json.loads(suite.note(file).read_text(encoding="utf-8"))
    except ValueError:
        return Chapter(one, fault=say("Its provenance.json cannot be read: run it again."))
    tables = {
        name.removesuffix(".csv"): suite.table(stage, name.removesuffix(".csv"))
        for name in sorted(provenance["outputs"])
        if name.endswith(".csv")
    }
    return Chapter(one, provenance, tables, stale=why(suite.settings, suite.out, stage))


def compose(
    dataset: str, about: list[str], chapters: list[Chapter], settings: dict[str, object]
) -> tuple[str, list[dict[str, str]]]:
    """The report in the reader's language, and its sentences: rows of stage and verdict."""
    title = say("{dataset}: experiments", dataset=dataset)
    page = [f"# {title}", "", *(f"- {line}" for line in about)]
    rows, read = [{"stage": "overview", "verdict": line} for line in about], {}
    for number, one in enumerate(chapters, start=1):
        stage = one.stage.name
        page += ["", f"## {number}. {cell('stage', stage)}", "", say(one.stage.question), ""]
        if one.fault:
            page.append(one.fault)
            continue
        if one.stale:
            message = mark(
                "**Out of date**: {reason}. Run it again before you use these numbers.\n"
            )
            page.append(say(message, reason=one.stale))
        read |= {f"{stage}/{name}": table for name, table in one.tables.items()}
        metric = one.provenance["settings"].get("metric", "ndcg@10")
        verdicts = one.stage.verdict(one.tables, parse_metric(metric)[0])
        rows += [{"stage": stage, "verdict": line} for line in verdicts]
        page += [f"- {line}" for line in verdicts]
        page += [
            f"\n![{stage}: {name.removesuffix('.png')}](../{stage}/{name})"
            for name in sorted(one.provenance["outputs"])
            if name.endswith(".png")
        ]
        for name, table in one.tables.items():
            shown = in_words(table.drop(columns=["configuration", "machine"], errors="ignore"))
            count = say("{table}: {count} rows", table=name, count=len(table))
            folded = f"<details><summary>{count}</summary>\n\n{markdown(shown)}\n\n</details>"
            page += ["", folded if len(table) > LONG else f"**{name}**\n\n{markdown(shown)}"]
        message = mark("Code {code}, torch {torch}, data {data}.")
        made = {"code": one.provenance["code_version"], "torch": one.provenance["torch"]}
        page += ["", say(message, **made, data=one.provenance["settings"]["data"])]
    if settings.get("grow", 0) > 0:
        lines = under_protocol(read, settings)
        rows += [{"stage": "protocol", "verdict": line} for line in lines]
        page += ["", f"## {say('Protocol')}", "", *(f"- {line}" for line in lines)]
    return "\n".join(page) + "\n", rows


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """verdicts: a row a sentence. Beside it report.md, in the reader's language, and archive.zip
    with all tables, provenance and ranks, in English like every file of results.
    """

    def told() -> tuple[list[Chapter], str, list[dict[str, str]]]:
        chapters = [read_chapter(suite, one) for one in READS]
        return chapters, *compose(suite.dataset, overview(suite), chapters, suite.settings)

    with speaking("en"):
        chapters, english, rows = told()
    write_text(suite.out / "report" / "report.md", english if language() == "en" else told()[1])
    files = [
        suite.out / one.stage.name / name
        for one in chapters
        if one.provenance
        for name in ("provenance.json", *sorted(one.provenance["outputs"]))
    ]
    if (ran := suite.out / "stability" / "runs.csv").exists():
        files += [
            file
            for name in pd.read_csv(ran)["run"]
            if (file := suite.runs / name / "ranks.csv.gz").exists()
        ]
    members = {file.relative_to(suite.out).as_posix(): file.read_bytes() for file in files}
    members["report/report.md"] = english.encode()
    with (
        replacing(suite.out / "report" / "archive.zip") as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in members.items():
            info = zipfile.ZipInfo(name)  # without the time of day
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return {"verdicts": pd.DataFrame(rows)}


def under_protocol(tables: dict[str, pd.DataFrame], settings: dict[str, object]) -> list[str]:
    """Sentences on what the protocol says of these tables."""
    wanted = ("tune/longer", "significance/answers", "stability/models")
    if lost := [name.partition("/")[0] for name in wanted if name not in tables]:
        message = mark("Not judged: the stages {stages} have not been run under it.")
        return [say(message, stages=listed(lost))]
    broken = [say("Broken: {rule}.", rule=line) for line in violations(tables, settings)]
    return broken or [say("Every rule of the protocol is kept.")]


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    return {}


STAGE = Stage(
    "report",
    mark("Report"),
    mark("What do all tables say together?"),
    run,
    draw,
    lambda tables, metric: [],
    files=("report.md", "archive.zip"),
)
