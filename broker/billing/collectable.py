"""From what amount on an invoice is worth collecting: what gateways take at the least, by currency. Pure."""

from __future__ import annotations

from typing import Final

USUAL_MINOR: Final = 50
_LEAST_MINOR: Final = {
    "aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17_500, "jpy": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000,
}  # fmt: skip
"""Units: minor units. Source: Stripe, "Minimum and maximum charge amounts"."""
_HALF_A_DOLLAR: Final = {
    # no decimals
    "bif": 2000, "clp": 600, "djf": 100, "gnf": 6000, "isk": 80, "kmf": 300, "krw": 900, "pyg": 5000, "rwf": 900,
    "ugx": 2500, "uyi": 30, "vnd": 15_000, "vuv": 80, "xaf": 400, "xof": 400, "xpf": 70,
    # thousandths, in tens
    "bhd": 200, "iqd": 800_000, "jod": 400, "kwd": 200, "lyd": 4000, "omr": 200, "tnd": 2000,
    # hundredths that are worth much less than a cent of a dollar
    "ars": 100_000, "cop": 250_000, "egp": 3000, "idr": 1_000_000, "inr": 5000, "kes": 8000, "kzt": 30_000,
    "lkr": 20_000, "mga": 250_000, "ngn": 100_000, "pen": 250, "php": 4000, "pkr": 16_000, "rsd": 7000, "try": 2500,
    "twd": 2000, "uah": 2500, "zar": 1200,
}  # fmt: skip
"""What gateways have no amount of their own for: they want half a dollar's worth, of which these are well on the safe side."""


def collectable_minor(currency: str) -> int:
    """The least amount that is collected; what is less is carried to the next invoice. Units: minor units."""
    return _LEAST_MINOR.get(currency) or _HALF_A_DOLLAR.get(currency, USUAL_MINOR)
