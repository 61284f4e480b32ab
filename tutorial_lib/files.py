"""Writing files whole or not at all, and sweeping up after processes that were killed."""

from tutorial_files.writing import disk, replacing, settle, sweep, write_command, write_text

__all__ = ["disk", "replacing", "settle", "sweep", "write_command", "write_text"]
