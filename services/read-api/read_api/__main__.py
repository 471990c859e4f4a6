"""`python -m read_api`: serve until SIGTERM."""

from read_api.settings import ReadApiSettings
from shared.serving import serve
from shared.settings import load

if __name__ == "__main__":
    serve("read_api.app:create_app", load(ReadApiSettings))
