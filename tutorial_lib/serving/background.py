"""A service in a process of its own that ends with the process that started it, however that ends.

    with Background("--run", run, "--store", ":memory:", "--port", "0") as service:
        service.get("/health")
Taught in lesson 21.
"""

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque

from tutorial_lib.errors import TutorialError
from tutorial_lib.language import say

ADDRESS = re.compile(r"(http://[\w.:\[\]-]+)/ ?[(（]Control-C")  # in either language
# The child reads its standard input until it is closed. The system closes it when the parent ends,
# killed or not, and then the child goes as well.
CHILD = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from tutorial_lib.serving.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


class Background:
    """`python -m tutorial_lib.serving` with these arguments; ready when it is made. `url` is its
    address, without a slash at the end.
    """

    def __init__(self, *arguments: str):
        command = [sys.executable, "-c", CHILD, *map(str, arguments)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        said: deque[str] = deque(maxlen=5)
        for line in self.process.stdout:
            said.append(line.strip())
            if address := ADDRESS.search(line):
                self.url = address[1]
                if self._answers():
                    # whatever it says later is thrown away, or it would wait for a reader
                    threading.Thread(
                        target=deque, args=(self.process.stdout, 0), daemon=True
                    ).start()
                    return
                break
        self.stop()
        raise TutorialError(
            "the service did not start: {said}", said=" ".join(said) or say("it said nothing")
        )

    def _answers(self, seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError):  # nobody listens yet
                self.get("/health")
                return True
            time.sleep(0.05)
        return False

    def get(self, path: str) -> dict:
        """The JSON at a path. Raises TutorialError with what the service says is wrong."""
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, content: object) -> dict:
        """Sends JSON; the answer's."""
        body, kind = json.dumps(content).encode(), {"content-type": "application/json"}
        return self._ask(urllib.request.Request(self.url + path, body, kind))

    def _ask(self, request: urllib.request.Request) -> dict:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            words = json.load(error).get("error", error.reason)
            raise TutorialError("{code}: {words}", code=error.code, words=words) from None

    def stop(self) -> None:
        """Ends it and waits for that."""
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
