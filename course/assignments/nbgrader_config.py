"""Settings of nbgrader for both courses. Each course folder has an nbgrader_config.py that loads
this one.
"""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
)  # nbgrader calls alembic by name
os.environ["OMP_NUM_THREADS"] = "1"
for name in ("TUTORIAL_DATASET", "TUTORIAL_USERS"):
    os.environ.pop(name, None)

from nbgrader.preprocessors import (  # noqa: E402
    AssignLatePenalties,
    CheckCellMetadata,
    DeduplicateIds,
    IgnorePattern,
    LimitOutput,
    OverwriteCells,
    OverwriteKernelspec,
)

from course.assignments.feedback import FeedbackPage  # noqa: E402
from course.assignments.guard import ClearOutputButKeepRuns, Guard, Rebuild, SaveGradesAndNotes  # noqa: E402
from course.assignments.problem_sets import LIMITS  # noqa: E402

c = get_config()  # noqa: F821  (traitlets puts it here)

# the stub of the lesson stands above the solution and stays
c.ClearSolutions.code_stub = {"python": ""}
c.Autograde.sanitize_preprocessors = [
    ClearOutputButKeepRuns,
    Rebuild,
    DeduplicateIds,
    OverwriteKernelspec,
    OverwriteCells,
    CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    Guard,
    IgnorePattern,
    LimitOutput,
    SaveGradesAndNotes,
    AssignLatePenalties,
    CheckCellMetadata,
]
c.Guard.seconds, c.Guard.memory_limit = float(LIMITS["seconds"]), float(LIMITS["memory"])
c.GenerateFeedback.exporter_class = FeedbackPage
# what a student wrote is shown as text; nothing of it runs in the instructor's browser
c.HTMLExporter.sanitize_html = True
