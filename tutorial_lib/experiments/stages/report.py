"""Stage 8: one page with every table, picture and verdict, and an archive of all tables and ranks
with their provenance.

Nothing is computed here that the tables do not hold: a verdict is a sentence made from the numbers
on the disk.
"""

import json
import zipfile

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.data.simulate import WORLDS
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.protocol import BROKEN, violations
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
from tutorial_lib.experiments.stages.shared import Stage, ceiling
from tutorial_lib.files import replacing, write_text
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


def cell(value: object) -> str:
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
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def ceilings(suite: Suite) -> list[str]:
    """Of a simulated world: what who knows the world's law can reach, with the clock and
    without."""
    if suite.dataset not in WORLDS:
        return []
    with_clock, without = (ceiling(suite, clock) for clock in ("with", "without"))
    worth = f"the clock is worth {with_clock - without:.4f}"
    return [
        f"Clairvoyant ceiling: NDCG@10 {with_clock:.4f} with the clock, {without:.4f} without:"
        f" {worth}."
    ]


def overview(suite: Suite) -> list[str]:
    """What was compared on what."""
    data, split = suite.data.dataset, suite.data
    lines = [
        (
            f"Data: {suite.dataset}, {data.num_users:,} users, {data.num_items:,} items,"
            f" {len(data.events):,} events; split {suite.split}: {len(split.valid):,} validation"
            f" and {len(split.test):,} test targets."
        ),
        (
            f"Every model: {suite.seeds} seeds, up to {suite.epochs} epochs, batch"
            f" {suite.batch_size}, width {suite.dim}, window {suite.max_len}, dropout"
            f" {suite.dropout:g}, full softmax, full ranking over the catalogue."
        ),
        f"Tables and pictures show {parse_metric(suite.metric)[0]}.",
        *ceilings(suite),
    ]
    if left_out := [entry.label for entry in suite.entries if entry not in suite.lineup]:
        lines.append(
            f"Left out, because {suite.dataset} knows the order of events but no times:"
            f" {', '.join(left_out)}."
        )
    if suite.dataset == "control":
        lines.append(
            "In this world the clock means nothing, so no time-aware model may gain; see"
            " significance for whether one does."
        )
    return lines


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """verdicts: a row a sentence. Beside it report.md, and archive.zip with all tables, provenance
    and ranks.
    """
    page, rows = (
        [f"# {suite.dataset}: experiments", ""],
        [{"stage": "overview", "verdict": line} for line in overview(suite)],
    )
    page += [f"- {row['verdict']}" for row in rows]
    files, read = [], {}
    for number, one in enumerate(READS, start=1):
        stage, folder = one.name, suite.out / one.name
        page += ["", f"## {number}. {stage}", "", one.question, ""]
        if not (folder / "provenance.json").exists():
            page.append("This stage has not been run.")
            continue
        stale = why(suite.settings, suite.out, stage)
        try:
            provenance = json.loads(
                suite.note(folder / "provenance.json").read_text(encoding="utf-8")
            )
        except ValueError:
            page.append("Its provenance.json cannot be read: run it again.")
            continue
        if stale:
            page.append(f"**Out of date**: {stale}. Run it again before you use these numbers.\n")
        made = sorted(provenance["outputs"])
        tables = {
            name.removesuffix(".csv"): suite.table(stage, name.removesuffix(".csv"))
            for name in made
            if name.endswith(".csv")
        }
        metric = provenance["settings"].get("metric", "ndcg@10")
        verdicts = one.verdict(tables, parse_metric(metric)[0])
        read |= {f"{stage}/{name}": table for name, table in tables.items()}
        rows += [{"stage": stage, "verdict": line} for line in verdicts]
        page += [f"- {line}" for line in verdicts]
        page += [
            f"\n![{stage}: {name.removesuffix('.png')}](../{stage}/{name})"
            for name in made
            if name.endswith(".png")
        ]
        for name, table in tables.items():
            text = markdown(table.drop(columns=["configuration", "machine"], errors="ignore"))
            folded = (
                f"<details><summary>{name}: {len(table)} rows</summary>\n\n{text}\n\n</details>"
            )
            page += ["", folded if len(table) > LONG else f"**{name}**\n\n{text}"]
        page += [
            "",
            (
                f"Code {provenance['code_version']}, torch {provenance['torch']}, data"
                f" {provenance['settings']['data']}."
            ),
        ]
        files += [folder / "provenance.json", *(folder / name for name in made)]
    if suite.strict:
        lines = under_protocol(read, suite.settings)
        rows += [{"stage": "protocol", "verdict": line} for line in lines]
        page += ["", "## Protocol", "", *(f"- {line}" for line in lines)]
    write_text(suite.out / "report" / "report.md", "\n".join(page) + "\n")
    if (ran := suite.out / "stability" / "runs.csv").exists():
        files += [
            file
            for name in pd.read_csv(ran)["run"]
            if (file := suite.runs / name / "ranks.csv.gz").exists()
        ]
    with (
        replacing(suite.out / "report" / "archive.zip") as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for file in [*files, suite.out / "report" / "report.md"]:
            # without the time of day
            info = zipfile.ZipInfo(file.relative_to(suite.out).as_posix())
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file.read_bytes())
    return {"verdicts": pd.DataFrame(rows)}


def under_protocol(tables: dict[str, pd.DataFrame], settings: dict[str, object]) -> list[str]:
    """Sentences on what the protocol says of these tables."""
    wanted = ("tune/longer", "significance/answers", "stability/models")
    if lost := [name.partition("/")[0] for name in wanted if name not in tables]:
        return [f"Not judged: the stages {', '.join(lost)} have not been run under it."]
    broken = violations(tables, settings)
    return [f"{BROKEN}{line}." for line in broken] or ["Every rule of the protocol is kept."]


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    return {}


STAGE = Stage(
    "report",
    "Report",
    "What do all tables say together?",
    run,
    draw,
    lambda tables, metric: [],
    files=("report.md", "archive.zip"),
)
