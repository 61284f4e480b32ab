"""The closed room in which a submission runs: no network, nothing of the instructor, nothing to
write but a small folder that is thrown away, and nothing that outlives it.

bubblewrap makes it where it is installed (a package of every Linux system), else docker or podman
with the image that README.md says how to make. Without any of them nothing is graded, unless the
instructor asks for it (`unsafe`).
"""

from __future__ import annotations

import ast
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import psutil

from course.assignments.extract import ROOT, LessonError
from course.assignments.wire import Peer
from tutorial_files.language import mark, say

IMAGE = "continuous-time-grader"
KINDS = ("bubblewrap", "docker", "podman", "unsafe")
HERE = Path(__file__).parent
# What a submission may read: the library, and what it says in Chinese, but no hint of a checker.
ROOMS = (
    "studies",
    "tutorial_files",
    "tutorial_lib",
    "data",
    "locale/zh/library",
    "locale/zh/course",
)
LATER = mark("judged by the grader, not here")
MISSING = mark(
    "Submissions are programs of strangers, and there is no closed room to run them in: install"
    " bubblewrap (Debian, Ubuntu: apt install bubblewrap), or make the image for docker or podman"
    " as exercises/README.md says, then run the same command again. `make grades"
    " GRADE_ARGS=--unsafe` grades without; use it only on a machine that holds nothing else."
)


@dataclass(frozen=True)
class Limits:
    """What one submission may take; processes, memory and files are those of the whole group."""

    seconds: float = 30.0  # of a cell, computing or asleep
    total: float = 120.0  # of a notebook
    wall: float = 1_800.0  # whatever the reason
    memory: float = 4.0  # GB
    processes: int = 64
    files: int = 256  # MB in its own folder


@functools.cache
def find() -> str | None:
    """The first kind of sandbox that works here."""
    if shutil.which("bwrap"):
        tried = subprocess.run([*bubblewrap(ROOT, Limits()), "true"], capture_output=True)
        if tried.returncode == 0:
            return "bubblewrap"
    for name in ("docker", "podman"):
        if shutil.which(name):
            with suppress(subprocess.TimeoutExpired):
                asked = [name, "image", "inspect", IMAGE]
                if subprocess.run(asked, capture_output=True, timeout=20).returncode == 0:
                    return name
    return None


def choose(unsafe: bool) -> str:
    """The sandbox to grade in, or LessonError with what to install."""
    if kind := find():
        return kind
    if unsafe:
        return "unsafe"
    raise LessonError(say(MISSING))


ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "IPYTHONDIR": "/tmp/.ipython",
}


