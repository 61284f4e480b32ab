"""The wheel carries what the library reads at run time: pyproject.toml holds everything else.

The folders `data` and `locale` stand beside the package in a checkout; a wheel has them inside it,
where `tutorial_files/shared.py` finds them.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CARRIED = ("data/claims.csv", "data/sample", "data/results", "data/facts", "locale")
LEFT_OUT = shutil.ignore_patterns("*.md", "__pycache__", ".*")


class BuildWithData(build_py):
    """Also copies CARRIED into tutorial_lib/shared; an editable installation reads the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        shared = Path(self.build_lib) / "tutorial_lib" / "shared"
        shutil.rmtree(shared, ignore_errors=True)
        for name in CARRIED:
            source, target = ROOT / name, shared / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=LEFT_OUT)
            elif source.exists():
                shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithData})
