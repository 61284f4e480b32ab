"""The work behind the tables, in one process or several: training runs, evaluating them on
corrupted histories.

Every task is a plain function of plain values, runs on one thread and leaves its result on the
disk, whole or not at all. So the numbers do not depend on how many processes share the work, nor on
how often it was interrupted.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import torch

from tutorial_lib.data.corrupt import corrupt
from tutorial_lib.errors import Diverged, TutorialError
from tutorial_lib.evaluate import evaluate
from tutorial_lib.experiments.digests import digest, sign
from tutorial_lib.experiments.runs import Run, load_model, load_split
from tutorial_lib.experiments.stages.fresh import LIBRARY
from tutorial_lib.experiments.training import execute
from tutorial_lib.files import write_text
from tutorial_lib.language import language, say, use_language
from tutorial_lib.train import pick_device

DIVERGED = "diverged.txt"


def ranks_file(folder: Path, corruption: str = "", seed: int = 0) -> Path:
    """Where a run keeps its ranks; those on corrupted histories under the version of the code that
    made them.
    """
    if not corruption:
        return folder / "ranks.csv.gz"
    ranking = LIBRARY / "ranking.py"
    code = digest(LIBRARY / "data" / "corrupt.py", LIBRARY / "evaluate.py", ranking)[:8]
    return folder / f"corrupted-{code}" / f"{corruption.replace(' ', '-')}_{seed}.csv.gz"


@contextmanager
def one_thread(what: str) -> Iterator[None]:
    """One thread inside, so that the last digits never depend on the number of cores; any failure
    becomes one clear sentence.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    except Exception as error:
        reason = (
            str(error) if isinstance(error, TutorialError) else f"{type(error).__name__}: {error}"
        )
        raise TutorialError(
            "{what}: {reason}", what=what, reason=" ".join(reason.split())
        ) from error
    finally:
        torch.set_num_threads(threads)


def train_run(
    run: Run,
    folder: Path,
    device: str,
    on_look: Callable[[dict[str, float]], object] = lambda row: None,
) -> None:
    """Trains, or goes on where it was cut; see `training.execute`. Where the loss is no longer a
    number it leaves a file that says so, and ends: a rate too high for a grid that grows.
    """
    with one_thread(say("training {run}", run=run.name)):
        try:
            how = {"device": device, "progress": False, "sampled": 0, "on_look": on_look}
            execute(run, folder, tell=lambda text: None, **how)
        except Diverged as error:
            write_text(folder / run.name / DIVERGED, f"{error}\n")


def evaluate_run(
    run: Run, folder: Path, device: str, corruptions: Sequence[tuple[str, int]]
) -> None:
    """Ranks of a finished run on the test part after each corruption, drawn with the seed beside
    it.
    """
    with one_thread(say("evaluating {run}", run=run.name)):
        split = load_split(run)
        model, hide = load_model(run, split, folder), run.config.hides_seen(split.dataset)
        for name, seed in corruptions:
            file = ranks_file(folder / run.name, name, seed)
            evaluate(
                model,
                corrupt(split, name, seed),
                "test",
                device=pick_device(device),
                filter_seen=hide,
            ).to_csv(file)
            sign(file.parent, [file.name])


def perform(tasks: Sequence[Callable[[], None]], jobs: int, tick: Callable[[], object]) -> None:
    """Runs the tasks in `jobs` processes, calling `tick` after each. The first failure cancels
    those not begun, and is raised.
    """
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            task()
            tick()
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by the processes to come
    spawn = multiprocessing.get_context("spawn")
    how = {"mp_context": spawn, "initializer": _begin, "initargs": (language(),)}
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), **how)
    try:
        with _without_ctrl_c():
            futures = [pool.submit(task) for task in tasks]
        for done in as_completed(futures):
            done.result()
            tick()
    except BrokenProcessPool:
        raise TutorialError(
            "a process ended abruptly, perhaps for want of memory: give the same command with"
            " --jobs 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes that start in here do not hear Ctrl-C while they import, when each would print a
    traceback; `_watch_parent` gives them their ears back.
    """
    if threading.current_thread() is not threading.main_thread():  # may not set signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(code: str) -> None:
    """First of all in a process: its errors speak the language of its parent."""
    use_language(code)
    _watch_parent()


def _watch_parent() -> None:
    """A process whose parent was killed must end too, else it would write beside the next start;
    Ctrl-C ends it silently.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
