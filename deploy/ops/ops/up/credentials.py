"""The secrets of one installation: made once, kept beside its data."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from shared.auth import Scope, mint


@dataclass(frozen=True)
class Credentials:
    """`token` may do everything at our own services; `key_entry` is its entry for AUTH_STATIC_KEYS."""

    shopify_token: str
    webhook_secret: str
    token: str
    key_entry: str

    @classmethod
    def kept_in(cls, directory: Path) -> Self:
        """Those of the last start with this directory, else new ones."""
        file = directory / "credentials.json"
        if file.exists():
            return cls(**json.loads(file.read_text()))
        fresh = cls.fresh()
        # Written whole or not at all, readable by nobody else at any moment.
        draft = file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            json.dump(asdict(fresh), output)
        draft.replace(file)
        return fresh

    @classmethod
    def fresh(cls) -> Self:
        token, entry = mint("up", [scope.value for scope in Scope])
        return cls(f"shpat_{secrets.token_hex(16)}", f"shpss_{secrets.token_hex(16)}", token, entry)
