"""The bundle that instructors hand out, without nbgrader: what students get, what they do not get,
and what earns the points.
"""

import csv
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from course.assignments import (
    bundle,
    extract,
    problem_sets,
)
from course.exchange import same_program
from course.format import lesson_entries
from course.lessons import LessonError, load_course
from exercises import lesson04
from tutorial_files.language import read_catalogue
from tutorial_lib.language import use_language

ROOT = Path(__file__).resolve().parents[2]

COURSE = load_course(ROOT)
ASSIGNMENTS = {one.name: one for one in problem_sets.read_assignments(COURSE)[0]}
SETS_FILE = ROOT / "exercises" / "sets.csv"
SETS = [row["set"] for row in csv.DictReader(SETS_FILE.open(encoding="utf-8"))]
HIDDEN = re.compile(
    r"^### BEGIN (?:SOLUTION|HIDDEN TESTS)\n.*?^### END (?:SOLUTION|HIDDEN TESTS)\n?", re.S | re.M
)


@cache
def built(name: str, language: str) -> nbformat.NotebookNode:
    return bundle.notebook(COURSE, ASSIGNMENTS[name], language)


def student_version(notebook: nbformat.NotebookNode) -> list[str]:
    """The cells without what nbgrader takes out."""
    return [HIDDEN.sub("", cell.source) for cell in notebook.cells]


@cache
def secrets() -> dict[str, str]:
    """Every line that stands in a solution and nowhere else in its lesson, and the exercise that it
    belongs to.
    """
    found = {}
    for row in COURSE.written():
        cells = extract.lesson_cells(COURSE, row)
        shown = {
            line.strip()
            for cell in cells
            if "solution" not in cell.tags
            for line in cell.text["en"].splitlines()
        }
        for exercise in extract.exercises_of(COURSE, row):
            lines = {line.strip() for line in exercise.solution.splitlines()} - shown
            found |= {
                line: exercise.number
                for line in lines
                if len(line) > 12 and not line.startswith("def ")
            }
    return found


def test_every_lesson_with_a_source_and_all_sets_are_there():
    assert set(ASSIGNMENTS) == {row.name for row in COURSE.written()} | set(SETS) and len(SETS) == 9
    for row in COURSE.written():
        tagged = {
            cell.id
            for cell in extract.lesson_cells(COURSE, row)
            if "exercise" in cell.tags and cell.kind == "prose"
        }
        assert len(ASSIGNMENTS[row.name].exercises) == len(tagged) >= 3, (
            "an exercise of this lesson is not covered"
        )


@pytest.mark.parametrize("language", bundle.LANGUAGES)
@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_students_get_no_line_of_any_solution(name, language):
    text = student_version(built(name, language))
    lines = {line.strip() for source in text for line in source.splitlines()}
    assert {secrets()[line] for line in lines & set(secrets())} == set()
    assert not re.search(r"BEGIN|SOLUTION|\b_verdict", "\n".join(text))
    rubrics = [
        cell.text[language]
        for cell in ASSIGNMENTS[name].prose
        if {"rubric", "guide"} & set(cell.tags)
    ]
    assert not any(rubric in source for rubric in rubrics for source in text)


def test_the_search_for_solutions_finds_one():
    """The test above can fail: the instructors' notebooks hold many such lines, of every lesson
    that has any.
    """
    lines = {
        line.strip()
        for name in ASSIGNMENTS
        for cell in built(name, "en").cells
        for line in cell.source.splitlines()
    }
    found = {secrets()[line][:2] for line in lines & set(secrets())}
    assert found == {f"{row.number:02d}" for row in COURSE.written()}
    assert set(secrets()) <= lines


VERDICTS = {"en": ("not attempted yet", "right"), "zh": ("还没有作答", "正确")}


