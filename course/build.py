"""Build the notebooks of the course from their bilingual sources, check them, and bring edits back.

    python -m course.build build              execute and write what changed
    python -m course.build check              everything that is wrong, with file, cell and
        remedy
    python -m course.build stamp 04 idea      the Chinese of cell `idea` now says what the
        English says
    python -m course.build merge-back 04 --from zh    bring edits made in a built notebook into
        its source
    python -m course.build readme             rewrite the tables of lessons in the READMEs

CONTRIBUTING.md says how to write a lesson.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import nbformat

from course.buttons import SETUP, lesson_code
from course.check import check_course
from course.edit import merge_back, stamp, tidy
from course.format import (
    KERNELSPEC,
    cells_digest,
    code_digest,
    outputs_digest,
    read_lesson,
    read_notebook,
    render,
)
from course.lessons import (
    LANGUAGES,
    Course,
    LessonError,
    Problem,
    Row,
    load_course,
    readme_texts,
    write_atomically,
)
from course.pictures import packed
from tutorial_lib.language import spoken
from tutorial_lib.process import MEMORY

NOTEBOOK_METADATA = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
MEMORY_SETTINGS = {name: str(value) for name, value in MEMORY.items()}
PNG = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"
READER_ENVIRONMENT = (
    "TUTORIAL_DATASET",
    "TUTORIAL_USERS",
    "TUTORIAL_DATA_DIR",
    "MPLBACKEND",
    "JPY_SESSION_NAME",  # of a notebook from which the build was started
)


def execute(
    course: Course, row: Row, nodes: list[nbformat.NotebookNode], timeout: int, language: str
) -> list[nbformat.NotebookNode]:
    """Run the cells of one language, in a fresh kernel of this very Python, in the folder of the notebook;
    returns them with outputs.

    The environment variables by which a reader chooses other data are left out, and so is the
    reader's IPython profile: what is committed depends on the repository alone.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    notebook = nbformat.v4.new_notebook(
        cells=deepcopy([n for n in nodes if n.id != SETUP]),
        metadata=deepcopy(NOTEBOOK_METADATA),
    )
    folder = course.notebook(row, language).parent
    folder.mkdir(parents=True, exist_ok=True)
    started: list[str] = []
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
        allow_errors=True,  # so that one run shows every check that fails
        on_cell_start=lambda cell, cell_index: started.append(cell.id),
        extra_arguments=["--log-level=50"],
    )
    manager = client.create_kernel_manager()
    # no installed spec: the one of sys.executable
    manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[])
    environment = {key: value for key, value in os.environ.items() if key not in READER_ENVIRONMENT}
    path = os.pathsep.join(filter(None, [str(course.root), environment.get("PYTHONPATH", "")]))
    file = course.relative(course.source(row)) + ("" if language == "en" else " (in Chinese)")
    with tempfile.TemporaryDirectory() as profile:
        environment |= MEMORY_SETTINGS | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": path,
            "IPYTHONDIR": profile,
        }
        try:
            client.execute(env=environment)
        except CellTimeoutError:
            raise LessonError(
                Problem(file, started[-1], f"ran longer than {timeout} s; make it quicker")
            ) from None
        except (DeadKernelError, RuntimeError, OSError) as error:
            raise LessonError(
                Problem(file, started[-1] if started else None, f"stopped the kernel ({error})")
            ) from None
    failed = []
    for cell in notebook.cells:
        if "raises-exception" not in cell.metadata.get("tags", []):
            failed += [
                (cell.id, output)
                for output in cell.get("outputs", [])
                if output.output_type == "error"
            ]
    if failed:
        trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(failed[0][1].traceback))
        later = [
            (cell_id, error) for cell_id, error in failed[1:] if error.ename == "AssertionError"
        ]  # others may only follow from it
        problems = [
            Problem(file, cell_id, f"{error.ename}: {error.evalue}")
            for cell_id, error in [failed[0], *later]
        ]
        raise LessonError(*problems, f"The first of these came from:\n{trace}")
    refused = [
        Problem(file, cell.id, f"the checker says to this solution: {line}")
        for cell in notebook.cells
        if "solution" in cell.metadata.get("tags", []) and cell.cell_type == "code"
        for output in cell.outputs
        for line in output.get("text", "").splitlines()
        if line.startswith(refusals(language))
    ]
    if refused:
        raise LessonError(*refused)
    # a slider lives in the kernel that made it: what a notebook would keep of it is an error
    # message
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if WIDGET not in output.get("data", {})
            ]
            for data in (output.data for output in cell.outputs if "data" in output):
                if PNG in data:
                    small = packed(base64.b64decode(data[PNG]))
                    data[PNG] = base64.b64encode(small).decode()
    return notebook.cells


