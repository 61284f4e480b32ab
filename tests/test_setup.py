"""The front door: commands, packaging and front pages say the same thing, and nothing of one
machine has got into them.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
READMES = ("README.md", "README.zh-CN.md")
TWINS = tuple(  # pages in both languages
    (f"{page}.md", f"{page}.zh-CN.md")
    for page in (
        "README",
        "docs/install",
        "docs/real-data",
        "docs/large-data",
        "deploy/README",
        "CONTRIBUTING",
    )
)
PAGES = tuple(page for twins in TWINS for page in twins)
NO_MAKE = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def pins() -> dict[str, Requirement]:
    lines = [
        line.split("#")[0].strip()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    ]
    found = [Requirement(line) for line in lines if line]
    assert len({canonicalize_name(pin.name) for pin in found}) == len(found), (
        "constraints.txt pins a package twice"
    )
    return {canonicalize_name(pin.name): pin for pin in found}


def ranges() -> list[Requirement]:
    texts = [
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    ]
    found = [Requirement(text) for text in texts]
    return [wanted for wanted in found if wanted.name != PROJECT["name"]]  # one extra names another


def make(*arguments: str, **environment: str) -> str:
    """Output of make, which must succeed; independent of a make that runs these tests."""
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", **environment}
    run = subprocess.run(["make", *arguments], cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def targets() -> set[str]:
    return set(
        re.findall(
            r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
    )


def tracked_texts() -> dict[str, str]:
    """What git knows or would know, as far as it is text."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    texts = {}
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file():
            data = (ROOT / name).read_bytes()
            if b"\0" not in data[:8000] and not name.endswith(".gz"):
                texts[name] = data.decode("utf-8")
    return texts


def test_every_pin_is_one_exact_public_version():
    for pin in pins().values():
        (specifier,) = pin.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, pin
        assert Version(specifier.version).local is None, (
            f"{pin}: cut off the local version, it exists on one system only"
        )
        assert pin.url is None and not pin.extras and pin.marker is None, pin


def test_every_direct_dependency_is_pinned_within_its_range():
    pinned = pins()
    for wanted in ranges():
        (specifier,) = pinned[canonicalize_name(wanted.name)].specifier
        assert wanted.specifier.contains(specifier.version), (
            f"{wanted} does not allow the pinned {specifier.version}"
        )
        assert wanted.specifier, f"{wanted.name} has no lower bound in pyproject.toml"


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info[:2] != (3, 11),
    reason="the pins are those of Linux, Python 3.11",
)
def test_the_pins_are_the_complete_closure_and_nothing_else():
    present = {canonicalize_name(item.name) for item in metadata.distributions()}
    here = [wanted for wanted in ranges() if canonicalize_name(wanted.name) in present]
    seen, todo = set(), [*here]
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        for text in metadata.requires(wanted.name) or []:
            need = Requirement(text)
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)
            ):
                todo.append(need)
    assert {name for name, _ in seen} <= set(pins())
    left_out = {canonicalize_name(wanted.name) for wanted in ranges() if wanted not in here}
    assert left_out <= {
        canonicalize_name(Requirement(text).name)
        for extra in PROJECT["optional-dependencies"].keys() - {"lab", "dev"}
        for text in PROJECT["optional-dependencies"][extra]
    }
    if not left_out:  # the pins of an extra that is not installed here cannot be traced
        assert {name for name, _ in seen} == set(pins())


def test_conda_environment_installs_the_same_thing():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = (entry for entry in environment["dependencies"] if str(entry).startswith("python="))
    version = python.partition("=")[2]
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{version}.0")
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert "pip" in environment["dependencies"] and pip == ["-c constraints.txt", "-e .[lab,dev]"]
    assert (
        "pip install" in (text := (ROOT / "Makefile").read_text(encoding="utf-8"))
        and "PINS     ?= -c constraints.txt\n" in text
        and "$(PINS) -e '.[lab,dev]'" in text
    )
    for name in ("docs/install.md", "docs/install.zh-CN.md"):
        assert f"conda activate {environment['name']}\n" in (ROOT / name).read_text(
            encoding="utf-8"
        )


def test_citation_names_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert "version" in PROJECT["dynamic"], "the number stands in tutorial_lib/__init__.py"
    version = __import__("tutorial_lib").__version__
    assert str(citation["version"]) == version
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


