"""Where a registry is read from: a folder, a git revision, or a published version."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from schema.check.findings import InputError, TimedOut

REGISTRY = "gateway/supergraph.yaml"
# What makes a registry; programs that lie beside the files do not.
SUFFIXES = (".graphql", ".json", ".yaml")
GIT_TIMEOUT_SECONDS = 30
_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


@dataclass(frozen=True)
class Files:
    """The files of a registry by their path below the repository."""

    texts: dict[str, str]
    revision: str | None = None

    def __post_init__(self) -> None:
        if REGISTRY not in self.texts:
            raise InputError(f"There is no registry in it: {REGISTRY} is missing.")


def belongs(path: str) -> bool:
    """Whether a file is part of a registry."""
    return path == REGISTRY or (path.startswith("schema/") and path.endswith(SUFFIXES))


def from_folder(root: Path) -> Files:
    """The registry as it lies in a folder. Raises InputError."""
    found = [root / REGISTRY, *sorted((root / "schema").rglob("*"))]
    contents: dict[str, bytes] = {}
    for file in found:
        path = file.relative_to(root).as_posix()
        if not belongs(path) or not file.is_file():
            continue
        try:
            contents[path] = file.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    return Files(decoded(contents.items()))


def decoded(contents: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Files as text. Raises InputError for one that is not UTF-8."""
    texts = {}
    for path, content in contents:
        try:
            texts[path] = content.decode()
        except UnicodeDecodeError:
            raise InputError(f"{path} is not UTF-8.") from None
    return texts


def from_git(root: Path, revision: str) -> Files:
    """The registry as a revision has it. Raises InputError."""
    commit = resolve(root, revision)
    if commit is None:
        raise InputError(f"The baseline {revision!r} is no revision of this repository.")
    return from_commit(root, commit)


def from_commit(root: Path, commit: str) -> Files:
    """The registry as a commit has it, which is there. Raises InputError."""
    listing = _git(root, "ls-tree", "-r", "-z", commit, "--", REGISTRY, "schema")
    blobs = {}
    for line in filter(None, listing.split(b"\0")):
        head, _, name = line.partition(b"\t")
        mode, kind, blob = head.split()
        path = name.decode(errors="replace")
        if kind == b"blob" and mode != b"120000" and belongs(path):
            blobs[path] = blob
    answer = _git(root, "cat-file", "--batch", input=b"\n".join(blobs.values()) + b"\n")
    contents = {}
    at = 0
    for path in blobs:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        contents[path] = answer[end + 1 : end + 1 + size]
        at = end + size + 2
    return Files(decoded(contents.items()), revision=commit)


def resolve(root: Path, revision: str) -> str | None:
    """The commit that a name stands for."""
    if revision.startswith("-"):
        return None
    found = _git(
        root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", may_fail=True
    ).decode()
    return found.strip() or None


def merge_base(root: Path) -> str:
    """Where the present work left the default branch. Raises InputError."""
    asked = "".join(f"{branch}^{{commit}}\n" for branch in _DEFAULT_BRANCHES)
    answers = _git(root, "cat-file", "--batch-check=%(objecttype)", input=asked.encode())
    for branch, answer in zip(_DEFAULT_BRANCHES, answers.splitlines(), strict=True):
        if answer != b"commit":
            continue
        base = _git(root, "merge-base", "HEAD", branch, may_fail=True).decode().strip()
        if not base:
            raise InputError(
                f"HEAD and {branch} have no common commit here: fetch the whole history"
                " or name a baseline."
            )
        return base
    raise InputError("There is no default branch to compare with: name a baseline.")


def date_of_head(root: Path) -> date | None:
    """The day of the head commit, in the time zone of the one who made it."""
    found = _git(root, "log", "-1", "--format=%cs", "HEAD", may_fail=True).decode().strip()
    return date.fromisoformat(found) if found else None


def is_repository(root: Path) -> bool:
    """Whether git keeps the history of a folder."""
    return bool(_git(root, "rev-parse", "--git-dir", may_fail=True))


def _git(root: Path, *arguments: str, input: bytes = b"", may_fail: bool = False) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
            input=input,
            capture_output=True,
            timeout=GIT_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise InputError("git is not installed: name a folder as the baseline.") from None
    except subprocess.TimeoutExpired:
        raise TimedOut(f"git did not answer within {GIT_TIMEOUT_SECONDS} seconds.") from None
    if done.returncode != 0:
        if may_fail:
            return b""
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no reason"])[0]
        raise InputError(f"git {arguments[0]} failed: {reason}")
    return done.stdout
