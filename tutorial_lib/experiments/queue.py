"""A queue of runs in a folder that several machines see: no server, only files that are renamed.

    QUEUE/waiting/NAME.toml            a run that nobody has begun
    QUEUE/claimed/NAME.toml@WORKER     one that a worker trains; it touches the file now and then
    QUEUE/done/NAME.toml               finished: RUNS/NAME holds its result
    QUEUE/failed/NAME.toml, NAME.txt   ended by an error, and the sentence that says which

To rename a file within a folder of one disk is atomic: of several workers that claim a run, one
succeeds, and the others find nothing. A claim that has not been touched for `stale` seconds belongs
to a worker that is gone: whoever finds it renames it back. Its checkpoint is there, so the next
worker goes on after the last finished epoch. A worker that only slept finds its claim gone, and
ends the run without a word in the results. Times are those of the disk, so clocks may differ.
Taught in lesson 24.
"""

import argparse
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tutorial_lib.config import TrainConfig
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.digests import remove_damaged
from tutorial_lib.experiments.runs import Run, announce
from tutorial_lib.experiments.settings import add_arguments, as_toml, read_settings
from tutorial_lib.experiments.stages.work import DIVERGED, train_run
from tutorial_lib.experiments.training import finished
from tutorial_lib.files import write_text
from tutorial_lib.knobs import check, knob, knobs
from tutorial_lib.language import say

PLACES = ("waiting", "claimed", "done", "failed")
BEAT = 0.2  # a worker touches its claim after this share of the stale time


class Lost(TutorialError):
    """Another worker has taken the run over."""


@dataclass(frozen=True)
class Worker:
    """How a worker behaves."""

    device: str = knob("auto", "auto, cpu, cuda or mps", setting=False)
    stale: float = knob(
        600.0, "seconds without a sign after which the run of another worker is taken over", least=1
    )
    wait: bool = knob(
        False, "stay while others train, to take over what they leave; else end with the queue"
    )
    most: int | None = knob(None, "end after so many runs; none: when nothing is left", least=1)

    def __post_init__(self):
        check(self)


class Queue:
    """See above. `me`: a name that no other worker has."""

    def __init__(self, folder: Path | str, *, stale: float = 600.0, me: str | None = None):
        self.folder, self.stale = Path(folder), stale
        self.me = me or f"{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}"

    def place(self, name: str) -> Path:
        return self.folder / name

    def make(self) -> None:
        for name in PLACES:
            self.place(name).mkdir(parents=True, exist_ok=True)

    def there(self) -> None:
        if not self.place("waiting").is_dir():
            raise TutorialError(
                "{folder} is no queue: make one by train --queue {folder}, or suite --queue"
                " {folder}",
                folder=self.folder,
            )

    def add(self, run: Run, runs: Path) -> bool:
        """Puts a run in, to be trained into the folder `runs`, unless it is there already."""
        self.make()
        name = f"{run.name}.toml"
        done = self.place("done") / name
        if done.exists() and not finished(Path(runs) / run.name):
            done.unlink()  # its results were lost since
        known = (self.place(place) / name for place in ("waiting", "done", "failed"))
        if any(file.exists() for file in known) or list(self.claims(name)):
            return False
        text = as_toml({"runs": str(Path(runs).resolve())} | run.settings)
        write_text(self.place("waiting") / name, text)
        return True

    def claims(self, name: str = "*.toml") -> Iterator[Path]:
        yield from sorted(self.place("claimed").glob(f"{name}@*"))

    def claim(self) -> Path | None:
        """The file of a run that is now ours; None if none waits."""
        for file in sorted(self.place("waiting").glob("*.toml")):
            ours = self.place("claimed") / f"{file.name}@{self.me}"
            try:
                os.utime(file)  # a rename keeps the time of the last touch
                file.rename(ours)
            except FileNotFoundError:  # another one was faster
                continue
            return ours
        return None

    def release_stale(self) -> int:
        """Renames claims without a sign of life back; how many."""
        probe, count = self.folder / f".clock-{self.me}", 0
        probe.touch()
        now = probe.stat().st_mtime  # the clock of the disk
        probe.unlink()
        for file in self.claims():
            try:
                if now - file.stat().st_mtime > self.stale:
                    file.rename(self.place("waiting") / file.name.partition("@")[0])
                    count += 1
            except FileNotFoundError:  # finished, or released by another
                continue
        return count

    def finish(self, ours: Path, place: str = "done", why: str = "") -> None:
        """Takes a claim to where it belongs. Raises Lost if it is no longer ours."""
        name = ours.name.partition("@")[0]
        if why:
            write_text(self.place(place) / f"{name.removesuffix('.toml')}.txt", f"{why}\n")
        try:
            ours.rename(self.place(place) / name)
        except FileNotFoundError:
            raise lost(ours) from None

    @contextmanager
    def beating(self, ours: Path) -> Iterator[Callable[[], None]]:
        """Inside, the claim is touched again and again; yields a check that it is still ours."""
        end, gone = threading.Event(), threading.Event()

        def beat() -> None:
            while not end.wait(BEAT * self.stale):
                try:
                    os.utime(ours)
                except OSError:
                    gone.set()
                    return

        def check_ours() -> None:
            if gone.is_set() or not ours.exists():
                raise lost(ours)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield check_ours
        finally:
            end.set()
            thread.join()


