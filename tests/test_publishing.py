"""What runs elsewhere: workflows, forms, containers, the class list of the hub. Nothing of it can be
run here; it is read by the linters that know the formats, and held against the project's own files.
"""

import json
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from deploy.hub.start import (
    FIRST_UID,
    Account,
    ClassError,
    enrol,
    read_accounts,
    read_class,
    write_accounts,
)

ROOT = Path(__file__).resolve().parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(
    set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
DOCKERFILES = [
    ROOT / "course/assignments/Dockerfile",
    *sorted((ROOT / "deploy").glob("*Dockerfile")),
]
HAN = re.compile("[\u4e00-\u9fff]")


def lint(program: str, *arguments: str | Path) -> None:
    """The linter's complaints fail the test; without the linter it is skipped."""
    here = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if here is None:
        pytest.skip(f"{program} is not installed (.ci/run installs it where it can)")
    run = subprocess.run([here, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def workflow(name: str) -> dict:
    """A workflow; YAML reads its key `on` as true."""
    return yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))


def steps(name: str) -> list[dict]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


class TestWorkflows:
    def test_actionlint_finds_nothing(self):
        lint("actionlint", *WORKFLOWS)

    def test_they_follow_the_schema(self):
        lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
        dependabot = GITHUB / "dependabot.yml"
        lint("check-jsonschema", "--builtin-schema", "vendor.dependabot", dependabot)

    def test_what_is_done_stands_in_ci_run(self):
        """A workflow calls parts of .ci/run, which exist, and installs and tests nothing itself."""
        parts = set(re.findall(r"^  ([a-z-]+)\)", (ROOT / ".ci/run").read_text("utf-8"), re.M))
        for path in WORKFLOWS:
            lines = [step["run"] for step in steps(path.stem) if "run" in step]
            called = [line.split()[1:] for line in lines if line.startswith(".ci/run")]
            assert called and {part for words in called for part in words} <= parts, path.name
            assert not [line for line in lines if re.search(r"pip install|pytest|make ", line)]

    def test_the_matrix_is_what_the_package_promises(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        matrix = workflow("test")["jobs"]["unit"]["strategy"]["matrix"]
        assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
        assert project["requires-python"] == f">={matrix['python'][0]}"
        systems = {*matrix["os"], *(one["os"] for one in matrix["include"])}
        assert systems == {"ubuntu-latest", "macos-latest", "windows-latest"}

    def test_the_weekly_run_drops_the_pins(self):
        weekly = workflow("weekly")
        assert weekly["env"]["PINS"] == "" and "schedule" in weekly[True]
        assert "PINS     ?= " in (ROOT / "Makefile").read_text("utf-8")

    def test_a_release_carries_everything(self):
        (publish,) = (s["run"] for s in steps("release") if "gh release" in s.get("run", ""))
        assert all(kind in publish for kind in ("dist/*", "*.pdf", "*.epub", "--verify-tag"))

    def test_only_what_publishes_may_write(self):
        for path in WORKFLOWS:
            may = {k for k, v in workflow(path.stem)["permissions"].items() if v == "write"}
            assert may == {"site": {"pages", "id-token"}, "release": {"contents"}}.get(
                path.stem, set()
            )


class TestForms:
    def test_they_follow_the_schema(self):
        schema = ("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms")
        lint(*schema, *FORMS)

    @pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
    def test_every_line_speaks_both_languages(self, path):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        labels = [block["attributes"]["label"] for block in form["body"]]
        for text in (form["name"], form["description"], *labels):
            english, dot, chinese = text.partition(" · ")
            assert dot and not HAN.search(english) and HAN.search(chinese), text


class TestContainers:
    def test_hadolint_finds_nothing(self):
        lint("hadolint", *DOCKERFILES)

    def test_compose_follows_the_schema(self):
        compose = sorted((ROOT / "deploy").glob("*compose*.yaml"))
        lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *compose)

    def test_what_is_copied_and_started_exists(self):
        text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.M):
            assert all((ROOT / name).exists() for name in line.split()), line
        for name in re.findall(r"(?:deploy|course)/[\w/]+\.(?:py|txt)", text):
            assert (ROOT / name).is_file(), name
        compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
        hub = compose["services"]["hub"]
        assert f"AS {hub['build']['target']}\n" in text
        assert (ROOT / "deploy" / hub["build"]["context"] / hub["build"]["dockerfile"]).is_file()
        assert hub["ports"] == ["${HUB_PORT:-127.0.0.1:8000}:8000"], "only this machine by default"

    def test_the_learner_is_not_root_and_has_a_token(self):
        text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
        stage = text.split("AS learner\n")[1].split("\nFROM ")[0]
        assert "\nUSER 1000\n" in stage and "token=" not in stage.lower()

    def test_the_editor_opens_the_same_container(self):
        text = (ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
        held = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
        folder = ROOT / ".devcontainer"
        dockerfile = (folder / held["build"]["dockerfile"]).resolve()
        assert dockerfile == ROOT / "deploy" / "Dockerfile"
        stages = re.findall(r"^FROM \S+ AS (\w+)$", dockerfile.read_text("utf-8"), re.M)
        assert held["build"]["target"] in stages
        for name in held["customizations"]["codespaces"]["openFiles"]:
            assert (ROOT / name).is_file()

    def test_secrets_and_work_stay_out_of_an_image(self):
        held = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
        assert {".git", ".venv", "classroom", "runs", "data/downloads"} <= set(held)


def test_binder_installs_what_the_package_and_the_lab_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    other = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}
    environment = yaml.safe_load((ROOT / ".binder/environment.yml").read_text(encoding="utf-8"))
    (python,) = (line for line in environment["dependencies"] if line.startswith("python="))
    ranges = set(environment["dependencies"]) - {python, "pip"}
    found = set()
    for text in wanted:
        need = Requirement(text)
        found.add(f"{other.get(need.name, need.name)}{need.specifier}")
    assert ranges == found
    script = ROOT / ".binder" / "postBuild"
    assert script.stat().st_mode & stat.S_IXUSR and "--no-deps" in script.read_text("utf-8")


