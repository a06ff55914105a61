"""The routers of contracts: one process each, beside the main one."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.errors import LocalServiceError
from deploy.local.ports import HOST, setting_of
from deploy.local.process import Progress, silent
from deploy.local.router import Router
from shared.contracts import PATH, Contract, ContractsError, read_contracts

# What `make dev` starts unless CONTRACTS names others, with commas.
DEFAULT = "partner-catalog"
FIRST_PORT = 4010


class ContractRouter(Router):
    """The router of one contract."""

    def __init__(
        self,
        directory: Path,
        contract: str,
        *,
        settings: Mapping[str, str],
        port: int,
        admin_port: int,
        progress: Progress = silent,
    ) -> None:
        """`settings` are added to the environment; CONTRACT is ours."""
        super().__init__(
            directory / "contracts" / contract,
            settings={**settings, "CONTRACT": contract},
            port=port,
            admin_port=admin_port,
            progress=progress,
        )
        self.title = f"Router {contract}"
        self.log = directory.absolute() / "logs" / f"router-{contract}.log"
        self._key = port_key(contract)

    @property
    def url(self) -> str:
        """Where partners find it."""
        return f"http://{HOST}:{self.port}"

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """The port for partners and the one for health and metrics."""
        return {
            setting_of(self._key): (self.title, self.port),
            setting_of(f"{self._key}_admin"): (self.title, self.admin_port),
        }


def port_key(contract: str) -> str:
    """The name of a contract router's port, and with `_admin` of its second one."""
    return f"router_{contract.replace('-', '_')}"


def default_ports(contracts: Sequence[str]) -> dict[str, int]:
    """The ports of contract routers under `make dev`, two for each."""
    ports = {}
    for number, contract in enumerate(contracts):
        ports[port_key(contract)] = FIRST_PORT + 2 * number
        ports[f"{port_key(contract)}_admin"] = FIRST_PORT + 2 * number + 1
    return ports


def contracts_from_environment() -> list[str]:
    """The contracts that CONTRACTS names; none when it is set and empty."""
    names = os.environ.get("CONTRACTS", DEFAULT).split(",")
    return [name.strip() for name in names if name.strip()]


def known_contracts(path: Path = PATH) -> Mapping[str, Contract]:
    """All contracts of the file. Raises LocalServiceError."""
    try:
        return read_contracts(path)
    except ContractsError as error:
        raise LocalServiceError(str(error)) from None


def require_known(contracts: Sequence[str], path: Path = PATH) -> None:
    """Refuse names that the file does not have. Raises LocalServiceError."""
    known = known_contracts(path)
    if unknown := [name for name in contracts if name not in known]:
        raise LocalServiceError(
            f"There is no contract {unknown[0]!r}; {path} has {', '.join(known)}: set CONTRACTS."
        )


def audiences(path: Path = PATH) -> str:
    """Whose tokens subgraphs accept: the platform's own, then those of partners' contracts."""
    partners = [name for name, each in known_contracts(path).items() if each.for_partners]
    return ",".join(["graph", *partners])
