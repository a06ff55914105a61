"""Immutable versions of the registry in a folder or a bucket.

```
files/<sha-256>             each file once, by its content
versions/000007.json        number, digest, revision, path and content of each file, what changed
```
A version is taken by creating its file: two that publish at once get two numbers.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from schema.check.findings import InputError
from schema.check.snapshot import digest_of
from schema.check.sources import Files, decoded

_VERSION = re.compile(r"versions/(\d{6})\.json")
_TRIES = 20
_TIMEOUT_SECONDS = 10


class Store(Protocol):
    """Where versions are kept."""

    def names(self, prefix: str) -> Iterator[str]:
        """What there is below a prefix."""

    def get(self, name: str) -> bytes:
        """One object. Raises InputError."""

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one already, and say whether it was written."""


@dataclass(frozen=True)
class FolderStore:
    """Versions in a folder."""

    folder: Path

    def names(self, prefix: str) -> Iterator[str]:
        """What there is below a prefix."""
        for file in sorted((self.folder / prefix).glob("*")):
            yield file.relative_to(self.folder).as_posix()

    def get(self, name: str) -> bytes:
        """One object. Raises InputError."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise InputError(f"{self.folder / name} cannot be read: {error.strerror}.") from None

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one already, and say whether it was written."""
        target = self.folder / name
        unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(content)
            # A link is made whole or not at all, and never over another's file.
            os.link(unfinished, target)
        except FileExistsError:
            return False
        except OSError as error:
            raise InputError(f"{target} cannot be written: {error.strerror}.") from None
        finally:
            unfinished.unlink(missing_ok=True)
        return True


@dataclass(frozen=True)
class BucketStore:
    """Versions in an S3 bucket; address and credentials are the AWS client's own settings."""

    client: Any
    bucket: str
    prefix: str

    def names(self, prefix: str) -> Iterator[str]:
        """What there is below a prefix."""
        with _s3_errors(self):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}/"
            )
            found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        yield from sorted(key.removeprefix(self.prefix) for key in found)

    def get(self, name: str) -> bytes:
        """One object. Raises InputError."""
        with _s3_errors(self):
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)
            return bytes(answer["Body"].read())

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one already, and say whether it was written."""
        try:
            with _s3_errors(self):
                self.client.put_object(
                    Bucket=self.bucket, Key=self.prefix + name, Body=content, IfNoneMatch="*"
                )
        except _Taken:
            return False
        return True


class _Taken(Exception):
    """The object exists."""


@contextmanager
def _s3_errors(store: BucketStore) -> Iterator[None]:
    exceptions = import_module("botocore.exceptions")
    try:
        yield
    except exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
            raise _Taken from None
        raise InputError(f"s3://{store.bucket} answered {code}.") from None
    except exceptions.BotoCoreError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"s3://{store.bucket} cannot be used: {reason}") from None


def store_at(place: str) -> Store:
    """The store at a path or an s3:// URL."""
    if not place.startswith("s3://"):
        return FolderStore(Path(place))
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    if not bucket:
        raise InputError(f"{place} names no bucket.")
    # Here, since loading it takes longer than most checks have to wait.
    boto3, config = import_module("boto3"), import_module("botocore.config")
    settings = config.Config(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 3},
    )
    store = BucketStore(None, bucket, "")
    with _s3_errors(store):
        client = boto3.client("s3", config=settings)
    return BucketStore(client, bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")


def split(name: str) -> tuple[str, int | None]:
    """`DIR@7` is version 7 of DIR; without a number it is the newest."""
    place, at, number = name.rpartition("@")
    return (place, int(number)) if at and number.isdigit() else (name, None)


def is_published(name: str, root: Path) -> bool:
    """Whether a folder holds published versions."""
    place, _ = split(name)
    return bool(_numbers(FolderStore(root / place)))


def _numbers(store: Store) -> list[int]:
    found = (_VERSION.fullmatch(name) for name in store.names("versions"))
    return sorted(int(each[1]) for each in found if each)


def _path(number: int) -> str:
    return f"versions/{number:06}.json"


def read(name: str) -> Files:
    """The files of a published version. Raises InputError."""
    place, number = split(name)
    store = store_at(place)
    numbers = _numbers(store)
    if not numbers or (number is not None and number not in numbers):
        raise InputError(f"{name} holds no such published version.")
    return _files(store, numbers[-1] if number is None else number)


def _files(store: Store, number: int) -> Files:
    try:
        version = json.loads(store.get(_path(number)))
        names: dict[str, str] = version["files"]
        texts = decoded((path, store.get(f"files/{digest}")) for path, digest in names.items())
        broken = digest_of(texts) != version["digest"]
    except (ValueError, KeyError, TypeError, AttributeError):
        broken = True
    if broken:
        raise InputError(f"The published version {number} is damaged.")
    return Files(texts, revision=version["revision"])


@dataclass(frozen=True)
class Published:
    """A version; `is_new` is false when the newest one had the same files."""

    number: int
    is_new: bool
    changelog: list[dict[str, str]]


def publish(
    place: str,
    files: Files,
    *,
    revision: str | None,
    changes: Callable[[Files], list[dict[str, str]]],
) -> Published:
    """Keep a registry as the next version, with what changed since the last one."""
    store = store_at(place)
    digest = digest_of(files.texts)
    contents = {path: text.encode() for path, text in sorted(files.texts.items())}
    names = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    for path, content in contents.items():
        store.create(f"files/{names[path]}", content)
    for _ in range(_TRIES):
        numbers = _numbers(store)
        last = _files(store, numbers[-1]) if numbers else None
        if last is not None and digest_of(last.texts) == digest:
            return Published(numbers[-1], False, [])
        number = numbers[-1] + 1 if numbers else 1
        changelog = changes(last) if last is not None else []
        version = {
            "number": number,
            "digest": digest,
            "revision": revision,
            "changelog": changelog,
            "files": names,
        }
        text = json.dumps(version, indent=2, ensure_ascii=False) + "\n"
        # Whoever creates it has the number; the other one looks again at what changed.
        if store.create(_path(number), text.encode()):
            return Published(number, True, changelog)
    raise InputError(f"{place} takes versions faster than this one can be compared.")
