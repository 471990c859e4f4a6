"""python -m webhook_ingest"""

from shared.serving import serve
from webhook_ingest.settings import IngestSettings


def main() -> None:
    serve("webhook_ingest.app:create_app", IngestSettings())


if __name__ == "__main__":
    main()
