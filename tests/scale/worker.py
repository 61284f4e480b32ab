"""A worker of a queue that writes a line for each run it begins; told so, it is killed in the
middle of its first one. Arguments: QUEUE, file of the lines, stale seconds, kill or stay.
"""

import os
import signal
import sys
from pathlib import Path

from tutorial_lib.experiments import queue
from tutorial_lib.experiments.stages.work import train_run


def main(folder: str, lines: str, stale: str, how: str) -> None:
    def train(run, runs: Path, device: str, on_look) -> None:
        with open(lines, "a") as file:
            file.write(f"{run.name} {os.getpid()}\n")

        def look(row: dict) -> None:
            on_look(row)
            if how == "kill" and row["epoch"] == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        train_run(run, runs, device, look)

    queue.work(queue.Queue(folder, stale=float(stale)), device="cpu", wait=True, train=train)


if __name__ == "__main__":
    main(*sys.argv[1:])
