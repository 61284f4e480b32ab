"""Command line of the service: `python -m tutorial_lib.serving --help`."""

from tutorial_lib.process import prepare

prepare()  # before torch is imported

import argparse
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from tutorial_files.commands import Parser
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.settings import add_arguments
from tutorial_lib.experiments.training import execute, finished
from tutorial_lib.knobs import check, knob
from tutorial_lib.language import say
from tutorial_lib.serving.export import WAYS
from tutorial_lib.serving.store import Event, Store
from tutorial_lib.serving.stores import open_store
from tutorial_lib.serving.versions import Version, labels, load_version
from tutorial_lib.train import TrainConfig

# A DeepM3 that is asked for the query time, trained on the sample in seconds.
DEFAULT = Run(
    "deepm3",
    "sample",
    dim=32,
    options={"flow": "attractor", "query_time": True},
    config=TrainConfig(epochs=4, learning_rate=5e-3, batch_size=64),
)


@dataclass(frozen=True)
class Serve:
    """What is served, and where."""

    run: Path | None = knob(
        None, "folder of a finished run; none: a small DeepM3, trained on the sample if need be"
    )
    out: Path = knob(Path("runs"), "where the small DeepM3 is, or will be")
    host: str = knob("127.0.0.1", "address to listen at; others than this machine: 0.0.0.0")
    port: int = knob(8000, "port to listen at; 0: any that is free", least=0, below=65536)
    store: str | None = knob(
        None, "events: a file for SQLite, :memory:, or redis://HOST:PORT/0; none: RUN/events.sqlite"
    )
    full_pass: str = knob(
        "exported", "how a model that is no stream reads its window", choices=WAYS
    )
    search: str = knob("exact", "every item, or an index", choices=("exact", "index"))
    threads: int = knob(1, "of torch", least=1)

    def __post_init__(self):
        check(self)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tutorial_lib.serving",
        description=say(
            "Serves a finished run: events in, recommendations out, over HTTP. The page at /"
            " shows it, /docs names all requests, Control-C ends it."
        ),
    )
    add_arguments(parser, Serve, say("options"))
    return parser


def default_run(out: Path) -> Path:
    """The folder of the small DeepM3, trained now if it is not there."""
    folder = out / DEFAULT.name
    if not finished(folder):
        print(say("training a small DeepM3 on the sample ..."), flush=True)
        execute(DEFAULT, out, device="cpu")
    return folder


def first_events(store: Store, version: Version, dataset) -> None:
    """An empty store begins with the histories of the data set."""
    if next(iter(store.load()), None) is not None:
        return
    table = dataset.events
    columns = (
        dataset.user_ids[table["user"]].astype(str).tolist(),
        dataset.item_ids[table["item"] - 1].astype(str).tolist(),
        table["timestamp"].tolist(),
    )
    rows = enumerate(zip(*columns, strict=True))
    store.append([Event(f"{dataset.name}:{row}", *event) for row, event in rows], 0.0)


def listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.socket(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(1024)  # who reads the address may connect at once
        return found
    except OSError as error:
        raise TutorialError(
            "cannot listen at {host}:{port} ({strerror}): choose another --port, such as"
            " --port {port2}, or --port 0",
            host=host,
            port=port,
            strerror=error.strerror,
            port2=(port or 8000) + 1,
        ) from None


def serve(options: Serve) -> None:
    try:
        import uvicorn

        from tutorial_lib.serving.app import create_app
        from tutorial_lib.serving.service import Service
    except ImportError as error:
        raise TutorialError(
            "{error} is not installed: the service needs packages of its own: pip install -e"
            " '.[serving]', or make serve",
            error=error.name,
        ) from None
    torch.set_num_threads(options.threads)
    folder = options.run or default_run(options.out)
    how = {"full_pass": options.full_pass, "search": options.search}
    version, dataset, _ = load_version(folder, **how)
    with listen(options.host, options.port) as found:
        store = open_store(options.store or str(folder / "events.sqlite"))
        first_events(store, version, dataset)
        service = Service(store, version, in_loop=True)
        siblings = folder.resolve().parent

        def load(run: str, name: str | None) -> Version:
            if Path(run).name != run:
                raise TutorialError(
                    "{run!r} is no name of a folder in {siblings}", run=run, siblings=siblings
                )
            return load_version(siblings / run, name, **how)[0]

        app = create_app(service, watcher(), labels=labels(dataset), load=load)
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        host, port = found.getsockname()[:2]
        print(
            say(
                "{version} answers at http://{host}:{port}/ (Control-C ends it)",
                version=version.name,
                host=host,
                port=port,
            ),
            flush=True,
        )
        try:
            uvicorn.Server(config).run(sockets=[found])
        finally:
            service.close()


def watcher():
    """The monitor of `serving.watch`."""
    from tutorial_lib.serving.watch import Monitor

    return Monitor()


def main(arguments: list[str] | None = None) -> int:
    try:
        serve(Serve(**vars(build_parser().parse_args(arguments))))
    except TutorialError as error:
        print(say("error: {error}", error=error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