def lost(ours: Path) -> Lost:
    name = ours.name.partition(".toml")[0]
    why = say("{name} was taken over by another worker: this one was silent for long", name=name)
    return Lost(why)


def read(file: Path) -> tuple[Run, Path]:
    """The run in a file of the queue, and the folder of its results."""
    known = {name: owner for owner in (Run, TrainConfig) for name in knobs(owner)}
    known |= {"options": dict, "runs": Runs}
    settings = read_settings(file, known)
    runs = Path(settings.pop("runs"))
    return Run.from_settings(settings), runs


@dataclass(frozen=True)
class Runs:
    """What a file of the queue says beside the run itself."""

    runs: Path = knob(Path("runs"), "folder of the results")


def work(
    queue: Queue,
    *,
    device: str = "auto",
    wait: bool = False,
    most: int | None = None,
    train: Callable[..., None] = train_run,
) -> int:
    """Trains what waits until nothing does; with `wait`, until nothing is claimed either. Returns
    how many runs this worker has finished.
    """
    queue.there()
    count = 0
    while most is None or count < most:
        queue.release_stale()
        ours = queue.claim()
        if ours is None:
            if wait and any(queue.claims()):
                time.sleep(min(5.0, BEAT * queue.stale))
                continue
            break
        count += perform(queue, ours, device, train)
    return count


def perform(queue: Queue, ours: Path, device: str, train: Callable[..., None] = train_run) -> int:
    """One claimed run: 1 if it was finished here, else 0."""
    name = ours.name.partition(".toml")[0]
    try:
        run, runs = read(ours)
        with queue.beating(ours) as still_ours:
            announce(say("{name}: begins", name=name))
            if damaged := remove_damaged(runs / name):
                announce(damaged)
            if not (finished(runs / name) or (runs / name / DIVERGED).exists()):
                train(run, runs, device, on_look=lambda row: still_ours())
            still_ours()
        queue.finish(ours)
        announce(say("{name}: done", name=name))
        return 1
    except Lost as error:
        announce(str(error))
        return 0
    except TutorialError as error:
        if isinstance(error.__cause__, Lost):
            announce(str(error.__cause__))
            return 0
        announce(str(error))
        with suppress(Lost):
            queue.finish(ours, "failed", str(error))
        return 0


def enqueue(folder: Path, run: Run, runs: Path) -> str:
    """Puts a run into a queue; what to tell the reader."""
    if Queue(folder).add(run, runs):
        return say("{name} waits in the queue", name=run.name)
    return say("{name} is in the queue already", name=run.name)


def share(folder: Path, todo: list[Run], runs: Path, device: str) -> None:
    """Puts runs into a queue, trains with the other workers, and comes back when all are there."""
    queue = Queue(folder)
    for run in todo:
        queue.add(run, runs)
    work(queue, device=device, wait=True)
    for run in todo:
        if not (finished(runs / run.name) or (runs / run.name / DIVERGED).exists()):
            raise TutorialError(
                "{name} was not finished: {failed} says why; remove the file {name}.toml there and"
                " give the same command to try again",
                name=run.name,
                failed=queue.place("failed"),
            )


def add_parser(commands: argparse._SubParsersAction, usage: str) -> None:
    parser = commands.add_parser(
        "worker",
        usage=usage.format("worker QUEUE"),
        help=say("train the runs of a queue, a folder that several machines may share"),
        description=say(
            "A queue of runs in a folder that several machines see: no server, only files that are"
            " renamed."
        ),
    )
    parser.add_argument("queue", type=Path, metavar="QUEUE", help=say("its folder"))
    add_arguments(parser, Worker, say("how"))


def worker_command(args: argparse.Namespace) -> int:
    """`worker`: 0 if no run of the queue has failed."""
    given = {name: value for name, value in vars(args).items() if name in knobs(Worker)}
    how = Worker(**given)
    queue = Queue(args.queue, stale=how.stale)
    count = work(queue, device=how.device, wait=how.wait, most=how.most)
    failed = sorted(file.stem for file in queue.place("failed").glob("*.toml"))
    print(say("{count} runs finished here", count=count))
    if failed:
        print(say("failed: {names} (see {folder})", names=", ".join(failed),
                  folder=queue.place("failed")))  # fmt: skip
    return 1 if failed else 0