def refusals(language: str) -> tuple[str, str]:
    """How the line of a checker begins that does not accept an answer."""
    wrong = spoken(language, "{status}, because {reason}", status="wrong", reason="|")
    return wrong.partition("|")[0], spoken(language, "not attempted yet")


def with_outputs(
    nodes: list[nbformat.NotebookNode], executed: list[nbformat.NotebookNode]
) -> list[nbformat.NotebookNode]:
    """The cells with the outputs of the run, pictures with their alt text. The code is the same in
    the same order; ids may have been renamed since.
    """
    for node, done in zip(lesson_code(nodes), lesson_code(executed), strict=True):
        node.execution_count, node.outputs = done.execution_count, deepcopy(done.outputs)
        for output in node.outputs:
            for mime in [mime for mime in output.get("data", {}) if mime.startswith("image/")]:
                output.metadata[mime] = dict(output.metadata.get(mime, {})) | {
                    "alt": node.metadata.get("alt", "")
                }
    return nodes


def build_lesson(
    course: Course,
    row: Row,
    *,
    force: bool = False,
    discard_edits: bool = False,
    timeout: int = 300,
) -> str:
    """Bring both notebooks of a lesson up to date; returns what was done. Nothing is written when
    anything fails.

    Cells are executed only when code changed (or force); after a change of prose the outputs of the
    last build are kept.
    """
    cells = read_lesson(course, row)
    nodes = {language: render(course, row, cells, language) for language in LANGUAGES}
    digests = {language: cells_digest(nodes[language]) for language in LANGUAGES}
    marks = {language: digests | {"code": code_digest(nodes[language])} for language in LANGUAGES}
    old = {language: read_notebook(course.notebook(row, language)) for language in LANGUAGES}
    for language, notebook in old.items():
        actual = notebook and cells_digest(notebook.cells)
        known = (
            digests[language],
            notebook and notebook.metadata.get("tutorial", {}).get(language),
        )
        if notebook and actual not in known and not discard_edits:
            file = course.relative(course.notebook(row, language))
            remedy = (
                f"run `python -m course.build merge-back {row.number:02d} --from {language}`, or build with"
                " --discard-edits to lose the edits"
            )
            raise LessonError(Problem(file, None, f"was edited by hand; {remedy}"))
    kept = {
        language: notebook and notebook.metadata.get("tutorial", {})
        for language, notebook in old.items()
    }
    intact = all(
        notebook and kept[language].get("outputs") == outputs_digest(notebook.cells)
        for language, notebook in old.items()
    )
    if (
        intact
        and not force
        and all(
            cells_digest(old[lang].cells) == digests[lang]
            and kept[lang] | marks[lang] == kept[lang]
            for lang in LANGUAGES
        )
    ):
        return "up to date"
    began = time.perf_counter()
    if (
        intact
        and not force
        and all(
            marks[lang]["code"] == kept[lang].get("code") == code_digest(old[lang].cells)
            for lang in LANGUAGES
        )
    ):
        executed = {language: old[language].cells for language in LANGUAGES}
        done = "prose rebuilt, outputs kept"
    else:
        executed = {
            language: execute(course, row, nodes[language], timeout, language)
            for language in LANGUAGES
        }
        done = f"executed in {time.perf_counter() - began:.0f} s"
    texts = {}
    for language in LANGUAGES:
        cells_out = with_outputs(nodes[language], executed[language])
        mark = marks[language] | {"outputs": outputs_digest(executed[language])}
        notebook = nbformat.v4.new_notebook(
            cells=cells_out, metadata=deepcopy(NOTEBOOK_METADATA) | {"tutorial": mark}
        )
        texts[course.notebook(row, language)] = nbformat.writes(notebook).rstrip("\n") + "\n"
    write_atomically(texts)
    return f"{done}, {max(len(text.encode()) for text in texts.values()) / 1000:.0f} kB"