def bubblewrap(stage: Path, limits: Limits) -> list[str]:
    """The command that runs what follows it in a room of its own."""
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    words += ["--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    words += ["--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    words += ["--size", str(limits.files << 20), "--tmpfs", "/tmp"]
    for place in ("/usr", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
        words += ["--ro-bind-try", place, place]
    for place in ("/bin", "/lib", "/lib64", "/sbin"):
        if Path(place).is_symlink():
            words += ["--symlink", os.readlink(place), place]
        else:
            words += ["--ro-bind-try", place, place]
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        words += ["--ro-bind", prefix, prefix]
    words += ["--ro-bind", str(stage), "/stage"]
    for name in ROOMS:
        words += ["--ro-bind", str(ROOT / name), f"/course/{name}"]
    # /course is a folder of the room's own file system: it must not be written to either
    words += ["--remount-ro", "/", "--chdir", "/tmp"]
    for name, value in ENVIRONMENT.items():
        words += ["--setenv", name, value]
    return words


def container(engine: str, stage: Path, limits: Limits, name: str) -> list[str]:
    """The same with docker or podman; the image brings Python and what the lessons need."""
    words = [engine, "run", "--rm", "--interactive", "--name", name, "--pull", "never"]
    words += ["--network", "none", "--read-only", "--user", "65534:65534", "--cap-drop", "ALL"]
    words += ["--security-opt", "no-new-privileges", "--pids-limit", str(limits.processes)]
    words += ["--memory", f"{limits.memory:g}g", "--memory-swap", f"{limits.memory:g}g"]
    words += ["--tmpfs", f"/tmp:size={limits.files}m,mode=1777", "--workdir", "/tmp"]
    words += ["--volume", f"{stage}:/stage:ro"]
    for part in ROOMS:
        words += ["--volume", f"{ROOT / part}:/course/{part}:ro"]
    for key, value in ENVIRONMENT.items():
        words += ["--env", f"{key}={value}"]
    return [*words, IMAGE]


def stage_for(folder: Path, released: list[str]) -> Path:
    """What a submission finds beside the library: the runner, and of the exercises' files what the
    handed-out notebook uses, without checkers and answers. `released`: its cells' sources.
    """
    stage = folder / "stage"
    (stage / "exercises").mkdir(parents=True)
    for name in ("runner.py", "wire.py"):
        shutil.copy(HERE / name, stage / name)
    (stage / "exercises" / "__init__.py").write_text("")
    used: dict[str, set[str]] = {}
    for source in released:
        for node in ast.walk(_parsed(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.setdefault(node.value.id, set()).add(node.attr)
            elif isinstance(node, ast.ImportFrom) and node.module == "exercises":
                for one in node.names:
                    used.setdefault(one.name, set())
    for path in sorted((ROOT / "exercises").glob("lesson*.py")):
        if path.stem in used:
            text = without_answers(path.read_text(encoding="utf-8"), used[path.stem])
            (stage / "exercises" / path.name).write_text(text, encoding="utf-8")
    for path in stage.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    stage.chmod(0o755)
    return stage


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse("")


def without_answers(text: str, wanted: set[str]) -> str:
    """Of a file of exercises what a lesson takes from it, and that on which it rests; a checker
    becomes a function that points to the grader.
    """
    tree = ast.parse(text)
    checkers = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
    ]
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    imports = [
        n
        for n in imports
        if getattr(n, "module", "") not in ("exercises.checking", "exercises.open_task")
    ]
    others = [n for n in tree.body if n not in checkers and n not in imports]
    binds = {node: _bound(node) for node in others}
    # and classes, as an object of one may be handed to an answer
    classes = {node.name for node in others if isinstance(node, ast.ClassDef)}
    needed, todo = set(), {name for name in wanted if not name.startswith("check_")} | classes
    while todo:
        name = todo.pop()
        needed.add(name)
        for node in others:
            if name in binds[node]:
                read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                todo |= {n for n in read | binds[node] if n not in needed}
    kept = [n for n in others if binds[n] & needed and binds[n]]
    lines = [
        "from tutorial_files.language import say as _say",
        "",
        "def _later(*answers):",
        f"    print(_say({LATER!r}))",
        "",
    ]
    body = [ast.unparse(node) for node in [*imports, *kept]]
    return "\n".join([*lines, *body, *(f"{node.name} = _later" for node in checkers)]) + "\n"


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    names = {n.id for t in targets if t is not None for n in ast.walk(t) if isinstance(n, ast.Name)}
    return names - {"RIGHT", "WRONG"}


class Room:
    """A running submission: `peer` talks to it, `reason` says why it was stopped, if it was."""

    def __init__(self, kind: str, released: list[str], limits: Limits):
        self.limits, self.reason = limits, None
        self.spent = self.whole = 0.0
        self.folder = Path(tempfile.mkdtemp(prefix="submission-"))
        self.name = f"submission-{os.getpid()}-{time.monotonic_ns()}"
        self.kind = kind
        stage = stage_for(self.folder, released)
        command, options = self._command(stage)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            **options,
        )
        self.peer = Peer(self.process.stdout, self.process.stdin, trusting=False)
        self.done = Event()
        self.watcher = Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def _command(self, stage: Path) -> tuple[list[str], dict]:
        run = ["-I", "/stage/runner.py", "/course"]
        if self.kind == "bubblewrap":
            # bubblewrap itself is the first process of the room: its environment can be read there
            return [*bubblewrap(stage, self.limits), sys.executable, *run], {"env": ENVIRONMENT}
        if self.kind in ("docker", "podman"):
            return [*container(self.kind, stage, self.limits, self.name), "python", *run], {}
        own = self.folder / "own"
        own.mkdir()
        for name in ROOMS:
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).symlink_to(ROOT / name)
        env = ENVIRONMENT | {key: str(own) for key in ("HOME", "MPLCONFIGDIR", "IPYTHONDIR")}
        command = [sys.executable, "-I", str(stage / "runner.py"), str(stage)]
        return command, {"cwd": own, "env": env, "start_new_session": True}

    def close(self) -> None:
        self.done.set()
        self._kill()
        self.watcher.join()
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                stream.close()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill(self) -> None:
        for process in processes(self.process.pid):
            with suppress(psutil.Error):
                process.kill()
        if self.kind in ("docker", "podman"):
            subprocess.run([self.kind, "kill", self.name], capture_output=True)

    def next_cell(self) -> None:
        self.spent = 0.0

    def _watch(self) -> None:
        """End the room when its processes take too much.

        Time is what the submission itself takes, computing or asleep: a busy machine, on which it
        has to wait its turn, stops nobody.
        """
        began = last = time.monotonic()
        computed = 0.0
        while not self.done.wait(0.05):
            tree = processes(self.process.pid)
            now, used = time.monotonic(), used_by(tree)
            asleep = self.peer.waiting and not any(map(runs, tree))
            # a late look is the machine's fault
            step = max(used.seconds - computed, min(now - last, 0.5) if asleep else 0.0)
            self.spent, self.whole = self.spent + step, self.whole + step
            last, computed = now, max(used.seconds, computed)
            if len(tree) > self.limits.processes:
                self.reason = "processes"
            elif used.memory > (most := self.limits.memory * 1e9) and shared_once(tree) > most:
                self.reason = "memory"
            elif (
                self.spent > self.limits.seconds
                or self.whole > self.limits.total
                or now - began > self.limits.wall
            ):
                self.reason = "time"
            if self.reason:
                self._kill()
                return


def processes(pid: int) -> list[psutil.Process]:
    """A process and all that it started, however often they forked: in the room they have one
    ancestor."""
    with suppress(psutil.Error):
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return []


class Used(NamedTuple):
    memory: int  # bytes
    seconds: float  # of computing


def used_by(tree: list[psutil.Process]) -> Used:
    memory, seconds = 0, 0.0
    for process in tree:
        with suppress(psutil.Error):
            times = process.cpu_times()
            memory += process.memory_info().rss
            seconds += times.user + times.system + times.children_user + times.children_system
    return Used(memory, seconds)


def shared_once(tree: list[psutil.Process]) -> int:
    """Bytes of all processes; a page that several share counts once."""
    total = 0
    for process in tree:
        with suppress(psutil.Error):
            about = process.memory_full_info()
            total += getattr(about, "pss", about.rss)
    return total


def runs(process: psutil.Process) -> bool:
    """Does it compute, or wait for its turn on the processor or the disk?"""
    with suppress(psutil.Error):
        return process.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
    return False
