"""Open JupyterLab on the first lesson: `make lab` calls this, conda users call it themselves.

Arguments are passed on to JupyterLab. The lessons are Chinese with LESSONS=zh or in a Chinese
locale, otherwise English.
"""

import os
import sys
from pathlib import Path

try:
    import zmq
    from ipykernel.ipkernel import IPythonKernel
    from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
    from jupyterlab.labapp import LabApp
except ImportError:
    sys.exit("JupyterLab is not installed: run `python -m pip install 'tutorial-lib[lab]'`.")

from course.lessons import folder_of_lessons, speak
from tutorial_files.language import say
from tutorial_lib.process import prepare

HERE = Path(__file__).resolve().parent


ROOT = folder_of_lessons() or Path.cwd()


class Contents(AsyncLargeFileManager):
    """The files of the server. A notebook names the Python that is here as soon as it is read: else
    JupyterLab writes it down when the kernel starts, and counts the notebook as changed.
    """

    async def get(self, *where, **how):
        model = await super().get(*where, **how)
        if model["type"] == "notebook" and model["content"]:
            model["content"]["metadata"]["language_info"] = dict(IPythonKernel.language_info)
        return model


def first_lesson(root: Path, lang: str) -> str | None:
    """Path of the first lesson below `root`, or None if there is no notebook yet."""
    lessons = sorted((root / "notebooks" / lang).glob("[0-9][0-9]_*.ipynb"))
    return lessons[0].relative_to(root).as_posix() if lessons else None


def arguments(given: list[str], lesson: str | None, lang: str = "en") -> list[str]:
    """What JupyterLab is started with; whatever the user gives goes before our own choice. Beside
    Chinese lessons its menus are Chinese (locale zh_CN, by the language pack).
    """
    ours = {
        "--ServerApp.root_dir": str(ROOT),
        "--LabApp.default_url": f"/lab/tree/{lesson}" if lesson else "/lab",
        # tabs of the course come back, those of other projects stay away
        "--LabApp.workspaces_dir": str(ROOT / ".jupyter"),
        # Nothing asks the network: no news, no question whether news are wanted, no search for
        # updates or extensions.
        "--LabApp.app_settings_dir": str(
            HERE / ("lab_settings_zh" if lang == "zh" else "lab_settings")
        ),
        "--LabApp.extension_manager": "readonly",
        "--ServerApp.contents_manager_class": "course.lab.Contents",
        # The terminal keeps to the address: errors alone are worth a line more, and a kernel
        # complains unless it may encrypt.
        "--log-level": "ERROR",
        "--LabApp.log_level": "ERROR",
        "--KernelManager.transport_encryption": "auto" if zmq.has("curve") else "disabled",
    }
    names = {argument.split("=")[0] for argument in given}
    result = [f"{name}={value}" for name, value in ours.items() if name not in names]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in names:
        result.append("--allow-root")  # in a container everybody is root
    if (
        sys.platform == "linux"
        and not os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}
        and "--no-browser" not in names
    ):
        result.append("--no-browser")  # no screen: do not let a text browser take over the terminal
    return result + given


def main() -> None:
    if folder_of_lessons() is None:
        sys.exit(
            say(
                "There are no lessons in {folder}: go to the folder that holds `notebooks`, or"
                " unpack notebooks.zip of the release there.",
                folder=Path.cwd(),
            )
        )
    prepare()  # the kernels inherit it: in the lessons torch comes first
    lang = speak()  # new notebooks and terminals speak it too
    server = LabApp.initialize_server(argv=arguments(sys.argv[1:], first_lesson(ROOT, lang), lang))
    addresses = (
        [server.local_url]
        if server.ip in ("localhost", "127.0.0.1")
        else server.display_url.split()
    )
    print(
        say("JupyterLab runs at this address (Control-C twice stops it):"),
        *addresses,
        sep="\n",
        flush=True,
    )
    # Jupyter's own notice, which only comes for tokens that it made up itself, would say the same
    # again among other lines.
    server.identity_provider.token_generated = False
    server.start()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before JupyterLab's own handling of Control-C
        sys.exit(130)