def choose(course: Course, wanted: list[str]) -> list[Row]:
    """The lessons that the arguments name (4, 04, 04_self_attention or a path); all written ones
    without arguments.
    """
    chosen = []
    for word in wanted:
        stem = Path(word).stem
        row = next(
            (
                row
                for row in course.rows
                if stem in (row.name, str(row.number), f"{row.number:02d}")
            ),
            None,
        )
        if row is None:
            first, last = course.rows[0].number, course.rows[-1].number
            raise LessonError(
                f"there is no lesson {word!r} in notebooks/lessons.csv; lessons run from"
                f" {first:02d} to {last:02d}"
            )
        if not course.source(row).exists():
            raise LessonError(
                f"lesson {row.number:02d} has not been written yet; write"
                f" {course.relative(course.source(row))}"
            )
        chosen.append(row)
    return chosen or course.written()


def build_command(course: Course, options: argparse.Namespace) -> list[Problem | str]:
    problems: list[Problem | str] = []
    for row in choose(course, options.lessons):
        try:
            done = build_lesson(
                course,
                row,
                force=options.force,
                discard_edits=options.discard_edits,
                timeout=options.timeout,
            )
            print(f"{row.name}: {done}", flush=True)
        except LessonError as error:
            problems += error.problems
    return problems


def readme_command(course: Course, options: argparse.Namespace) -> list[Problem | str]:
    for path, (old, new) in readme_texts(course).items():
        write_atomically({path: new})
        print(f"{path.name}: " + ("up to date" if old == new else "table of lessons rewritten"))
    return []


def check_command(course: Course, options: argparse.Namespace) -> list[Problem | str]:
    rows = choose(course, options.lessons)
    problems = check_course(course, rows)
    if not problems:
        print(f"{len(rows)} lesson(s) checked, nothing wrong")
    return [*problems, f"{len(problems)} problem(s) in {len(rows)} lesson(s)"] if problems else []


def stamp_command(course: Course, options: argparse.Namespace) -> list[Problem | str]:
    (row,) = choose(course, [options.lesson])
    for name in stamp(course, row, options.cells) or ["nothing to stamp"]:
        print(f"{row.name}: {name}")
    return []


def format_command(course: Course, options: argparse.Namespace) -> list[Problem | str]:
    for row in choose(course, options.lessons):
        print(f"{row.name}: " + ("tidied" if tidy(course, row) else "already tidy"))
    return []


def merge_back_command(course: Course, options: argparse.Namespace) -> list[Problem | str]:
    (row,) = choose(course, [options.lesson])
    done, problems = merge_back(course, row, options.language)
    for line in done or ["nothing to bring back"]:
        print(f"{row.name}: {line}")
    return list(problems)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="CONTRIBUTING.md says how to write a lesson."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable, text: str, lessons: bool = True
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument(
            "--root",
            type=Path,
            default=Path(__file__).resolve().parents[1],
            help="folder of the project",
        )
        if lessons:
            sub.add_argument(
                "lessons",
                nargs="*",
                metavar="NN",
                help="lessons, as 4, 04 or 04_self_attention (default: all)",
            )
        return sub

    build = command(
        "build",
        build_command,
        "execute each changed lesson in both languages and write its English and Chinese notebook",
    )
    build.add_argument("--all", action="store_true", help="all lessons; the same as naming none")
    build.add_argument(
        "--force", action="store_true", help="execute and write even what did not change"
    )
    build.add_argument(
        "--discard-edits", action="store_true", help="overwrite notebooks that were edited by hand"
    )
    build.add_argument(
        "--timeout", type=int, default=300, help="seconds that a cell may run (default: 300)"
    )
    command(
        "check",
        check_command,
        "say everything that is wrong, with file, cell and remedy; executes nothing",
    )
    one = command(
        "stamp",
        stamp_command,
        "note that Chinese cells say what the English says today, after you revised them",
        lessons=False,
    )
    one.add_argument("lesson", metavar="NN", help="the lesson, as 4, 04 or 04_self_attention")
    one.add_argument(
        "cells", nargs="*", metavar="CELL", help="ids of cells, without -en or -zh (default: all)"
    )
    one = command(
        "merge-back",
        merge_back_command,
        "bring edits made in a built notebook back into its source",
        lessons=False,
    )
    one.add_argument("lesson", metavar="NN", help="the lesson, as 4, 04 or 04_self_attention")
    one.add_argument(
        "--from",
        dest="language",
        choices=LANGUAGES,
        required=True,
        help="the notebook that was edited",
    )
    command("format", format_command, "bring sources into the form in which JupyterLab saves them")
    command(
        "readme",
        readme_command,
        "rewrite the tables of lessons in README.md and README.zh-CN.md",
        lessons=False,
    )
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        problems = options.run(load_course(options.root), options)
    except LessonError as error:
        problems = list(error.problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
