"""Tools: installed whole or not at all, once, and again when their lock changes."""

import json
import shutil
import threading
from pathlib import Path

import pytest

from deploy.local import tools
from deploy.local.errors import LocalServiceError

LOCKED = Path(tools.__file__).parent


def test_locked_package_is_installed_once_and_leaves_nothing_unfinished(tmp_path: Path) -> None:
    said: list[str] = []
    root = tmp_path / "tools"
    abandoned = root / "npm-dynamodb.unfinished-killed"
    abandoned.mkdir(parents=True)
    binary = tools.dynoxide(lambda _, message: said.append(message), tools=root)
    assert binary.stat().st_mode & 0o111
    assert tools.dynoxide(lambda _, message: said.append(message), tools=root) == binary
    assert said == ["installing npm packages"]
    assert list(root.glob("*.unfinished-*")) == []


def test_two_installs_at_once_install_once(tmp_path: Path) -> None:
    said: list[str] = []

    def install() -> None:
        tools.dynoxide(lambda _, message: said.append(message), tools=tmp_path)

    threads = [threading.Thread(target=install) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("installing npm packages") == 1


def test_changed_lock_installs_again_in_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    package = {"name": "sample", "version": "1.0.0", "private": True}
    lock = {**package, "lockfileVersion": 3, "requires": True, "packages": {"": package}}
    (source / "package.json").write_text(json.dumps(package))
    (source / "package-lock.json").write_text(json.dumps(lock))
    tools.npm_install(source, title="Sample", tools=tmp_path / "tools")
    stamp = (source / "node_modules" / tools.STAMP).read_text()
    (source / "node_modules" / "stray").write_text("x")
    tools.npm_install(source, title="Sample", tools=tmp_path / "tools")
    assert (source / "node_modules" / "stray").exists()
    (source / "package-lock.json").write_text(json.dumps(lock, indent=1))
    tools.npm_install(source, title="Sample", tools=tmp_path / "tools")
    assert not (source / "node_modules" / "stray").exists()
    assert (source / "node_modules" / tools.STAMP).read_text() != stamp


def test_changed_package_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(LOCKED / "package.json", source)
    lock = json.loads((LOCKED / "package-lock.json").read_text())
    lock["packages"]["node_modules/@dynoxide/linux-x64"]["integrity"] = "sha512-" + "A" * 86 + "=="
    (source / "package-lock.json").write_text(json.dumps(lock))
    with pytest.raises(LocalServiceError, match=r"could not install @dynoxide/linux-x64 1\.2\.1"):
        tools.npm_install(source, title="DynamoDB", tools=tmp_path / "tools")
    assert not (source / "node_modules").exists()


def test_unreachable_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(LocalServiceError, match="Check the network and run") as caught:
        tools.dynoxide(tools=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["package-lock.json", "kafka.lock.toml"])
def test_lock_names_no_registry_host(name: str) -> None:
    assert "://" not in (LOCKED / name).read_text()
