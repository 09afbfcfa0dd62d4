"""Runs another tool's command on many paths in one process, with the interpreter that has it; needs nothing of ours.

    PYTHON rival_worker.py MODULE SECONDS ARGUMENT…     paths on stdin, one a line; one JSON object a line on stdout

Each object is {"out", "error"}: what the command printed, and why it stopped short ("" when it did not). A command that
takes more than SECONDS of processor time is stopped.
"""

import contextlib
import importlib
import io
import json
import signal
import sys


class TooSlow(BaseException):
    """Not an Exception: the tools catch those."""


def stop(*_):
    raise TooSlow


def main():
    del sys.path[0]  # this folder: its files must not pass for the tool's modules
    module, seconds, arguments = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    command = importlib.import_module(module).main
    signal.signal(signal.SIGVTALRM, stop)
    for path in sys.stdin.read().splitlines():
        out, err, error = io.StringIO(), io.StringIO(), ""
        sys.argv = [module, *arguments, path]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
                command()
        except SystemExit as stopped:
            # The usual way for a command to end; a string is its last word.
            error = stopped.code if isinstance(stopped.code, str) else ""
        except TooSlow:
            error = f"no answer in {seconds:g} s of processor time"
        except Exception as failure:  # noqa: BLE001 (any failure of the other tool is its answer to that run)
            error = repr(failure)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        print(json.dumps({"out": out.getvalue(), "error": error or err.getvalue().strip()[-300:]}), flush=True)


if __name__ == "__main__":
    main()
