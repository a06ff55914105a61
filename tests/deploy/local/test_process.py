"""One child process: readiness, last words, escalation, death with the parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deploy.local.errors import LocalServiceError
from deploy.local.process import ChildProcess, is_running, run
from deploy.local.tools import ROOT

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)"
)


def child(tmp_path: Path, code: str, **options: float) -> ChildProcess:
    return ChildProcess(
        "Sample",
        [sys.executable, "-c", code],
        log=tmp_path / "sample.log",
        stop_timeout=options.get("stop_timeout", 10),
    )


def gone(pid: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_death_before_readiness_reports_the_last_log_lines_on_one_line(tmp_path: Path) -> None:
    sample = child(tmp_path, "print('first'); print('second'); raise SystemExit(3)")
    sample.start()
    with pytest.raises(LocalServiceError) as caught:
        sample.wait_until(lambda: False, timeout=30)
    assert str(caught.value) == (
        f"Sample ended at once: first | second (log: {tmp_path / 'sample.log'})"
    )
    sample.kill()


def test_timeout_kills_the_child(tmp_path: Path) -> None:
    sample = child(tmp_path, "import time; print('busy', flush=True); time.sleep(60)")
    sample.start()
    sample.wait_until(lambda: "busy" in sample.output(), timeout=30)
    pid = sample.pid
    assert pid is not None
    with pytest.raises(LocalServiceError, match="was not ready after 0 s: busy"):
        sample.wait_until(lambda: False, timeout=0)
    assert sample.pid is None
    assert gone(pid)


def test_child_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    sample = child(tmp_path, STUBBORN, stop_timeout=0.2)
    sample.start()
    sample.wait_until(lambda: "deaf" in sample.output(), timeout=30)
    pid = sample.pid
    assert pid is not None
    sample.stop()
    assert gone(pid)


def test_restart_gives_a_new_process_and_only_its_output(tmp_path: Path) -> None:
    sample = child(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    sample.start()
    first = sample.pid
    sample.wait_until(lambda: str(first) in sample.output(), timeout=30)
    sample.restart()
    second = sample.pid
    assert second not in (None, first)
    sample.wait_until(lambda: sample.output() == f"{second}\n", timeout=30)
    sample.stop()


def test_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    sample = child(tmp_path, "import time; time.sleep(60)")
    thread = threading.Thread(target=sample.start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert sample.pid is not None
    sample.stop()


def test_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import time, pathlib\n"
        "from deploy.local.process import ChildProcess\n"
        f"log = pathlib.Path({str(tmp_path)!r}, 'log')\n"
        "c = ChildProcess('Sample', ['/bin/sleep', '60'], log=log)\n"
        "c.start()\n"
        "while pathlib.Path(f'/proc/{c.pid}/comm').read_text() != 'sleep\\n': time.sleep(.01)\n"
        "print(c.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


def test_missing_program_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match="/nowhere/tool cannot be run: No such file"):
        run("Tool", ["/nowhere/tool"], log=tmp_path / "log", timeout=30)


def test_program_that_fails_reports_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match=r"Tool failed \(exit 7\): because"):
        run(
            "Tool",
            [sys.executable, "-c", "print('because'); raise SystemExit(7)"],
            log=tmp_path / "log",
            timeout=30,
        )


def test_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    sample = child(tmp_path, "import time; time.sleep(60)")
    sample.start()
    assert sample.pid is not None
    assert os.getsid(sample.pid) == sample.pid
    assert sample.stop_signal is signal.SIGTERM
    sample.stop()
