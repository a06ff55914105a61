"""Two tagged subgraphs, a contract of them, and a backend that serves both to routers."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import strawberry
import yaml

from shared.graph import build_schema
from tests.gateway import tokens
from tests.gateway.subgraphs import subgraph_app
from tests.gateway.support import Backend, Router, compose

SHOP = ["shop"]
LIMITS = {
    "requests_per_minute": 6000,
    "burst": 1000,
    "cost": 120,
    "cost_per_minute": 100_000,
    "depth": 4,
    "aliases": 2,
}
CONTRACT: dict[str, Any] = {
    "title": "Shop",
    "owner": "team-shop",
    "include": SHOP,
    "scopes": ["shop:read", "stock:read"],
    "limits": LIMITS,
}


@strawberry.enum
class Colour(Enum):
    RED = strawberry.federation.enum_value("red", tags=SHOP)
    ULTRAVIOLET = "ultraviolet"


@strawberry.input
class Filter:
    colour: Colour | None = strawberry.federation.field(default=None, tags=SHOP)
    vendor: str | None = None


@strawberry.type
class Supplier:
    margin: int


@strawberry.federation.type(keys=["id", "sku"])
class Product:
    id: strawberry.ID = strawberry.federation.field(tags=SHOP)
    sku: strawberry.ID
    name: str = strawberry.federation.field(tags=SHOP)
    purchase_price: int

    @strawberry.field
    def supplier(self) -> Supplier | None:
        """Nobody's business."""
        return Supplier(margin=40)

    @strawberry.federation.field(tags=SHOP)
    def colour(self) -> Colour:
        """Always red."""
        return Colour.RED

    @strawberry.federation.field(tags=SHOP)
    def alternatives(self) -> list["Product"]:
        """A list, so that depth and cost can grow."""
        return []

    @classmethod
    def resolve_reference(cls, id: str = "1", sku: str = "sku-1") -> "Product":
        """Any id exists."""
        return product(id)


def product(id: str) -> Product:
    """A product of this id."""
    return Product(
        id=strawberry.ID(id), sku=strawberry.ID(f"sku-{id}"), name=f"product {id}", purchase_price=1
    )


@strawberry.type
class ShopQuery:
    @strawberry.federation.field(tags=SHOP)
    def product(
        self,
        id: strawberry.ID,
        at_cost: Annotated[bool, strawberry.federation.argument(tags=["private"])] = False,
    ) -> Product | None:
        """One product."""
        return product(id)

    @strawberry.federation.field(tags=SHOP)
    def products(self, filter: Filter | None = None) -> list[Product]:
        """A list."""
        return [product("1"), product("2")]

    @strawberry.field
    def suppliers(self) -> list[Supplier]:
        """Not in the contract."""
        return [Supplier(margin=40)]


@strawberry.type
class ShopMutation:
    @strawberry.mutation
    def restock(self, id: strawberry.ID) -> bool:
        """Not in the contract."""
        return True


@strawberry.federation.type(name="Product", keys=["sku"])
class StockProduct:
    sku: strawberry.ID

    @strawberry.federation.field(tags=SHOP)
    def in_stock(self) -> int | None:
        """Reached by a key that the contract does not have."""
        return len(self.sku)

    @strawberry.field
    def shelf(self) -> str | None:
        """Not in the contract."""
        return "a-1"

    @classmethod
    def resolve_reference(cls, sku: strawberry.ID) -> "StockProduct":
        """Any sku exists."""
        return cls(sku=sku)


class Shop(Backend):
    """The subgraphs, and the supergraph of the contract at /supergraph."""

    def __post_init__(self) -> None:
        """Serve the two subgraphs instead of the usual ones."""
        super().__post_init__()
        schemas = {
            "shop": build_schema("shop", query=ShopQuery, mutation=ShopMutation, types=[Product]),
            "stock": build_schema("stock", types=[StockProduct]),
        }
        self.apps = {name: subgraph_app(name, schema) for name, schema in schemas.items()}
        subgraphs = [
            {"name": name, "url": f"{self.url}/{name}/graphql", "sdl": schema.as_str()}
            for name, schema in schemas.items()
        ]
        composed = compose(subgraphs, contracts={"shop": {"include": SHOP, "exclude": []}})
        assert composed["errors"] == []
        assert composed["contracts"]["shop"]["errors"] == []
        self.supergraph = composed["contracts"]["shop"]["supergraphSdl"]


class ContractFile:
    """A contracts.yaml that tests may change while routers follow it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write()

    def write(self, **contracts: dict[str, Any]) -> None:
        """Replace what the file says; the one contract without arguments."""
        new = self.path.with_suffix(".new")
        new.write_text(yaml.safe_dump({"contracts": contracts or {"shop": CONTRACT}}))
        new.rename(self.path)


def shop_router(
    shop: Backend, folder: Path, file: ContractFile, valkey: str, **more: str | None
) -> Router:
    """A router of the contract, not started."""
    return Router(
        shop,
        folder,
        **{
            "CONTRACT": "shop",
            "CONTRACTS_FILE": str(file.path),
            "VALKEY_URL": valkey,
            "JWT_AUDIENCE": None,
            **more,
        },
    )


def partner(client: str = "client-1", **claims: Any) -> dict[str, str]:
    """The header of a partner's program."""
    given = {"aud": "shop", "sub": client, "client_id": client, "scope": "shop:read"} | claims
    return {"authorization": f"Bearer {tokens.token(**given)}"}