class TestClassOfTheHub:
    def write(self, folder: Path, text: str) -> Path:
        path = folder / "class.csv"
        path.write_text(text, encoding="utf-8")
        return path

    def test_the_example_is_a_class(self):
        roles = read_class(ROOT / "deploy" / "hub" / "class.csv")
        assert list(roles.values()).count("instructor") == 1 and len(roles) > 2

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("name,role\nAda,student\n", "line 2: 'Ada' is no user name"),
            ("name,role\nada b,student\n", "is no user name"),
            ("name,role\nroot:x,student\n", "is no user name"),
            ("name,role\nada,boss\n", "'boss' is no role"),
            ("name,role\nada,student\nada,instructor\n", "'ada' twice"),
            ("name,role\nada,student\n", "exactly one instructor"),
            ("name,role\nada,instructor\nbo,instructor\n", "exactly one instructor"),
            ("who,role\nada,student\n", "needs the columns name and role"),
        ],
    )
    def test_a_mistake_is_one_sentence(self, tmp_path, text, said):
        with pytest.raises(ClassError, match=said):
            read_class(self.write(tmp_path, text))

    def test_accounts_outlive_the_container(self, tmp_path):
        first = enrol({"teacher": "instructor", "ada": "student"}, [], owner=1000)
        assert [one.uid for one in first] == [1000, FIRST_UID]
        assert len({one.password for one in first}) == 2
        assert all(len(one.password) >= 12 for one in first)
        write_accounts(first, tmp_path)
        assert (tmp_path / "accounts.csv").stat().st_mode & 0o077 == 0
        later = {"bo": "student", "teacher": "instructor", "ada": "student"}
        second = {one.name: one for one in enrol(later, read_accounts(tmp_path), owner=1000)}
        assert second["ada"] == first[1] and second["teacher"] == first[0]
        assert second["bo"].uid == FIRST_UID + 1

    def test_who_leaves_and_comes_back_has_the_same_files(self, tmp_path):
        everybody = {"teacher": "instructor", "ada": "student", "bo": "student"}
        first = enrol(everybody, [], owner=0)
        write_accounts(first, tmp_path)
        without = enrol({"teacher": "instructor", "bo": "student"}, read_accounts(tmp_path), 0)
        write_accounts(without, tmp_path)
        new = enrol(everybody | {"cy": "student"}, read_accounts(tmp_path), owner=0)
        assert new[:3] == first, "ada's number was not given away"
        assert len({one.uid for one in new}) == 4

    def test_no_two_people_share_a_number(self):
        known = [Account("ada", "student", FIRST_UID, "x")]
        with pytest.raises(ClassError, match=f"number {FIRST_UID}"):
            enrol({"ada": "student", "teacher": "instructor"}, known, owner=FIRST_UID)
