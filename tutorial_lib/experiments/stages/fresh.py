"""Is a stage up to date? It is if its settings, its code, the files it read and those it made are
what its provenance says.
"""

import json
from pathlib import Path

import tutorial_lib
from tutorial_lib.experiments.digests import digest, holds
from tutorial_lib.language import say

LIBRARY = Path(tutorial_lib.__file__).parent


def sources(stage: str) -> list[Path]:
    """The files whose change makes a stage old. What trains a model is not among them: each run
    names the code that made it.
    """
    folder, library = Path(__file__).parent, LIBRARY
    if stage == "report":
        return sorted(folder.glob("*.py"))
    shared = [
        folder / "shared.py",
        library / "experiments" / "protocol.py",
        library / "evaluate.py",
        library / "metrics.py",
        library / "ranking.py",
        library / "statistics.py",
        library / "data" / "corrupt.py",
        library / "data" / "gaps.py",
    ]
    return [folder / f"{stage}.py", *shared]


def why(settings: dict[str, object], out: Path, stage: str) -> str:
    """Why a stage must run, in words; empty if its outputs are complete and made from what is there
    now.
    """
    folder = out / stage
    try:
        old = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        if changed := [
            name for name, value in settings.items() if old["settings"].get(name) != value
        ]:
            return say("settings have changed ({names})", names=", ".join(changed))
        if old["code"] != digest(*sources(stage)):
            return say("its code has changed")
        for name, was in old["inputs"].items():
            if not holds(out / name, was):
                return say("{name} of its inputs is missing or has changed", name=name)
        for name, was in old["outputs"].items():
            if not holds(folder / name, was):
                return say("{name} of its outputs is missing or has changed", name=name)
    except OSError:
        return say("not yet done")
    except (ValueError, KeyError, AttributeError, TypeError):
        return say("its provenance.json cannot be read")
    return ""
