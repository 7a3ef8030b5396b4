#!/usr/bin/env python3
"""Draws a restore test's sample again, from evidence.json alone, with nothing of CloudArchive's: Python's standard library is enough.

usage: redraw-sample.py evidence.json
Prints the sample; exit code 0 where it is the one that the document states, 1 where it is another.
It checks no signature: `cloudarchive evidence verify` does. The rules are in restore-tests.md.
"""
import base64
import hashlib
import json
import sys


def draw(root, budget, population):
    """root: 32 bytes; budget and population as in the evidence. Returns [(pack, reason)]."""
    by_id = {pack["pack"]: pack for pack in population}
    size = {id: pack["bytes"] for id, pack in by_id.items()}
    # All times are UTC with the same suffix, so their text sorts as they do.
    untested_since = {id: pack.get("lastTestedAt", pack["committedAt"]) for id, pack in by_id.items()}
    order = sorted(by_id, key=lambda id: hashlib.sha256(root + id.encode("ascii")).digest())
    total = sum(size.values())
    if len(order) <= budget["packs"] and total <= budget["bytes"]:
        return [(id, "everything") for id in order]

    k = min(budget["packs"], len(order))
    half = (k + 1) // 2
    affordable = budget["bytes"] // 2 * len(order) // total if total else half
    random = order[: max(1, min(half, affordable))]
    sample = [(id, "random") for id in random]
    taken = sum(size[id] for id in random)
    oldest = sorted(order[len(random):], key=lambda id: (untested_since[id], id))
    for place, id in enumerate(oldest[: k - len(random)]):
        taken += size[id]
        if taken > budget["bytes"] and place > 0:
            break
        sample.append((id, "oldest-untested"))
    return sample


def main(path):
    with open(path, "rb") as file:
        evidence = json.load(file)
    payload = evidence["checkpoint"].split(".")[1]
    checkpoint = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    drawn = draw(bytes.fromhex(checkpoint["root"]), evidence["budget"], evidence["population"])
    for pack, reason in drawn:
        print(pack, reason)
    return 0 if drawn == [(entry["pack"], entry["reason"]) for entry in evidence["sample"]] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
