"""Judges the time-stamp tokens of a proof package with a third implementation.

Usage: verify_tokens.py FOLDER, which holds ca.pem and pairs NAME.token, NAME.value: a token in DER and the bytes
that it must be over. Prints one line a token, `ok NAME TIME` or `BAD NAME WHY`; exit code 1 when one is bad.
"""

import pathlib
import sys

from cryptography import x509
from rfc3161_client import VerifierBuilder, decode_timestamp_response


def as_response(token: bytes) -> bytes:
    """A granted TimeStampResp (RFC 3161 section 2.4.2) around a token."""
    content = bytes.fromhex("3003020100") + token
    length = len(content)
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    head = bytes([0x30, length]) if length < 128 else bytes([0x30, 0x80 | len(size)]) + size
    return head + content


def verifier(authorities: list[x509.Certificate]):
    builder = VerifierBuilder()
    for one in authorities:
        if one.subject == one.issuer:
            builder = builder.add_root_certificate(one)
        else:
            builder = builder.add_intermediate_certificate(one)
    return builder.build()


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    authorities = x509.load_pem_x509_certificates((folder / "ca.pem").read_bytes())
    bad = 0
    for path in sorted(folder.glob("*.token")):
        try:
            response = decode_timestamp_response(as_response(path.read_bytes()))
            message = path.with_suffix(".value").read_bytes()
            verifier(authorities).verify_message(response, message)
            print("ok", path.stem, response.tst_info.gen_time.isoformat())
        except Exception as error:  # noqa: BLE001, any refusal is a result
            bad += 1
            print("BAD", path.stem, repr(error))
    return 1 if bad else 0


sys.exit(main())
