#!/usr/bin/env python3
"""Writes src/price/table.tsv: what models cost at their vendors and hosts, out of litellm's table of prices.

    scripts/prices.py model_prices_and_context_window.json "litellm 1.109.1, 2026-11-20" > src/price/table.tsv

The source is `litellm/model_prices_and_context_window_backup.json` of the PyPI package `litellm` (MIT). Only the facts that
weir can charge by are taken: prices by the token, the image, the request, the second of audio that is transcribed and the
character that is spoken. What is sold by the pixel or the page is left out, so that it counts as unpriced and not as free. What was left out is told on stderr.
"""

import json
import re
import sys
from decimal import Context, Decimal

from models import MIT

# litellm's providers → the name that stands before the model: weir's kind where there is one. The first that has a model decides.
PROVIDERS = {
    "openai": "openai", "text-completion-openai": "openai",
    "azure": "azure", "azure_ai": "azure",
    "anthropic": "anthropic", "gemini": "gemini", "deepseek": "deepseek", "xai": "xai", "groq": "groq", "cerebras": "cerebras",
    "cloudflare": "cloudflare", "nvidia_nim": "nvidia",
    "mistral": "mistral", "codestral": "mistral", "text-completion-codestral": "mistral",
    "together_ai": "together", "fireworks_ai": "fireworks", "fireworks_ai-embedding-models": "fireworks",
    "cohere": "cohere", "cohere_chat": "cohere", "voyage": "voyage", "jina_ai": "jina", "moonshot": "moonshot", "zai": "zai",
    "minimax": "minimax", "dashscope": "dashscope", "perplexity": "perplexity", "deepinfra": "deepinfra", "ai21": "ai21",
    "nebius": "nebius", "novita": "novita", "sambanova": "sambanova", "hyperbolic": "hyperbolic",
}
ORDER = list(PROVIDERS)
MODES = {
    "chat", "responses", "completion", "embedding", "rerank", "image_generation", "image_edit", "audio_transcription",
    "audio_speech", "realtime", "moderation",
}
# Sold at another price than the plain name: sizes of images, regions, and what a name of litellm's own stands for.
NOT_A_MODEL = re.compile(r"-x-|^(eu|us|global|global-standard|hd|standard|low|medium|high|container)(/|$)|^(together-ai|fireworks-ai)-|\s")

MILLION = Decimal(10) ** 6
FINEST = Decimal(10) ** -9
# No price has more digits.
NOISELESS = Context(prec=12)
TIER_COLUMNS = [
    "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
]
TIER = re.compile(rf"^({'|'.join(TIER_COLUMNS)})_above_(\d+)k_tokens$")
DATED = re.compile(r"(-latest|[-@]20\d{6}|-20\d\d-\d\d-\d\d)$")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        source = json.load(file, parse_float=Decimal)
    left_out = {}
    rows = rows_by_name(source, left_out)
    print(header(sys.argv[2]))
    kept = [name for name in rows if not is_said_by_undated(name, rows)]
    # By bytes: the lookup halves the text.
    for name in sorted(kept, key=str.encode):
        print("\t".join([name, *rows[name]]))
    for why, names in sorted(left_out.items()):
        print(f"left out, {why}: {len(names)}, such as {', '.join(names[:5])}", file=sys.stderr)
    print(f"{len(kept)} prices", file=sys.stderr)


def header(origin):
    lines = [
        f"What models cost. Written by scripts/prices.py out of {origin}; not to be edited by hand.",
        "",
        "Columns: kind or vendor, `/` and model; then US dollars for a million tokens: input, output, cache read, cache write, cache",
        "write kept for longer, reasoning, audio input, audio output; for each: image made, request; percent of it that batches pay;",
        "tiers by the whole input: above so many tokens `:` input `,` output `,` cache read `,` cache write (`,` kept for longer), and `;`",
        "before the next; a million tokens of images in, of images out; a second of audio transcribed; a million characters spoken.",
        "An empty column follows from the others as `terms::Price` says. Columns at the end that are empty are not written.",
        "",
        "The facts are litellm's (https://github.com/BerriAI/litellm), under this licence:",
        "",
        *MIT.splitlines(),
    ]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def rows_by_name(source, left_out):
    """Name → columns."""
    found = {}
    for key, row in source.items():
        provider = row.get("litellm_provider")
        if provider not in PROVIDERS or row.get("mode") not in MODES:
            continue
        model = key.removeprefix(f"{provider}/").lower()
        if NOT_A_MODEL.search(model) or (PROVIDERS[provider] == "azure" and "/" in model):
            continue
        rank = (ORDER.index(provider), not key.startswith(f"{provider}/"))
        found.setdefault(f"{PROVIDERS[provider]}/{model}", []).append((rank, row))
    rows = {}
    for name, said in found.items():
        row = min(said, key=lambda it: it[0])[1]
        columns, why = columns_of(row)
        if why:
            left_out.setdefault(why, []).append(name)
        else:
            rows[name] = columns
    return rows


