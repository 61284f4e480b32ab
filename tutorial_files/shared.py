"""Where the files lie that the library reads and writes.

In a checkout of the project they stand beside the packages, in the folders `data` and `locale`. A
wheel carries the same folders inside `tutorial_lib`, in `shared` (setup.py puts them there).
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
INSTALLED = (PROJECT / "tutorial_lib" / "shared").is_dir()
SHARED = PROJECT / "tutorial_lib" / "shared" if INSTALLED else PROJECT
DATA = SHARED / "data"  # sample, results, facts


def downloads() -> Path:
    """The folder of downloaded data sets: data/downloads of a checkout; for an installed library a
    cache of the user, because an update replaces what lies in the package.
    """
    if not INSTALLED:
        return DATA / "downloads"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "tutorial-lib"
