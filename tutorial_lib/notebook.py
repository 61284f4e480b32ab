"""Progress bars and sharp pictures of notebooks; they live in `tutorial_files.notebook`, which the
readers of tables use as well.
"""

from tutorial_files.notebook import Bar, progress_bar, sharpen_pictures

__all__ = ["Bar", "progress_bar", "sharpen_pictures"]
