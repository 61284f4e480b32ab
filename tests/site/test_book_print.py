"""PDF and EPUB: the manuscript, and one lesson of each language set by pandoc and typst."""

import re
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from course.lessons import LANGUAGES, LessonError
from course.site import book as printing
from course.site.build import ROOT, editions
from course.site.notebook import Cell

SHOWN = 4  # the lesson


@pytest.fixture
def short():
    """The editions, with one lesson."""
    books = editions(ROOT)
    for book in books:
        book.notebooks = {
            row: cells for row, cells in book.notebooks.items() if row.number == SHOWN
        }
    return dict(zip(LANGUAGES, books, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_solutions_stand_in_the_appendix_and_every_link_holds(short, language, tmp_path):
    text = printing.Manuscript(short[language], tmp_path).text()
    lesson, appendix = text.split("{#solutions}")
    cells = [cell for cells in short[language].notebooks.values() for cell in cells]
    solutions = [cell for cell in cells if cell.kind == "code" and "solution" in cell.tags]
    assert len(solutions) >= 3
    for number, cell in enumerate(solutions, start=1):
        assert cell.source.strip() not in lesson and cell.source.strip() in appendix
        assert f"### {SHOWN}.{number} {{#solution" in appendix
    named = re.findall(r"\{#([^}]+)\}", text)
    assert len(named) == len(set(named))
    linked = {link for link in re.findall(r"\]\(#([^)]+)\)", text) if link.startswith("solution")}
    assert len(linked) == len(solutions) and linked <= set(named)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(pictures) >= 2 and all((tmp_path / name).stat().st_size > 1000 for name in pictures)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lesson_is_set_as_pdf_and_epub(short, language, tmp_path):
    pytest.importorskip("typst", reason="typst is not installed (make site-check)")
    pytest.importorskip("pypandoc", reason="pandoc is not installed (make site-check)")
    done = printing.write(short[language], tmp_path)
    epub = tmp_path / f"continuous-time-{language}.epub"
    with zipfile.ZipFile(epub) as archive:
        chapters = "".join(
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".xhtml")
        )
        assert sum(name.endswith(".png") for name in archive.namelist()) >= 2
    assert chapters.count("<math") > 20 and "<img" in chapters
    pdf = tmp_path / f"continuous-time-{language}.pdf"
    if language == "zh" and printing.chinese_font() is None:
        assert "no Chinese font is installed" in done[-1] and not pdf.exists()
    else:
        assert pdf.read_bytes().startswith(b"%PDF") and pdf.stat().st_size > 100_000


def test_without_a_chinese_font_the_pdf_is_left_out_and_that_is_said(short, tmp_path, monkeypatch):
    pytest.importorskip("typst", reason="typst is not installed (make site-check)")
    pytest.importorskip("pypandoc", reason="pandoc is not installed (make site-check)")
    monkeypatch.setattr(printing, "CHINESE", ("No Such Font",))
    done = printing.write(short["zh"], tmp_path)
    assert "continuous-time-zh.pdf was left out: no Chinese font is installed" in done[-1]
    assert not (tmp_path / "continuous-time-zh.pdf").exists()
    assert (tmp_path / "continuous-time-zh.epub").exists()


def test_a_formula_that_pandoc_cannot_read_is_named(short, tmp_path):
    pytest.importorskip("typst", reason="typst is not installed (make site-check)")
    pytest.importorskip("pypandoc", reason="pandoc is not installed (make site-check)")
    (row,) = short["en"].notebooks
    short["en"].notebooks = {row: [Cell("x", "markdown", r"So $\frac{1}{$.", (), {}, (), {})]}
    with pytest.raises(LessonError, match="pandoc cannot read the formula"):
        printing.write(short["en"], tmp_path)


def test_fences_are_longer_than_what_they_hold():
    assert printing.fence("a ```` b", "output").startswith("````` output\n")
    assert printing.fence("x = 1\n", "python") == "``` python\nx = 1\n```"


def test_the_command_writes_both_languages_or_the_one_asked_for(tmp_path, monkeypatch, capsys):
    def write(book, out):
        return [f"{book.language} in {out.name}"]

    monkeypatch.setattr(printing, "write", write)  # another process would not know it
    monkeypatch.setattr(printing, "editions", lambda root: editions(ROOT))
    monkeypatch.setattr(printing, "ProcessPoolExecutor", ThreadPoolExecutor)
    assert printing.main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["en in book", "zh in book"]
    assert printing.main(["--root", str(tmp_path), "--language", "zh"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == ["zh in book"]
