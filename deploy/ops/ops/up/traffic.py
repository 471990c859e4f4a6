"""What the shop holds, what readers see of it, and the light traffic of a demonstration."""

from ops.failures import ServerDown
from ops.up.plan import API_VERSION, Plan
from ops.web import Http

LIGHT = {"edits_per_second": 0.5, "sales_per_second": 1.5}
PAGE = 250  # events; the largest page that /v1/events serves
COUNT = 'query CountPublic { productsCount(query: "status:active", limit: null) { count } }'


def public_products(http: Http, plan: Plan) -> int:
    """How many products of the shop everybody may see, by Shopify's own count. Raises ServerDown."""
    url = f"{plan.shopify_url}/admin/api/{API_VERSION}/graphql.json"
    answer = http.post(url, {"query": COUNT}, {"X-Shopify-Access-Token": plan.shopify_token})
    try:
        return int(answer["data"]["productsCount"]["count"])
    except (TypeError, KeyError):
        raise ServerDown(f"{plan.shopify_url} did not say how many products there are: {answer}") from None


def readable_events(http: Http, read_api: str) -> int:
    """How many events an anonymous reader can list."""
    count, cursor = 0, ""
    while True:
        page = http.get(f"{read_api}/v1/events?limit={PAGE}{cursor}") or {"events": []}
        count += len(page["events"])
        if not page.get("next_cursor"):
            return count
        cursor = f"&cursor={page['next_cursor']}"


def begin(http: Http, shopify: str) -> None:
    """Raises ServerDown."""
    if http.post(f"{shopify}/control/traffic", LIGHT) is None:
        raise ServerDown(f"the simulated Shopify at {shopify} refused to make traffic")
