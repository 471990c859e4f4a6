"""python -m webhook_ingest"""

from shared.serving import serve
from shared.settings import load
from webhook_ingest.settings import IngestSettings


def main() -> None:
    serve("webhook_ingest.app:create_app", load(IngestSettings))


if __name__ == "__main__":
    main()
