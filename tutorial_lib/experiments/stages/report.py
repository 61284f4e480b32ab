"""Stage 8: one page with every table, picture and verdict, and an archive of all tables and ranks
with their provenance.

Nothing is computed here that the tables do not hold: a verdict is a sentence made from the numbers
on the disk.
"""

import json
import zipfile
from importlib import import_module

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.data.simulate import WORLDS, ceiling_ranks
from tutorial_lib.evaluate import ndcg
from tutorial_lib.experiments.runs import write_text
from tutorial_lib.experiments.stages.fresh import STAGES, why
from tutorial_lib.experiments.suite import Suite
from tutorial_lib.files import replacing

FILES = ("report.md", "archive.zip")  # made beside the table
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
    ranks = ceiling_ranks(suite.data.dataset, suite.data.test.row)
    with_clock, without = (
        ndcg(ranks[f"rank_{name}_clock"].to_numpy()).mean() for name in ("with", "without")
    )
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
    files = []
    for number, stage in enumerate(STAGES[:-1], start=1):
        folder, module = (
            suite.out / stage,
            import_module(f"tutorial_lib.experiments.stages.{stage}"),
        )
        about = " ".join(module.__doc__.split(": ", 1)[1].split())
        page += ["", f"## {number}. {stage}", "", about[0].upper() + about[1:], ""]
        if not (folder / "provenance.json").exists():
            page.append("This stage has not been run.")
            continue
        provenance = json.loads(suite.note(folder / "provenance.json").read_text(encoding="utf-8"))
        if stale := why(suite.settings, suite.out, stage):
            page.append(f"**Out of date**: {stale}. Run it again before you use these numbers.\n")
        made = sorted(provenance["outputs"])
        tables = {
            name.removesuffix(".csv"): suite.table(stage, name.removesuffix(".csv"))
            for name in made
            if name.endswith(".csv")
        }
        verdicts = module.verdict(tables)
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


def draw(tables: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    return {}
