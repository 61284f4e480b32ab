"""JupyterHub for one class: the accounts that start.py has made, a JupyterLab for each, the lessons
in their home.
"""

import pwd
import subprocess
import sys
from pathlib import Path

sys.path[:0] = ["/srv/course"]
from deploy.hub.start import INSTRUCTOR, STATE, read_accounts  # noqa: E402
from tutorial_lib.process import MEMORY, THREADS  # noqa: E402

c = get_config()  # noqa: F821  (traitlets puts it here)

accounts = read_accounts(STATE)
c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.db_url = f"sqlite:///{STATE / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.JupyterHub.authenticator_class = "jupyterhub.auth.PAMAuthenticator"
c.PAMAuthenticator.open_sessions = False  # a container has no login sessions
c.Authenticator.allowed_users = {account.name for account in accounts}
c.Authenticator.admin_users = {one.name for one in accounts if one.role == INSTRUCTOR}

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.start_timeout, c.Spawner.http_timeout = 300, 120  # twenty may begin at once
c.Spawner.default_url = "/lab/tree/lessons"
c.Spawner.notebook_dir = "~"
c.Spawner.args = ["--LabApp.extension_manager=readonly"]
c.Spawner.environment = THREADS | {name: str(value) for name, value in MEMORY.items()}
c.Spawner.environment["OMP_NUM_THREADS"] = "1"  # twenty people share the cores


def own_lessons(spawner) -> None:
    """The lessons are copied into a home once; what a student writes there stays. As that user:
    root must not write where a student may have laid a link.
    """
    account = pwd.getpwnam(spawner.user.name)
    notebooks = Path("/srv/course/notebooks")
    subprocess.run(
        ["cp", "-r", "--no-clobber", notebooks / "en", notebooks / "zh", notebooks / "lessons.csv"]
        + [Path(account.pw_dir) / "lessons"],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
    )


c.Spawner.pre_spawn_hook = own_lessons
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]