@pytest.mark.parametrize("language", bundle.LANGUAGES)
@pytest.mark.parametrize("name", [row.name for row in COURSE.written()])
def test_the_grade_cell_follows_the_verdict(name, language, capsys, request):
    """With the code of the assignment alone: the solution is right, the stub is no attempt, both in
    the language of the class, and nothing trains.
    """
    request.addfinalizer(lambda: use_language("en"))
    space: dict = {"__name__": "__main__"}
    for cell in built(name, language).cells:
        if cell.cell_type == "code" and cell.id.startswith(("setup", "language")):
            exec(cell.source, space)
        elif cell.cell_type == "code" and cell.metadata.nbgrader.solution:
            stub, answer = HIDDEN.sub("", cell.source), cell.source
        elif cell.cell_type == "code":
            for code, verdict in zip((stub, answer), VERDICTS[language], strict=True):
                exec(code, space)
                exec(HIDDEN.sub("", cell.source), space)
                assert capsys.readouterr().out.splitlines()[-1] == verdict


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_metadata_is_what_nbgrader_wants_and_the_same_in_both_languages(name):
    english, chinese = (built(name, language).cells for language in bundle.LANGUAGES)
    assert [(one.id, one.cell_type, one.metadata) for one in english] == [
        (one.id, one.cell_type, one.metadata) for one in chinese
    ]
    entries = read_catalogue(ROOT / "locale/zh/exercises/sets.po") | {
        text: translation
        for row in COURSE.written()
        for text, translation in lesson_entries(COURSE, row).items()
    }
    for one, two in zip(english, chinese, strict=True):
        if one.cell_type == "code" and one.id != "language":
            assert same_program(one.source, two.source, entries), one.id
    languages = [
        {cell.id: cell.source for cell in cells}["language"] for cells in (english, chinese)
    ]
    assert ['use_language("en")' in languages[0], 'use_language("zh")' in languages[1]] == [
        True
    ] * 2
    assert english[1].id == "language" and english[1].metadata.nbgrader.locked
    marks = [cell.metadata.nbgrader for cell in english]
    assert len({mark.grade_id for mark in marks}) == len(marks)
    for mark in marks:
        assert {"grade", "grade_id", "locked", "schema_version", "solution", "task"} | (
            {"points"} if mark.grade else set()
        ) == set(mark)
        assert mark.schema_version == 3 and mark.locked != mark.solution
    assert sum(mark.points for mark in marks if mark.grade) == sum(
        one.points for one, _ in ASSIGNMENTS[name].marks().values()
    )
    nbformat.validate(built(name, "en"))


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_a_chinese_class_reads_no_english_sentence(name):
    """In prose, guides and the comments of the code; code spans, formulas and strings left out."""
    guide = bundle.guide(COURSE, ASSIGNMENTS[name], "zh")
    for cell in [*built(name, "zh").cells, nbformat.v4.new_markdown_cell(guide)]:
        if cell.cell_type == "code":
            words = "\n".join(re.findall(r"#(?!##)(.*)", cell.source))
        else:
            words = re.sub(
                r"```.*?```|`[^`]*`|\$[^$]*\$|\*[^*\n]*\*|\([^)]*\)", "", cell.source, flags=re.S
            )
        assert not re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}", words), cell.source


def test_the_search_for_english_sentences_finds_one(monkeypatch):
    monkeypatch.setattr(bundle, "spoken", lambda language, text, **values: text.format(**values))
    built.cache_clear()
    with pytest.raises(AssertionError, match="Write each answer"):
        test_a_chinese_class_reads_no_english_sentence("04_self_attention")
    built.cache_clear()


