"""The Dockerfile of the service. It was not built where this was written: tests/test_publishing.py
lints it, and here what it copies, installs and starts is held to the repository.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "service.Dockerfile"


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", FILE.read_text()))
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def test_slim_not_root_and_with_a_health_check():
    assert all(re.match(r"python:3\.\d+-slim( AS \w+)?$", one) for one in of("FROM"))
    last = [name for name, _ in instructions()][::-1]
    assert last.index("USER") < last.index("FROM")  # in the stage that runs
    assert re.fullmatch(r"[1-9]\d*", of("USER")[-1])
    check = json.loads(re.search(r"CMD (\[.*\])", of("HEALTHCHECK")[0])[1])
    assert check[:2] == ["python", "-c"] and "/health" in check[2]
    compile(check[2], "health check", "exec")
    assert "pip install" in of("RUN")[1] and "--no-cache-dir" in of("RUN")[1]


def test_what_it_copies_exists_and_is_let_through():
    ignored = FILE.with_name("service.Dockerfile.dockerignore").read_text().split("\n")
    for sources in of("COPY"):
        if not sources.startswith("--from"):
            for source in sources.split()[:-1]:
                assert (ROOT / source).exists() and f"!{source}" in ignored, source


def test_what_it_installs_is_pinned_and_enough():
    """Every package that the service imports comes with those that are installed."""
    names = re.search(r"constraints\.txt (.+)", of("RUN")[1])[1].split()
    pins = {
        line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().split("\n")
    }
    assert {name.lower() for name in names} <= pins
    code = (
        "import sys, json\n"
        "import tutorial_lib.serving.__main__, tutorial_lib.serving.app, tutorial_lib.serving.watch\n"
        "import uvicorn, importlib.metadata as m\n"
        "owners = m.packages_distributions()\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        "print(json.dumps(sorted({one for top in tops for one in owners.get(top, [])})))\n"
        "print(json.dumps(sorted(tops)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    packages, tops = map(json.loads, run.stdout.splitlines())
    own = {top for top in tops if top.startswith("tutorial_")}
    assert "tutorial_lib" in own and all(f"{one} {one}" in of("COPY") for one in own)
    imported = {re.sub(r"[-_.]+", "-", one).lower() for one in packages}
    heavy = {"matplotlib", "jupyterlab", "ipykernel", "ipywidgets", "pytest", "playwright"}
    assert not imported & heavy
    assert {"torch", "numpy", "pandas", "fastapi", "uvicorn", "river"} <= imported
    direct = {
        "torch",
        "torchdiffeq",
        "numpy",
        "pandas",
        "tqdm",
        "fastapi",
        "uvicorn",
        "usearch",
        "river",
        "redis",
    }
    assert imported & direct <= set(names)


def test_what_it_starts_is_understood():
    command = json.loads(of("CMD")[-1])
    assert command[:3] == ["python", "-m", "tutorial_lib.serving"]
    from tutorial_lib.serving.__main__ import build_parser, default_run

    options = build_parser().parse_args(command[3:])
    assert options.host == "0.0.0.0" and str(options.port) in of("EXPOSE")[0]
    assert options.store.startswith(of("VOLUME")[0]) and callable(default_run)
    assert "default_run(Path('/app/runs'))" in of("RUN")[2] and str(options.out) == "/app/runs"
