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
    "all": 6000, "amd": 25_000, "ars": 100_000, "azn": 100, "bam": 100, "bdt": 8000, "bob": 500, "byn": 200,
    "cny": 450, "cop": 250_000, "crc": 35_000, "dop": 4000, "dzd": 8000, "egp": 3000, "etb": 10_000, "gel": 175,
    "gtq": 500, "hnl": 1600, "idr": 1_000_000, "ils": 250, "inr": 5000, "jmd": 10_000, "kes": 8000, "kgs": 6000,
    "khr": 250_000, "kzt": 30_000, "lkr": 20_000, "mad": 600, "mdl": 1100, "mga": 250_000, "mkd": 3500, "mur": 3000,
    "ngn": 100_000, "npr": 9000, "pen": 250, "php": 4000, "pkr": 16_000, "qar": 220, "rsd": 7000, "sar": 220,
    "try": 2500, "ttd": 400, "twd": 2000, "tzs": 160_000, "uah": 2500, "uyu": 2600, "uzs": 800_000, "xcd": 175,
    "zar": 1200, "zmw": 1500,
}  # fmt: skip
"""What gateways have no amount of their own for: they want half a dollar's worth, of which these are well on the safe side."""


def collectable_minor(currency: str) -> int:
    """The least amount that is collected; what is less is carried to the next invoice. Units: minor units."""
    return _LEAST_MINOR.get(currency) or _HALF_A_DOLLAR.get(currency, USUAL_MINOR)
