#!/usr/bin/env python3
"""Verifies an auditor's binder with nothing of CloudArchive's and no network: Python's standard library is enough.

usage: verify.py binder.zip [keys.json]
Without keys.json it takes the binder's own, which show no more than that its parts are of one hand.
Exit code 0: all verified; 7: something failed; 15: nothing failed, and something was not checked.
It does not draw samples or work out numbers again: `cloudarchive binder verify` does.
"""
import base64
import hashlib
import json
import sys
import zipfile

# P-256 (FIPS 186-4, D.1.2.3)
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
MOST = 128 * 1024 * 1024


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0] and (p[1] + q[1]) % P == 0:
        return None
    slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P) if p == q else (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k, p):
    total = None
    while k:
        total, p, k = add(total, p) if k & 1 else total, add(p, p), k >> 1
    return total


def is_signed_by(key, data, signature):
    """ECDSA over SHA-256 (FIPS 186-4, 6.4); the signature is r || s."""
    x, y = (int.from_bytes(unb64(key[name]), "big") for name in ("x", "y"))
    if len(signature) != 64 or not (x < P and y < P and (y * y - x**3 + 3 * x - B) % P == 0):
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N):
        return False
    w = pow(s, -1, N)
    point = add(times(int.from_bytes(hashlib.sha256(data).digest(), "big") * w % N, G), times(r * w % N, (x, y)))
    return point is not None and point[0] % N == r


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def check_jws(jws, payload, typ, keys):
    """None where it holds, else what does not. A payload of None: it is in the JWS (RFC 7515), else beside it (appendix F)."""
    try:
        header, inside, signature = jws.strip().split(".")
        fields = json.loads(unb64(header))
        if fields.get("alg") != "ES256" or fields.get("typ") != typ or "crit" in fields or (payload is None) == (inside == ""):
            return f"it is not signed as {typ}"
        key = next((key for key in keys if key.get("kid") == fields.get("kid") and key.get("kty") == "EC"), None)
        if key is None:
            return "it is signed with a key that is not among the known ones"
        body = inside if payload is None else b64(payload)
        return None if is_signed_by(key, f"{header}.{body}".encode("ascii"), unb64(signature)) else "the signature does not fit"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "it is no signature"


SIGNED = {"evidence.json": ("evidence.jws", "cloudarchive-evidence+jws"), "report.pdf": ("report.jws", "cloudarchive-report+jws"),
          "review.json": ("review.jws", "cloudarchive-access-review+jws"), "certificate.json": ("certificate.jws", "cloudarchive-destruction+jws")}


def verify(path, key_file):
    lines = []  # (state, what, why)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()

        def read(name):
            with archive.open(name) as stream:
                content = stream.read(MOST + 1)
            if len(content) > MOST:
                raise ValueError("it is larger than a binder's files are")
            return content

        if key_file is None:
            lines.append(("not checked", "keys.json", "nobody but the binder vouches for its keys: give those that you saved"))
        keys = json.loads(open(key_file, "rb").read() if key_file else read("keys.json"))["keys"]
        document = read("index.json")
        index = json.loads(document)
        fault = check_jws(read("index.jws").decode("ascii"), document, "cloudarchive-binder+jws", keys)
        lines.append(("failed", "index.jws", fault) if fault else ("verified", "index.json", ""))
        listed = {file["path"]: file for file in index["files"]}
        whole = {}
        for name in sorted(listed):
            if name not in names:
                lines.append(("failed", name, "it is missing"))
                continue
            try:
                whole[name] = read(name)
                same = hashlib.sha256(whole[name]).hexdigest() == listed[name]["sha256"] and len(whole[name]) == listed[name]["length"]
            except (ValueError, zipfile.BadZipFile, zipfile.zlib.error, EOFError):
                same = False
            if not same:
                lines.append(("failed", name, "its bytes are not those that the index names: it was changed"))
                continue
            folder, file = name.rpartition("/")[0], name.rpartition("/")[2]
            own = name == "checkpoint.jws"
            wrong = check_jws(whole[name].decode("ascii", "replace"), None, "cloudarchive-checkpoint+jws", keys) if own else None
            if folder and file in SIGNED and f"{folder}/{SIGNED[file][0]}" in listed and f"{folder}/{SIGNED[file][0]}" in names:
                own, wrong = True, check_jws(read(f"{folder}/{SIGNED[file][0]}").decode("ascii", "replace"), whole[name], SIGNED[file][1], keys)
            lines.append(("failed", name, wrong) if wrong else ("verified", name, "") if own or not fault else ("not checked", name, "the index that names it is not signed"))
            whole[name] = None  # one at a time
        lines += [("failed", name, "the index does not name it: it was added") for name in names if name not in listed and name not in ("index.json", "index.jws")]
        lines += [("failed", name, "it is in the ZIP twice") for name in {name for name in names if names.count(name) > 1}]
        lines += [("not checked", gap["what"], "not included: " + gap["why"]) for gap in index["notIncluded"]]
    return lines


def main(arguments):
    if len(arguments) not in (1, 2):
        print(__doc__)
        return 2
    try:
        lines = verify(arguments[0], arguments[1] if len(arguments) == 2 else None)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        lines = [("failed", arguments[0], f"it cannot be read as a binder: {error}")]
    for state, what, why in lines:
        print(f"{state}: {what}{': ' + why if why else ''}")
    states = {state for state, _, _ in lines}
    return 7 if "failed" in states else 15 if "not checked" in states else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
