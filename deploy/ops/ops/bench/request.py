"""The bytes of a request. Pure."""

END = b"\r\n\r\n"


def request(
    host: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None, method: str | None = None
) -> bytes:
    """The bytes of a GET, or with a body of a POST, unless it is another method."""
    lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + END + (body or b"")