@pytest.mark.parametrize("name", PAGES)
def test_links_of_the_front_pages_lead_to_files_and_headings(name):
    page = ROOT / name
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http://", "https://"))]
    assert local
    for link in local:
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_file(), link
        if heading:
            assert heading in headings(target), link


def headings(page: Path) -> set[str]:
    """The anchors that the headings of a page have on GitHub."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def test_the_readme_fits_on_two_screens():
    """The rest stands on the pages that it points to."""
    for name in READMES:
        text = (ROOT / name).read_text(encoding="utf-8")
        before, _, rest = text.partition("<!-- lessons:begin -->")
        lines = [*before.splitlines(), *rest.partition("<!-- lessons:end -->")[2].splitlines()]
        assert len(lines) <= 75 and "docs/install" in before


def test_a_published_course_says_where_its_book_is():
    links = tomllib.loads((ROOT / "site" / "links.toml").read_text(encoding="utf-8"))
    if not links["owner"]:
        pytest.skip("site/links.toml names no owner yet")
    address = f"https://{links['owner'].lower()}.github.io/{links['repository']}/"
    for name, language in zip(READMES, ("en", "zh"), strict=True):
        assert f"{address}{language}/" in (ROOT / name).read_text(encoding="utf-8"), (
            f"{name} lacks the address of the book, {address}{language}/: put it beside `make site`"
        )


def commands(name: str) -> tuple[list[str], set[str]]:
    """Lines of the code blocks without their comments; make commands and variables in the text."""
    text = (ROOT / name).read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    blocks = [block for kind, block in fenced if not kind]
    lines = [line.split("  #")[0].rstrip() for block in blocks for line in block.splitlines()]
    return lines, {
        span
        for span in re.findall(r"`([^`\n]+)`", text)
        if re.search(r"^make\b|^\.venv/|[A-Z]{4}", span)
    }


@pytest.mark.parametrize(("english", "chinese"), TWINS)
def test_both_languages_name_the_same_commands(english, chinese):
    en, zh = commands(english), commands(chinese)
    assert en[0], english

    def plain(lines: list[str]) -> list[str]:
        """Without comments, which are translated."""
        return [re.sub(r"\s+# .*", "", line) for line in lines]

    assert plain(en[0]) == plain(zh[0]) and en[1] == zh[1]


def test_make_commands_of_the_pages_exist():
    lines, _ = commands("README.md")
    assert {"make lab", "make site"} <= set(lines)
    for name in PAGES:
        lines, spans = commands(name)
        named = {
            word for text in (*lines, *spans) for word in re.findall(r"\bmake ([a-z][a-z-]*)", text)
        }
        assert named <= targets(), name


def python_commands() -> list[str]:
    """What the pages run with `python -m MODULE` or `continuous-time`, each once."""
    found = []
    for name in PAGES:
        if "CONTRIBUTING" in name:  # tests/course/test_walks.py runs the commands there
            continue
        lines, spans = commands(name)
        for text in (*lines, *spans):
            if match := re.search(
                r"(?:python -m |^)(tutorial_lib\S*|course\S*|continuous-time) (.+)", text
            ):
                found.append(f"{match[1]} {match[2]}")
    return sorted(set(found))


@pytest.mark.parametrize("command", python_commands())
def test_python_commands_of_the_pages_know_their_words(command):
    """Its help names every option; a subcommand that does not exist would have no help."""
    module, *words = command.split()
    module = "course" if module == "continuous-time" else module
    place = next((n for n, word in enumerate(words) if word.startswith("-")), len(words))
    verbs = [word for word in words[:place] if re.fullmatch(r"[a-z]+", word)]
    run = subprocess.run(
        [sys.executable, "-m", module, *verbs, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert all(word in run.stdout for word in words if word.startswith("--")), run.stdout


def test_docker_commands_of_the_pages_name_files_and_services():
    for name in PAGES:
        for line in commands(name)[0]:
            if line.startswith("docker"):
                for file in re.findall(r"-f (\S+)", line):
                    assert (ROOT / file).is_file(), line
                if "compose" in line:
                    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
                    assert set(re.findall(r"(?:exec|restart) (\w+)", line)) <= set(
                        services["services"]
                    )


def test_the_pages_name_the_wheel_of_this_version():
    version = __import__("tutorial_lib").__version__
    for name in ("docs/install.md", "docs/install.zh-CN.md"):
        wheels = re.findall(r"tutorial_lib-(\S+?)-py3", (ROOT / name).read_text(encoding="utf-8"))
        assert wheels and set(wheels) == {version}


def test_the_picture_is_there_and_small():
    assert 10_000 < (ROOT / "notebooks" / "figures" / "overview.png").stat().st_size < 150_000


@NO_MAKE
def test_help_lists_every_target():
    listed = set(re.findall(r"^make ([a-z-]+) +\S", make("help"), re.MULTILINE))
    assert {
        "lab",
        "test",
        "build",
        "check",
        "bench",
        "experiments",
        "real-data",
        "help",
    } <= targets()
    assert listed == targets()


@NO_MAKE
@pytest.mark.parametrize(
    "target",
    [
        "lab",
        "test",
        "build",
        "check",
        "bench",
        "serve",
        "experiments",
        "real-data",
        "lab-smoke",
        "clean",
    ],
)
def test_dry_run_of_every_target_works(target):
    script = make("--no-print-directory", "-n", target)
    assert re.search(
        rf"notebooks/|tests/|tutorial_lib|{'rm -rf' if target == 'clean' else 'python'}", script
    )
    for file in re.findall(r"\.venv/bin/python (\S+\.py)", script):
        assert (ROOT / file).is_file(), f"make {target} runs {file}, which does not exist"


@NO_MAKE
def test_an_old_python_is_refused_in_one_sentence_before_anything_is_made(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python-of-2020"
    old.write_text('#!/bin/sh\ntest "$1" = --version && echo Python 3.9.6\n')
    old.chmod(0o755)
    run = subprocess.run(
        ["make", "lab", f"PYTHON={old}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert run.returncode != 0
    assert "needs Python 3.11 or newer" in run.stderr and "Python 3.9.6" in run.stderr
    assert not (tmp_path / ".venv").exists()


@NO_MAKE
def test_an_installation_that_fails_leaves_no_stamp_and_is_mended(tmp_path):
    """A stand-in for Python makes an environment whose pip fails, then one whose pip works."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    fake = tmp_path / "fake-python"
    fake.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo made >> log;;\n'
        "  *pip\\ install*) test -e network && echo installed >> log;;\n"
        "esac\n"
    )
    fake.chmod(0o755)

    def setup() -> tuple[subprocess.CompletedProcess, list[str]]:
        run = subprocess.run(
            ["make", "setup", f"PYTHON={fake}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin"},
        )
        return run, (tmp_path / "log").read_text().split()

    def stamps() -> list[Path]:
        return list((tmp_path / ".venv").glob(".installed-*"))

    run, log = setup()
    assert (
        run.returncode != 0
        and "installation failed" in run.stderr
        and log == ["made"]
        and stamps() == []
    )
    (tmp_path / "network").touch()
    run, log = setup()
    assert run.returncode == 0 and log == ["made", "made", "installed"] and len(stamps()) == 1, (
        "a half-made .venv is made anew"
    )
    run, log = setup()
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "") and len(log) == 3, (
        "the second time is silent and does nothing"
    )
    (tmp_path / "constraints.txt").write_text("# another set of versions\n")
    (tmp_path / "network").unlink()
    run, log = setup()
    assert run.returncode != 0 and len(log) == 3, (
        "new pins are installed, and a failure is not forgotten"
    )
    (tmp_path / "network").touch()
    run, log = setup()
    assert run.returncode == 0 and log[3:] == ["installed"] and len(stamps()) == 1, (
        "a working .venv is kept and updated"
    )


def test_nothing_of_one_machine_in_the_repository():
    """No host of a package registry (the reader's pip knows where to look) and no absolute path of
    a home or a workplace.
    """
    hosts = r"py[p]i\.org|pythonhoste[d]\.org|download\.pytorc[h]\.org|registry\.npmj[s]|conda\.anacond[a]\.org"
    paths = r"(?<![\w.~])/(?:home|Users|root|work|opt)/\w+|\.\./share[d]"
    found = []
    for name, text in tracked_texts().items():
        # the one file that may know its surroundings
        forbidden = f"{hosts}|{paths}" if name != ".ci/run" else hosts
        # planted faults, an absolute path among them
        if not name.startswith("tests/course/build_fixtures/"):
            found += [f"{name}: {hit.group()}" for hit in re.finditer(forbidden, text)]
    assert found == []
