"""The simulated provider as a program."""

import asyncio
import sys
from pathlib import Path

import uvicorn

from deploy.local.ports import HOST
from deploy.local.stripe import WEBHOOK_SECRET
from deploy.local.stripe.api import make_app
from deploy.local.stripe.store import Store
from deploy.local.stripe.webhooks import Sender


async def serve(port: int, folder: Path, webhook_url: str | None, host: str, secret: str) -> None:
    """Serve until SIGTERM."""
    store = Store(folder / "books.sqlite3")
    sender = Sender(store, webhook_url, secret)
    web = uvicorn.Server(
        uvicorn.Config(
            make_app(store, sender), host=host, port=port, log_level="warning", lifespan="off"
        )
    )
    task = asyncio.create_task(sender.run())
    try:
        await web.serve()
    finally:
        task.cancel()
        store.close()


if __name__ == "__main__":
    url = sys.argv[3] if len(sys.argv) > 3 else None
    host = sys.argv[4] if len(sys.argv) > 4 else HOST
    secret = sys.argv[5] if len(sys.argv) > 5 else WEBHOOK_SECRET
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), url, host, secret))
