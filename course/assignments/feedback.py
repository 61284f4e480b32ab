"""The page that a student gets back, in the language of the class.

nbgrader_config.py puts FeedbackPage in the place of nbgrader's exporter, so that `nbgrader
generate_feedback` and the pages for instructors use it as well. The page is
pages/feedback/index.html.j2.
"""

from __future__ import annotations

from pathlib import Path

import bleach
from nbconvert.exporters import HTMLExporter
from traitlets import Unicode
from traitlets.config import Config

from tutorial_files.language import mark, spoken

WORDS = {  # what the page says, by the names that its template uses
    "score": mark("Score:"),
    "checked": mark("Check"),
    "written": mark("Written answer"),
    "answer": mark("Your answer"),
    "task": mark("Your task"),
    "comment": mark("Comment:"),
    "late": mark("Handed in late:"),
    "top": mark("To the top"),
}
# What Markdown and highlighted code become. No pictures: their address would be called.
TAGS = frozenset(
    """a abbr b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i li ol p pre s
    span strong sub summary sup table tbody td th thead tr ul""".split()  # noqa: SIM905
)
ATTRIBUTES = {"a": ["href", "title"], "*": ["class", "id"]}
NO_RESPONSE = mark("No answer.")


def clean(page: object) -> str:
    """HTML without anything that a browser would run or fetch; the rest is shown as it was typed."""
    return bleach.clean(str(page), tags=TAGS, attributes=ATTRIBUTES)


class FeedbackPage(HTMLExporter):
    """A graded notebook as one HTML page: scores, answers, verdicts, comments."""

    language = Unicode("en", help="of the words of the page").tag(config=True)

    @property
    def default_config(self) -> Config:
        """Stands over the settings of HTMLExporter, where the pages for instructors choose a
        template for all pages.
        """
        config = super().default_config
        config.FeedbackPage.extra_template_basedirs = [str(Path(__file__).parent / "pages")]
        config.FeedbackPage.template_name = "feedback"
        return config

    def default_filters(self):
        yield from super().default_filters()
        yield "clean_html", clean

    def _init_resources(self, resources):
        resources = super()._init_resources(resources)
        resources["language_code"] = self.language
        resources["words"] = {name: spoken(self.language, text) for name, text in WORDS.items()}
        return resources