@pytest.mark.parametrize("language", bundle.LANGUAGES)
@pytest.mark.parametrize("name", SETS)
def test_a_set_says_what_it_is_worth_and_how_to_mark_it(name, language):
    marks, guide = ASSIGNMENTS[name].marks(), bundle.guide(COURSE, ASSIGNMENTS[name], language)
    points, minutes = (
        sum(getattr(worth, key) for worth, _ in marks.values()) for key in ("points", "minutes")
    )
    assert (
        45 <= minutes <= (700 if name == "final_project" else 240)
        and f"| **{points}** | **{minutes}** |" in guide
    )
    header = built(name, language).cells[0].source
    assert f" {points} " in header and f" {minutes} " in header
    for exercise in ASSIGNMENTS[name].exercises:
        solution = bundle.in_language(COURSE, exercise.lesson, exercise.solution, language)
        assert solution in guide and exercise.task[language] in guide
    hand = [name for name, (_, auto) in marks.items() if not auto]
    assert bool(hand) == (name in ("research_project", "final_project"))
    for task in hand:  # the rubric gives out exactly the points of the task
        (rubric,) = (
            cell.text[language] for cell in ASSIGNMENTS[name].prose if cell.id == f"{task}-rubric"
        )
        if levels := re.findall(r"^\| \S+ \| (\d+) \| \S", rubric, re.M):  # by levels
            assert list(map(int, levels)) == [marks[task][0].points, 7, 4, 0]
            continue
        total, *parts = map(int, re.findall(r"^\d+|(?<=\()\d+(?=\))|(?<=（)\d+(?= 分）)", rubric))
        assert total == sum(parts) == marks[task][0].points


def test_the_final_project_states_criteria_levels_and_times():
    """What students read holds to what is marked: four parts, their points, the starter cells."""
    project = ASSIGNMENTS["final_project"]
    by_tag = {
        tag: [cell for cell in project.prose if tag in cell.tags] for tag in ("intro", "starter")
    }
    (intro,) = by_tag["intro"]
    numbers = {"three": len(by_tag["starter"]), "Four": len(project.tasks)}
    assert numbers == {"three": 3, "Four": 4} and "the three starter cells" in intro.text["en"]
    assert "Four criteria with 10 points each" in intro.text["en"]
    assert {worth.points for worth in project.tasks.values()} == {10}
    hours = sum(worth.minutes for worth in project.tasks.values()) / 60
    assert f"about {hours:.0f} hours" in intro.text["en"]
    for part, cell in zip("ABCD", (c for c in project.prose if "task" in c.tags), strict=True):
        assert cell.text["en"].startswith(f"**{part}. ") and f"Part {part}: " in intro.text["en"]
        assert cell.text["zh"].startswith(f"**{part}. ") and f"{part} 部分：" in intro.text["zh"]
    for number in re.findall(r"\((\d+\.\d)\)", intro.text["en"]):
        assert f"{float(number):04.1f}" in [one.number for one in project.exercises]


@pytest.mark.parametrize("name", SETS)
def test_a_set_names_existing_exercises_and_speaks_of_no_others(name):
    """Every line of sets.csv, and every number of an exercise in the prose of the set."""
    chosen = {one.number for one in ASSIGNMENTS[name].exercises}
    known = {one.number for row in COURSE.written() for one in extract.exercises_of(COURSE, row)}
    (line,) = (
        row for row in csv.DictReader(SETS_FILE.open(encoding="utf-8")) if row["set"] == name
    )
    assert set(line["exercises"].split()) == chosen <= known
    for cell in ASSIGNMENTS[name].prose:
        if cell.kind == "prose":
            said = re.findall(r"\b(\d{1,2}\.[1-5])\b(?!\s*(?:GB|%|MB))", cell.text["en"])
            assert {f"{float(one):04.1f}" for one in said} <= chosen, cell.id


def test_a_set_with_an_unknown_exercise_is_refused(tmp_path, monkeypatch):
    (tmp_path / "sets").symlink_to(ROOT / "exercises" / "sets")
    text = SETS_FILE.read_text(encoding="utf-8").replace("04.1", "04.9", 1)
    (tmp_path / "sets.csv").write_text(text, encoding="utf-8")
    monkeypatch.setattr(problem_sets, "FOLDER", tmp_path)
    with pytest.raises(LessonError, match="attention_and_masks names 04.9, which no lesson has"):
        problem_sets.read_assignments(COURSE)


