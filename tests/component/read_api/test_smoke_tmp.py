from projected import Event


async def test_smoke(api, shop):
    await shop.save(Event(42))
    for path in (
        "/v1/events/42",
        "/v1/events/42",
        "/v1/events",
        "/v1/events/by-handle/event-42",
        "/v1/events/42/tickets",
        "/v1/categories",
        "/v1/status",
        "/v1/events/43",
        "/v1/manage/events/42",
        "/v1/events?foo=1",
        "/v1/events/x",
        "/metrics",
        "/docs",
    ):
        r = await api.get(path)
        print(path, r.status_code, dict(r.headers), r.text[:300])
    r = await api.head("/v1/events/42")
    print(r.headers, repr(r.content))
