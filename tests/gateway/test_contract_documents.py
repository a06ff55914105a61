"""A router of a partners' contract has no trusted documents, whatever the image sets."""

import json
from pathlib import Path

from deploy.local.valkey import Valkey
from tests.gateway.catalog import ContractFile, Shop, partner, shop_router
from tests.gateway.support import only_error

HASH = "a" * 64


async def test_partner_cannot_run_or_probe_the_documents_of_others(
    node_modules: None, valkey: Valkey, folder: Path
) -> None:
    manifest = folder / "documents.json"
    manifest.write_text(json.dumps({HASH: "query Outside { suppliers { vendor } }"}))
    shop = Shop()
    shop.start()
    file = ContractFile(folder / "documents.yaml")
    url = valkey.env()["VALKEY_URL"]
    router = shop_router(
        shop, folder / "documents", file, url, TRUSTED_DOCUMENTS=str(manifest)
    ).start()
    try:
        async with router.client() as client:
            answers = [
                await client.post("/graphql", json={"documentId": each}, headers=partner())
                for each in (HASH, "b" * 64)
            ]
            known, unknown = [only_error(answer) for answer in answers]
            assert (known["message"], known["extensions"]["code"]) == (
                unknown["message"],
                unknown["extensions"]["code"],
            )
            assert "vendor" not in answers[0].text
            text = {"query": '{ product(id: "7") { name } }'}
            answer = await client.post("/graphql", json=text, headers=partner())
            assert answer.json() == {"data": {"product": {"name": "product 7"}}}
    finally:
        router.stop()
        shop.stop()