def test_prose_of_the_sets_uses_the_terms_of_the_course():
    from course.prose import chinese_set_wrongly, compare, load_glossary, mistranslated

    terms, faults = load_glossary(ROOT / "notebooks" / "glossary.csv"), []
    for name in SETS:
        for cell in ASSIGNMENTS[name].prose:
            if cell.kind == "prose":
                texts = cell.text["en"], cell.text["zh"]
                faults += [
                    f"{name} {cell.id}: {fault}"
                    for fault in mistranslated(*texts, terms) + chinese_set_wrongly(texts[1])
                ]
                faults += [f"{name} {cell.id}: {fault}" for fault in compare(*texts)]
    assert faults == []


LESSON = """
import math
a = 1
noise = print("an hour of training")
def scale(x):
    return x * factor
factor = 2
table = {}
for key in (1, 2):
    table[key] = scale(key)
total = 0
for key in table:
    local = table[key]
    total += local
def unused():
    return noise
""".strip()


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        ({"a"}, ["a = 1"]),
        # a global that is set only after the function that reads it
        ({"scale"}, ["def scale", "factor = 2"]),
        # filled in a loop
        ({"table"}, ["def scale", "factor = 2", "table = {}", "for key in (1, 2):"]),
        (
            {"total"},
            [
                "def scale",
                "factor = 2",
                "table = {}",
                "for key in (1, 2):",
                "total = 0",
                "for key in table:",
            ],
        ),
        ({"math", "not_there"}, []),
    ],
)
def test_only_the_code_on_which_an_answer_rests_is_taken(wanted, lines):
    statements = extract._statements(ROOT, LESSON)
    needed = [
        statements[place].text.splitlines()[0]
        for place in sorted(extract._needed(statements, wanted))
    ]
    assert len(needed) == len(lines) and all(
        found.startswith(line) for found, line in zip(needed, lines, strict=True)
    )


def test_library_code_that_a_lesson_shows_is_imported():
    imports, code = extract.setup_code(
        COURSE, COURSE.rows[4], list(ASSIGNMENTS["04_self_attention"].exercises)
    )
    assert (
        "from tutorial_lib.models.attention import attention_weights" in imports
        and "train" not in code
    )


@pytest.mark.parametrize("text", ["question:5:20", "question:5:x", "a:1:1", "question:-5:20 " * 4])
def test_faulty_points_of_tasks_are_refused(text):
    project = ASSIGNMENTS["research_project"]
    with pytest.raises(LessonError, match="name:points:minutes"):
        problem_sets.tasks_of(project.name, text, project.prose)


def test_points_stand_at_the_checker(monkeypatch):
    monkeypatch.setattr(lesson04.check_weights, "points", 7)
    marks = ASSIGNMENTS["04_self_attention"].marks()
    assert [worth.points for worth, _ in marks.values()] == [7, 3, 3, 2]


def test_building_twice_writes_the_same_and_leaves_grades_alone(tmp_path):
    chosen = [ASSIGNMENTS["04_self_attention"]]
    bundle.write_sources(COURSE, chosen, tmp_path)
    (tmp_path / "en" / "gradebook.db").write_text("grades")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    bundle.write_sources(COURSE, chosen, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / ".gitignore").read_text() == "*\n", (
        "solutions and grades never get into a repository"
    )


def test_an_unknown_assignment_is_named(capsys):
    assert bundle.main(["05_no_such_lesson", "--only", "source"]) == 1
    assert "05_no_such_lesson" in capsys.readouterr().err


