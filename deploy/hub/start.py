"""Starts the hub of a class: makes an account for each line of class.csv, then becomes JupyterHub.

class.csv (name,role; exactly one instructor) is the teacher's. Numbers and first passwords of the
accounts are kept in state/accounts.csv, so that they outlive the container; a line that is added
later gets the next number. Environment: HUB_LANGUAGE, en or zh, the course that Formgrader opens.
"""

from __future__ import annotations

import csv
import os
import re
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

CLASS = Path("/srv/hub/class.csv")
STATE = Path("/srv/hub/state")
EXCHANGE = Path("/srv/nbgrader/exchange")
COURSE = Path("/srv/course")
HOMES = Path("/home")
INSTRUCTOR, STUDENT = "instructor", "student"
FIRST_UID = 20000
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
PAGES = ("formgrader", "create-assignment", "course-list")  # of nbgrader, for the instructor only


class ClassError(Exception):
    """Something in class.csv that the teacher can mend."""


@dataclass(frozen=True)
class Account:
    """A line of accounts.csv."""

    name: str
    role: str
    uid: int
    password: str


def read_class(path: Path) -> dict[str, str]:
    """Name -> role of everybody in the class; ClassError in one sentence."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(row["name"].strip(), row["role"].strip()) for row in csv.DictReader(file)]
    except (OSError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise ClassError(
            f"{path.name} cannot be read ({error!r}): it needs the columns name and role"
        ) from None
    for line, (name, role) in enumerate(rows, start=2):
        if not NAME.fullmatch(name):
            raise ClassError(
                f"{path.name}, line {line}: {name!r} is no user name; use small letters a-z,"
                " digits, - and _, a letter first, at most 31"
            )
        if role not in (INSTRUCTOR, STUDENT):
            raise ClassError(
                f"{path.name}, line {line}: {role!r} is no role; write {INSTRUCTOR} or {STUDENT}"
            )
    names = [name for name, _ in rows]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ClassError(
            f"{path.name} has {doubled[0]!r} twice; give everybody a name of their own"
        )
    if [role for _, role in rows].count(INSTRUCTOR) != 1:
        raise ClassError(f"{path.name} needs exactly one {INSTRUCTOR}, who owns the course folder")
    return dict(rows)


def read_accounts(state: Path) -> list[Account]:
    """The accounts that an earlier start has made."""
    path = state / "accounts.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [Account(**row | {"uid": int(row["uid"])}) for row in csv.DictReader(file)]


def enrol(wanted: dict[str, str], known: list[Account], owner: int) -> list[Account]:
    """The accounts of the class: known ones keep number and password, new ones get them. The
    instructor has the number `owner`, to whom the course folder belongs outside the container.
    """
    held = {account.name: account for account in known}
    free = max([FIRST_UID - 1, *(one.uid for one in known if one.uid >= FIRST_UID)]) + 1
    accounts = []
    for name, role in wanted.items():
        old = held.get(name)
        uid = owner if role == INSTRUCTOR and owner else old.uid if old else free
        if uid in {account.uid for account in accounts}:
            raise ClassError(f"the course folder belongs to number {uid}, which a student has here")
        free += uid == free
        accounts.append(Account(name, role, uid, old.password if old else secrets.token_urlsafe(9)))
    return accounts


def write_accounts(accounts: list[Account], state: Path) -> None:
    """Whole or not at all, for root's eyes only; those who left keep their line for their files."""
    everybody = {one.name: one for one in [*read_accounts(state), *accounts]}
    part = state / ".accounts.part"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Account)])
        table.writeheader()
        table.writerows(map(asdict, everybody.values()))
    part.replace(state / "accounts.csv")


def run_as(account: Account, *command: str) -> None:
    """Root itself does nothing in a home, where a student may have laid a link."""
    home = {"HOME": str(HOMES / account.name)}
    identity = {"user": account.uid, "group": account.name, "extra_groups": []}
    subprocess.run(command, env=os.environ | home, cwd="/", check=True, **identity)


def make(account: Account) -> None:
    """A user of the system with a home that only they can read."""
    home = HOMES / account.name
    if subprocess.run(["id", account.name], capture_output=True).returncode:
        number = ["--uid", str(account.uid), "--user-group", "--shell", "/bin/bash"]
        place = ["--create-home", "--home-dir", str(home)]
        subprocess.run(["useradd", *number, *place, account.name], check=True)
    line = f"{account.name}:{account.password}\n"
    subprocess.run(["chpasswd"], input=line, text=True, check=True)
    home.chmod(0o700)
    run_as(account, "mkdir", "-p", str(home / ".jupyter"), str(home / "lessons"))


def equip(instructor: Account, language: str) -> None:
    """The pages for marking, and the course folder that they open."""
    course = COURSE / "classroom" / language
    settings = (
        f'load_subconfig("nbgrader_config.py", path={str(course)!r})\n'
        f"c.CourseDirectory.root = {str(course)!r}\n"
        if (course / "nbgrader_config.py").exists()
        else "# `make assignments` has not made the course folder yet\n"
    )
    path = HOMES / instructor.name / ".jupyter" / "nbgrader_config.py"
    write = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    run_as(instructor, sys.executable, "-c", write, str(path), settings)
    for page in PAGES:
        enable = ["jupyter", "labextension", "enable", "--level=user", f"@jupyter/nbgrader:{page}"]
        run_as(instructor, *enable)


def main() -> None:
    language = os.environ.get("HUB_LANGUAGE", "en")
    try:
        if language not in ("en", "zh"):
            raise ClassError(f"HUB_LANGUAGE is {language!r}: set en or zh")
        wanted = read_class(CLASS)
    except ClassError as error:
        sys.exit(str(error))
    classroom = COURSE / "classroom"
    owner = classroom.stat().st_uid if classroom.exists() else 0
    for folder in (STATE, EXCHANGE):
        folder.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o700)
    if classroom.exists():
        classroom.chmod(0o700)  # solutions, submissions and marks are the instructor's alone
    EXCHANGE.chmod(0o777)  # as nbgrader demands: everybody hands in here
    try:
        accounts = enrol(wanted, read_accounts(STATE), owner)
    except ClassError as error:
        sys.exit(str(error))
    write_accounts(accounts, STATE)
    for account in accounts:
        make(account)
        if account.role == INSTRUCTOR:
            equip(account, language)
    print(
        f"{len(accounts)} accounts; their first passwords are in {STATE / 'accounts.csv'}",
        flush=True,
    )
    os.chdir(STATE)
    config = COURSE / "deploy" / "hub" / "jupyterhub_config.py"
    os.execvp("jupyterhub", ["jupyterhub", "--config", str(config)])


if __name__ == "__main__":
    main()
