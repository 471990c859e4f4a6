"""The simulated Shopify as a process of its own."""

import asyncio
import signal
import sys
from contextlib import asynccontextmanager

import httpx2
from waiting import eventually

from sandbox.shopify.serving import free_port


@asynccontextmanager
async def started(*more):
    """The process, once it answers, and its port's client; it must end by itself on SIGTERM."""
    port = free_port()
    arguments = ["--port", str(port), "--token", "t", "--secret", "s", *more]
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
            yield http
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_starts_from_the_command_line_and_ends_on_sigterm():
    more = "--events 5 --latency 0-0.01 --bucket 4000 --restore-rate 200 --allow-http --shop tiny"
    async with started(*more.split()) as http:
        state = (await http.get("/control/state")).json()
    assert (state["shop"], state["products"]) == ("tiny.myshopify.com", 5)
    assert state["bucket"]["maximumAvailable"] == 4000


async def test_it_ends_at_once_though_an_answer_and_a_late_effect_are_still_due():
    async with started("--latency", "60") as http:
        headers = {"X-Shopify-Access-Token": "t"}
        url = "/admin/api/2026-10/graphql.json"
        await http.patch("/control/knobs", json={"latency_min": 0, "latency_max": 0})
        late = {"effect": "late", "effect_after": 600, "answer": "error"}
        assert (await http.post("/control/faults", json=late)).status_code == 201
        text = 'mutation { productCreate(product: {title: "x"}) { product { id } } }'
        assert (await http.post(url, json={"query": text}, headers=headers)).status_code == 502
        assert (await http.get("/control/state")).json()["late_effects_due"] == 1
        await http.patch("/control/knobs", json={"latency_min": 60, "latency_max": 60})
        asked = asyncio.create_task(http.post(url, json={"query": "{ shop { id } }"}, headers=headers, timeout=30))

        async def waiting():
            return (await http.get("/control/state")).json()["requests"].get("requests") == 2

        await eventually(waiting)
    await asyncio.gather(asked, return_exceptions=True)


async def test_a_kept_shop_is_the_same_after_a_restart(tmp_path):
    state = ["--events", "3", "--state", str(tmp_path / "shop")]
    async with started(*state) as http:
        made = (await http.post("/control/products", json={"title": "Kept"})).json()
    async with started(*state) as http:
        assert (await http.get(f"/control/products/{made['id']}")).json() == made
        assert (await http.get("/control/state")).json()["products"] == 4
