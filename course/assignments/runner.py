"""Inside the sandbox: runs the cells of one submission, and hands its answers to the grader as data.

    python runner.py FOLDER    talks over standard input and output; FOLDER is searched for modules

It knows no checker, no points and no solution.
"""

import os
import sys


def main() -> None:
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [here, sys.argv[1], *(p for p in sys.path if p not in ("", here, os.getcwd()))]

    import torch
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from wire import Gone, Peer

    torch.set_num_threads(1)
    # a shell without a history file; its own folder is not searched for modules
    InteractiveShell.history_manager_class = None
    shell = InteractiveShell.instance()
    shell.colors = "nocolor"
    shell.ask_exit = lambda: os._exit(0)
    peer = Peer(reader, writer, trusting=True)

    def run(source: str) -> list[dict]:
        with capture_output() as got:
            done = shell.run_cell(source, store_history=False)
        outputs = [
            {"output_type": "stream", "name": name, "text": text[:100_000]}
            for name, text in (("stdout", got.stdout), ("stderr", got.stderr))
            if text
        ]
        for shown in got.outputs:
            text = shown.data.get("text/plain", "")
            outputs.append(
                {"output_type": "stream", "name": "stdout", "text": text[:100_000] + "\n"}
            )
        error = done.error_before_exec or done.error_in_exec
        if error is not None:
            if isinstance(error, SystemExit):
                os._exit(0)
            words = f"{type(error).__name__}: {error}"[:10_000]
            outputs.append(
                {"output_type": "error", "ename": type(error).__name__, "evalue": str(error)[:10_000],
                 "traceback": [words]}
            )  # fmt: skip
        return outputs

    while True:
        try:
            op, values = peer._receive()
        except Gone:
            return
        if op == "run":
            peer._send("reply", {"outputs": run(values["source"])})
        elif op == "fetch":
            known = values["name"] in shell.user_ns
            peer._send("reply", {"known": known, "value": shell.user_ns.get(values["name"])})
        elif op == "forget":
            shell.user_ns.pop(values["name"], None)
            peer._send("reply", {})
        else:
            peer.serve(op, values)


if __name__ == "__main__":
    main()