def columns_of(row):
    """The columns after the name; or why there are none."""
    row = dict(row)
    if row.get("tiered_pricing"):
        row |= base_of_tiers(row["tiered_pricing"])
    prices = {key: value for key, value in row.items() if isinstance(value, (int, Decimal)) and not isinstance(value, bool)}
    known = [key for key in prices if "cost" in key and prices[key]]
    draws = row["mode"] in ("image_generation", "image_edit")
    output = prices.get("output_cost_per_token")
    if draws and output is None:
        # What such a model puts out are images.
        output = prices.get("output_cost_per_image_token")
    if output is None and row["mode"] in ("audio_speech",):
        output = prices.get("output_cost_per_audio_token")
    has_tokens = bool(prices.get("input_cost_per_token") or output)
    image = prices.get("output_cost_per_image") or prices.get("input_cost_per_image") if draws and not has_tokens else None
    request = prices.get("input_cost_per_request")
    if row["mode"] == "rerank" and not has_tokens:
        request = prices.get("input_cost_per_query")
    heard = row["mode"] == "audio_transcription" and not has_tokens
    # Where both are named they are the same second.
    second = max(prices.get("input_cost_per_second", 0), prices.get("output_cost_per_second", 0)) if heard else None
    character = prices.get("input_cost_per_character") if row["mode"] == "audio_speech" and not has_tokens else None
    if not (has_tokens or image or request or second or character):
        if known:
            return None, "sold by what weir does not count"
        if row["mode"] != "moderation":
            return None, "no price, or nought without a word"
    columns = [
        by_million(prices.get("input_cost_per_token")),
        by_million(output),
        by_million(first(prices, "cache_read_input_token_cost", "input_cost_per_token_cache_hit")),
        by_million(prices.get("cache_creation_input_token_cost") or None),
        by_million(first(prices, "cache_creation_input_token_cost_above_1hr", "cache_creation_input_token_cost_above_12hr")),
        by_million(unlike(prices.get("output_cost_per_reasoning_token"), output)),
        by_million(unlike(prices.get("input_cost_per_audio_token"), prices.get("input_cost_per_token"))),
        by_million(unlike(prices.get("output_cost_per_audio_token"), output)),
        amount(image),
        amount(request),
        batch_percent(prices),
        tiers(row, prices),
        by_million(unlike(prices.get("input_cost_per_image_token"), prices.get("input_cost_per_token"))),
        by_million(unlike(prices.get("output_cost_per_image_token"), output)),
        amount(second or None),
        by_million(character),
    ]
    if None in columns:
        return None, "finer than a billionth"
    while not columns[-1] and len(columns) > 2:
        columns.pop()
    return columns, None


def first(prices, *names):
    return next((prices[name] for name in names if name in prices), None)


def unlike(price, usual):
    return None if price == usual else price


def by_million(price):
    return amount(None if price is None else price * MILLION)


def amount(price):
    """Exact, without zeros at the end; none where nine digits do not hold it."""
    if price is None:
        return ""
    price = without_noise(Decimal(price))
    if price != price.quantize(FINEST):
        return None
    text = f"{price.quantize(FINEST):f}"
    return text.rstrip("0").rstrip(".")


def without_noise(price):
    """The source's numbers are floats that were written out: 9.499999999999999e-7 is 9.5e-7."""
    return NOISELESS.plus(price)


def batch_percent(prices):
    """Where input and output have different shares, the larger: what is charged is never less than what is paid."""
    shares = []
    for name in ("input_cost_per_token", "output_cost_per_token"):
        if prices.get(name) and f"{name}_batches" in prices:
            shares.append(-(-prices[f"{name}_batches"] * 100 // prices[name]))
    share = int(max(shares, default=100))
    return str(share) if 0 < share < 100 else ""


def base_of_tiers(list_of_tiers):
    """The lowest tier's prices; other sellers' lists are not by tokens."""
    ranges = [tier for tier in list_of_tiers if "range" in tier and "input_cost_per_token" in tier]
    if not ranges:
        return {}
    lowest = min(ranges, key=lambda tier: tier["range"][0])
    return {name: price for name, price in lowest.items() if name != "range"}


def tiers(row, prices):
    found = {}
    for key, price in prices.items():
        match = TIER.match(key)
        if match:
            found.setdefault(int(match[2]) * 1000, {})[match[1]] = price
    for tier in row.get("tiered_pricing") or []:
        if "input_cost_per_token" in tier and tier.get("range", [0])[0] > 0:
            found[int(tier["range"][0])] = tier
    said = []
    for above in sorted(found):
        columns = [by_million(found[above].get(name)) for name in TIER_COLUMNS]
        if None in columns:
            return None
        if not columns[-1]:
            # The last is rare.
            columns.pop()
        said.append(f"{above}:{','.join(columns)}")
    return ";".join(said)


def is_said_by_undated(name, rows):
    """The lookup tries names without a date as well, so rows that say the same are not needed."""
    bare = DATED.sub("", name)
    return bare != name and rows.get(bare) == rows[name]


if __name__ == "__main__":
    main()
