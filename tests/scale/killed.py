"""The command line of the experiments, in which process 1 is killed at the start of epoch 3, unless
torchrun has restarted it.
"""

import os
import signal
import sys

import tutorial_lib.train as loop
from tutorial_lib.experiments.__main__ import main

original = loop.train_epoch


def train_epoch(model, data, config, optimizer, epoch, **how):
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if epoch == 3 and os.environ["RANK"] == "1" and first:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(model, data, config, optimizer, epoch, **how)


if __name__ == "__main__":
    loop.train_epoch = train_epoch
    sys.exit(main())