def test_both_pages_for_instructors_say_the_same_and_their_links_lead_somewhere():
    pages = [
        (ROOT / "exercises" / name).read_text(encoding="utf-8")
        for name in ("README.md", "README.zh-CN.md")
    ]
    english, chinese = (re.findall(r"^```\n(.*?)^```$", page, re.S | re.M) for page in pages)
    assert english[0] == chinese[0] and english[2] == chinese[2] and "make grades" in english[0]
    spans = [
        sorted(
            set(
                re.findall(
                    r"`(make [^`]+|[\w/.]+\.(?:csv|py|md))`",
                    page.replace("classroom/zh", "classroom/en"),
                )
            )
        )
        for page in pages
    ]
    assert spans[0] == spans[1]
    for page in pages:
        links = [link for link in re.findall(r"\]\(([^)]+)\)", page) if not link.startswith("http")]
        assert links and all((ROOT / "exercises" / link).is_file() for link in links)
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert (
        {"assignments", "grades"}
        <= set(re.findall(r"(?:^|`)make ([a-z-]+)", pages[0], re.M))
        <= set(targets)
    )


def feedback_page(language: str, answer: str = "", comment: str | None = None) -> str:
    """The page of a notebook with one written answer of 3 points and one check of 2."""
    pytest.importorskip("bleach")
    from course.assignments.feedback import FeedbackPage

    v4 = nbformat.v4
    marks = {"grade": True, "score": 1.5, "points": 3, "comment": comment, "task": False}
    told = {"name": "notebook", "score": 1.5, "max_score": 5, "late_penalty": 0}
    written = v4.new_markdown_cell(answer)
    written.metadata["nbgrader"] = marks | {"grade_id": "written", "solution": True}
    check = v4.new_code_cell("lesson04.check(x)", execution_count=1)
    check.metadata["nbgrader"] = marks | {
        "grade_id": "check",
        "solution": False,
        "score": 0,
        "points": 2,
    }
    stopped = v4.new_output("error", ename="Wrong", evalue="不对", traceback=["<b>不对</b>"])
    check.outputs = [stopped, v4.new_output("execute_result", data={"text/plain": "<i>3</i>"})]
    page = FeedbackPage(language=language)
    told["notebook"] = told.pop("name")
    resources = {"nbgrader": told, "metadata": {"name": "notebook"}}
    return page.from_notebook_node(v4.new_notebook(cells=[written, check]), resources)[0]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            "notebook|Score: 1.5 / 5.0|Written answer written · Score: 1.5 / 3.0|Comment:"
            "|Check check · Score: 0.0 / 2.0|Your answer|Score: 1.5 / 3.0 · To the top",
        ),
        (
            "zh",
            "notebook|得分： 1.5 / 5.0|书面题 written · 得分： 1.5 / 3.0|评语："
            "|检查 check · 得分： 0.0 / 2.0|你的答案|得分： 1.5 / 3.0 · 回到顶部",
        ),
    ],
)
def test_the_feedback_speaks_the_language_of_the_class(language: str, said: str) -> None:
    page = feedback_page(language, "Some *words*.", "Good.")
    assert f'<html lang="{language}">' in page
    body = page[page.index("<body>") :]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))
    for words in said.split("|"):
        assert words in text, (words, text)
    assert "<em>words</em>" in body and "<p>Good.</p>" in body
    english = {"Score:", "Check ", "Your answer", "Comment:", "To the top", "Test cell", "In ["}
    assert language == "en" or not any(words in text for words in english)


def test_nothing_that_a_student_wrote_runs_in_the_feedback() -> None:
    page = feedback_page(
        "en",
        "<script>alert(1)</script> <img src=x onerror=alert(2)> <b onclick='alert(3)'>b</b>"
        " [a](javascript:alert(4)) ![p](https://example.org/p.png)",
        "<script>alert(5)</script>",
    )
    body = page[page.index("<body>") :]
    assert "<script" not in body and "<img" not in body
    assert not re.search(r"<[^>]*(onclick|onerror|javascript:)[^>]*>", body)
    assert "<b>b</b>" in body and "&lt;b&gt;不对&lt;/b&gt;" in body and "&lt;i&gt;3" in body
