"""Published versions: in a bucket, by several at once, and never written twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.s3 import ACCESS_KEY, S3, SECRET_KEY
from schema.check import published, sources
from schema.check.findings import InputError
from tests.schema.check.registry import CATALOG, PEOPLE, Registry


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a real S3 API."""
    folder = tmp_path / "s3"
    folder.mkdir()
    service = S3(folder)
    service.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", service.env()["S3_ENDPOINT"])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        (service.buckets / "schemas").mkdir()
        yield "s3://schemas/edtech"
    finally:
        service.stop()


def publish(place: str, files: sources.Files) -> published.Published:
    return published.publish(place, files, revision=None, changes=lambda _last: [])


def test_bucket_keeps_versions_and_serves_as_a_baseline(registry: Registry, bucket: str) -> None:
    assert publish(bucket, sources.from_folder(registry.root)).number == 1
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    assert registry.check(baseline=bucket).failed
    assert publish(bucket, sources.from_folder(registry.root)).number == 2
    assert not registry.check(baseline=bucket).failed
    assert registry.check(baseline=f"{bucket}@1").failed
    with pytest.raises(InputError, match="no such published version"):
        registry.check(baseline=f"{bucket}@3")
    with pytest.raises(InputError, match="schemaz answered NoSuchBucket"):
        registry.check(baseline="s3://schemaz/edtech")


def test_versions_published_at_once_get_their_own_numbers(
    registry: Registry, tmp_path: Path
) -> None:
    place = str(tmp_path / "versions")
    proposals = []
    for number in range(6):
        registry.edit(PEOPLE, ("  fans: Int\n", f'  fans: Int\n  "N."\n  n{number}: Int\n'))
        proposals.append(sources.from_folder(registry.root))
        registry.restore()
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda files: publish(place, files), proposals))
    assert sorted(each.number for each in done) == [1, 2, 3, 4, 5, 6]
    texts = [published.read(f"{place}@{number}").texts[PEOPLE] for number in range(1, 7)]
    assert sorted(texts) == sorted(files.texts[PEOPLE] for files in proposals)
    assert not list((tmp_path / "versions").rglob(".*"))
