"""Is a stage up to date? It is if its settings, its code, the files it read and those it made are
what its provenance says.
"""

import json
from pathlib import Path

import tutorial_lib
from tutorial_lib.experiments.digests import digest, holds

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
            return f"settings have changed ({', '.join(changed)})"
        if old["code"] != digest(*sources(stage)):
            return "its code has changed"
        for kind, root in (("inputs", out), ("outputs", folder)):
            for name, was in old[kind].items():
                if not holds(root / name, was):
                    return f"{name} of its {kind} is missing or has changed"
    except OSError:
        return "not yet done"
    except (ValueError, KeyError, AttributeError, TypeError):
        return "its provenance.json cannot be read"
    return ""
