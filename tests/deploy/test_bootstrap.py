"""Bootstrap: one clear line when it cannot go on, nothing to do when nothing is to do.

Every test works on a copy of the checkout's few files; the real .venv is never touched.
"""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE_PYTHON = Path(getattr(sys, "_base_executable", sys.executable))

AS_OLD = (
    "import runpy, sys; sys.version_info = (3, 8, 0, 'final', 0);"
    "sys.argv = ['deploy/bootstrap.py'];"
    "runpy.run_path('deploy/bootstrap.py', run_name='__main__')"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what bootstrap reads; also holds an empty home folder."""
    copy = tmp_path / "check out"  # With a space, as some people have.
    (copy / "deploy").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "bootstrap.py", copy / "deploy")
    shutil.copytree(ROOT / "requirements", copy / "requirements")
    (tmp_path / "home").mkdir()
    return copy


def environment(checkout: Path, **settings: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PIP_CERT",) if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "HOME": str(checkout.parent / "home"), **kept, **settings}


def bootstrap(checkout: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASE_PYTHON, *(arguments or ["deploy/bootstrap.py"])],
        cwd=checkout,
        env=environment(checkout, **settings),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_parses_on_python_3_6() -> None:
    source = (ROOT / "deploy" / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 6))


def test_old_python_gets_one_line(checkout: Path) -> None:
    empty = checkout.parent / "home"
    done = bootstrap(checkout, "-c", AS_OLD, PATH=str(empty))
    assert done.returncode == 3
    assert done.stderr == (
        "Set-up failed: this is Python 3.8 and 3.11 or newer is needed: install one, then run"
        " `make PYTHON=/path/to/python3.11` with the same target.\n"
    )
    assert not (checkout / ".venv").exists()


def test_old_python_hands_over_to_a_newer_one_of_the_path(checkout: Path) -> None:
    programs = checkout.parent / "home"
    (programs / "python3.11").symlink_to(BASE_PYTHON)
    broken = programs / "python3.13"  # A version manager's stand-in with nothing behind it.
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    done = bootstrap(checkout, "-c", AS_OLD, PATH=str(programs), EDTECH_MIN_FREE_GB="999999")
    assert done.returncode == 4  # The newer Python came as far as the disk.


def test_too_little_disk_is_one_line_and_nothing_is_made(checkout: Path) -> None:
    done = bootstrap(checkout, EDTECH_MIN_FREE_GB="999999")
    assert done.returncode == 4
    assert re.fullmatch(
        r"Set-up failed: [\d.]+ GB are free in .* and 999999\.0 GB are needed: free some space"
        r" \(EDTECH_MIN_FREE_GB sets another limit\)\.\n",
        done.stderr,
    )
    assert not (checkout / ".venv").exists()


def test_malformed_disk_limit_is_named(checkout: Path) -> None:
    done = bootstrap(checkout, EDTECH_MIN_FREE_GB="lots")
    assert (done.returncode, done.stderr) == (
        2,
        "Set-up failed: EDTECH_MIN_FREE_GB is 'lots': it must be a number.\n",
    )


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_missing_venv_module_is_one_line(checkout: Path, missing: str) -> None:
    code = (
        "import importlib.util as u, runpy, sys; find = u.find_spec;"
        f"u.find_spec = lambda name, *a: None if name == {missing!r} else find(name, *a);"
        "sys.argv = ['deploy/bootstrap.py'];"
        "runpy.run_path('deploy/bootstrap.py', run_name='__main__')"
    )
    done = bootstrap(checkout, "-c", code)
    assert done.returncode == 3
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert done.stderr == (
        f"Set-up failed: this Python has no {missing} module: install it"
        f" (Debian, Ubuntu: `sudo apt install {version}-venv`).\n"
    )


def test_other_machine_is_sent_to_docker_compose(checkout: Path) -> None:
    code = (
        "import platform, runpy, sys; platform.machine = lambda: 'aarch64';"
        "sys.argv = ['deploy/bootstrap.py'];"
        "runpy.run_path('deploy/bootstrap.py', run_name='__main__')"
    )
    done = bootstrap(checkout, "-c", code)
    assert done.returncode == 3
    assert "this is Linux aarch64" in done.stderr
    assert "use `docker compose -f deploy/compose.yaml up` instead.\n" in done.stderr
    assert done.stderr.count("\n") == 1


def test_unreachable_index_is_one_line_and_leaves_no_stamp(checkout: Path) -> None:
    done = bootstrap(checkout, PIP_INDEX_URL="http://127.0.0.1:9", PIP_RETRIES="0")
    assert done.returncode == 5
    assert done.stderr == (
        "Set-up failed: installing uv: the package index cannot be reached:"
        " check the network, then run it again.\n"
    )
    assert not (checkout / ".venv" / ".stamp").exists()


def test_python_lock_names_one_version_and_no_host() -> None:
    lock = (ROOT / "requirements" / "uv.txt").read_text()
    assert re.findall(r"^\S+==\S+", lock, re.MULTILINE) == ["uv==0.13.8"]
    assert "://" not in lock
    assert "\nuv==0.13.8 " in (ROOT / "requirements" / "dev.txt").read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_interrupted_run_is_repaired_and_a_second_one_has_nothing_to_do(checkout: Path) -> None:
    for seconds in (0.5, 3.0, 5.0):
        began = subprocess.Popen(
            [BASE_PYTHON, "deploy/bootstrap.py"],
            cwd=checkout,
            env=environment(checkout),
            stdout=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        began.send_signal(signal.SIGKILL)
        began.wait()
    # Two at once: one waits for the other, and both end well.
    both = [
        subprocess.Popen(
            [BASE_PYTHON, "deploy/bootstrap.py"], cwd=checkout, env=environment(checkout)
        )
        for _ in range(2)
    ]
    assert [one.wait(600) for one in both] == [0, 0]
    again = bootstrap(checkout)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    python = checkout / ".venv" / "bin" / "python"
    code = "import deploy.bootstrap, psycopg, kafka, strawberry; print(deploy.bootstrap.ROOT)"
    found = subprocess.run(
        [python, "-c", code], cwd="/", capture_output=True, text=True, check=True
    )
    assert found.stdout == f"{checkout}\n"
    (checkout / "deploy" / "cli.py").write_text("def app(prog_name): print('ran', prog_name)\n")
    command = checkout / ".venv" / "bin" / "edtech"
    ran = subprocess.run([command], cwd="/", capture_output=True, text=True, check=True)
    assert ran.stdout == "ran edtech\n"
    # A moved checkout is set up again.
    moved = checkout.rename(checkout.with_name("moved"))
    assert bootstrap(moved).stdout.endswith("ready\n")
