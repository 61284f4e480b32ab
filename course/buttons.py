"""Where a reader opens a lesson without an installation: the buttons in its header, and the cell
that brings the course to a hosted notebook service.

site/links.toml names owner and repository. While they are empty there is no button and no such
cell, and the notebooks are what they are without this file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course.lessons import Course, LessonError, Problem, Row

if TYPE_CHECKING:
    import nbformat  # loading it takes longer than building the pages of the book

SETUP = "hosted-setup"  # the id of the cell
ARCHIVE = "notebooks.zip"  # of all lessons, beside every release: course/archive.py
WORDS = {
    "en": ("Run it in the browser: ", "Download: ", "this lesson", "all lessons", " · ", ". "),
    "zh": ("在浏览器里运行：", "下载：", "本课", "全部课程", " · ", "。"),
}
# One text in both languages, so that the twins stay equal.
SETUP_CODE = """\
# @title Set-up on Colab, Kaggle and ModelScope; elsewhere it does nothing · 在线环境的准备，在别处什么也不做
import os, subprocess, sys

HOSTED = {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE", "MODELSCOPE_ENVIRONMENT", "DSW_INSTANCE_ID"}}
if "google.colab" in sys.modules or HOSTED & set(os.environ):
    folder = os.path.join(os.path.expanduser("~"), "{repository}")
    clone = ["git", "clone", "-q", "--depth", "1", "-b", "{branch}"]
    if not os.path.isdir(folder) and all(
        subprocess.run([*clone, address, folder]).returncode for address in {addresses}
    ):
        raise SystemExit(
            "The course could not be fetched: allow this notebook to use the internet, run the cell again."
            " 无法获取课程文件：请允许本笔记本访问网络，然后重新运行这个单元格。"
        )
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", folder], check=True)
    sys.path.insert(0, folder)
    os.chdir(os.path.join(folder, "notebooks", "en"))
    from tutorial_lib.process import prepare

    prepare()"""


@dataclass(frozen=True)
class Links:
    """Where the course is published; everything empty while it is not."""

    owner: str = ""
    repository: str = ""
    branch: str = "main"
    gitee: str = ""

    @property
    def github(self) -> str:
        """Address of the repository, or nothing while it is unset."""
        published = self.owner and self.repository
        return f"https://github.com/{self.owner}/{self.repository}" if published else ""

    @property
    def mirror(self) -> str:
        """Address of the repository on Gitee, or nothing."""
        return f"https://gitee.com/{self.gitee}" if self.gitee else ""

    def file(self, path: str, view: str = "blob") -> str | None:
        """Address of a file of the repository: its page ("blob") or its bytes ("raw")."""
        return f"{self.github}/{view}/{self.branch}/{path}" if self.github else None

    def archive(self) -> str | None:
        """Address of the zip file of all lessons, made by the newest release."""
        return f"{self.github}/releases/latest/download/{ARCHIVE}" if self.github else None

    def buttons(self, language: str, row: Row) -> list[tuple[str, str]]:
        """(name, address) of the places where a lesson runs or can be read without an
        installation.
        """
        path, found = f"notebooks/{language}/{row.name}.ipynb", []
        if self.github:
            at = f"{self.owner}/{self.repository}"
            page = f"github/{at}/blob/{self.branch}/{path}"
            found += [
                ("Colab", f"https://colab.research.google.com/{page}"),
                ("Kaggle", f"https://kaggle.com/kernels/welcome?src={self.file(path)}"),
                ("Binder", f"https://mybinder.org/v2/gh/{at}/{self.branch}?labpath={path}"),
                ("Codespaces", f"https://codespaces.new/{at}?ref={self.branch}"),
                ("ModelScope", f"https://modelscope.cn/notebook/share/{page}"),
            ]
        if self.mirror:
            found.append(("Gitee", f"{self.mirror}/blob/{self.branch}/{path}"))
        return found


def read_links(root: Path) -> Links:
    """site/links.toml; a line that is missing or unknown is an error, so that none is misspelt
    unseen. A project without the file is not published.
    """
    path = Path(root) / "site" / "links.toml"
    if not path.exists():
        return Links()
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LessonError(f"{path} cannot be read ({error}): mend or restore it") from None
    known = set(Links.__dataclass_fields__)
    if held.keys() != known or not all(isinstance(value, str) for value in held.values()):
        raise LessonError(
            Problem(
                "site/links.toml",
                None,
                f"has the lines {', '.join(sorted(held))}; wanted are {', '.join(sorted(known))},"
                " each a text in quotes",
            )
        )
    links = Links(**held)
    if bool(links.owner) != bool(links.repository):
        raise LessonError(
            Problem("site/links.toml", None, "names only one of owner and repository; give both")
        )
    return links


def button_line(course: Course, row: Row, language: str) -> str:
    """The line below a lesson's header, in Markdown with a blank line before it; nothing while the
    course is not published.
    """
    links = read_links(course.root)
    buttons = links.buttons(language, row)
    if not buttons:
        return ""
    run, download, one, all_of_them, dot, stop = WORDS[language]
    line = run + dot.join(f"[{name}]({address})" for name, address in buttons)
    if links.github:
        raw = links.file(f"notebooks/{language}/{row.name}.ipynb", "raw")
        line += f"{stop}{download}[{one}]({raw}){dot}[{all_of_them}]({links.archive()})"
    return f"\n\n{line}"


def setup_cells(course: Course) -> list[nbformat.NotebookNode]:
    """The cell that a hosted service needs, in a list; none while the course is not published.

    It is not part of the lesson: neither the build nor nbval runs it.
    """
    links = read_links(course.root)
    addresses = [address for address in (links.github, links.mirror) if address]
    if not links.github:
        return []
    from nbformat.v4 import new_code_cell

    code = SETUP_CODE.format(repository=links.repository, branch=links.branch, addresses=addresses)
    folded = {"tags": ["nbval-skip"], "jupyter": {"source_hidden": True}, "cellView": "form"}
    return [new_code_cell(code, id=SETUP, metadata=folded)]


def lesson_code(nodes: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The code cells of a lesson, without the cell for hosted services."""
    return [node for node in nodes if node.cell_type == "code" and node.id != SETUP]
