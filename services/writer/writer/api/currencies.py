"""How many decimals an amount of a currency has (ISO 4217). Pure."""

from decimal import Decimal

USUAL = 2
MOST = 3  # also what the projections hold
NO_DECIMALS = frozenset(
    {
        "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV",
        "XAF", "XOF", "XPF",
    }
)  # fmt: skip
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def decimals(currency: str | None) -> int:
    """The most that an amount may have; of an unknown currency, the most that any has."""
    if currency is None:
        return MOST
    if currency in NO_DECIMALS:
        return 0
    return MOST if currency in THREE_DECIMALS else USUAL


def places(amount: str) -> int:
    """Decimals that say something: 2 of "25.50", 0 of "25.00"."""
    exponent = Decimal(amount).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def spelled(amount: str) -> str:
    """One spelling for each amount, as in the API's answers: "25.00"; a third decimal only where it is needed."""
    return f"{Decimal(amount):.{max(USUAL, places(amount))}f}"
