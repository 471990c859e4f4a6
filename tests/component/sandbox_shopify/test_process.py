"""The simulated Shopify as a process of its own."""

import asyncio
import signal
import sys

import httpx2
from waiting import eventually

from sandbox.shopify.serving import free_port


async def test_it_starts_from_the_command_line_and_ends_on_sigterm():
    port = free_port()
    arguments = ["--port", str(port), "--events", "5", "--token", "t", "--secret", "s", "--latency", "0-0.01"]
    arguments += ["--bucket", "4000", "--restore-rate", "200", "--allow-http", "--shop", "tiny"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.shopify", *arguments, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def alive():
                try:
                    return (await http.get("/livez")).status_code == 200
                except httpx2.TransportError:
                    return False

            await eventually(alive, within=20)
            state = (await http.get("/control/state")).json()
        assert (state["shop"], state["products"]) == ("tiny.myshopify.com", 5)
        assert state["bucket"]["maximumAvailable"] == 4000
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
