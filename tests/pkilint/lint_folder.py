"""Lints a whole folder with pkilint in one process: *.crt, *.crl, *.ocsp (all DER).

pkilint's own commands lint one file and take a second to start. Prints one JSON object: how many files of each
kind were linted, every finding at NOTICE or above once with how often and where first, and the files that did
not load. Usage: lint_folder.py FOLDER
"""

import collections
import json
import multiprocessing
import os
import pathlib
import sys

from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name, ocsp
from pkilint.validation import ValidationFindingSeverity


def certificate_validator():
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def decoders():
    return [
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
    ]


def crl_validator():
    return crl.create_pkix_crl_validator_container(
        decoders(),
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )


def ocsp_validator():
    return ocsp.create_pkix_ocsp_response_validator_container(
        [
            ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )


KINDS = {
    ".crt": (loader.RFC5280CertificateDocumentLoader, certificate_validator),
    ".crl": (loader.RFC5280CertificateListDocumentLoader, crl_validator),
    ".ocsp": (loader.RFC6960OCSPResponseDocumentLoader, ocsp_validator),
}
VALIDATORS = {}


def lint(path):
    """The findings of one file as (severity, code, detail)."""
    load, validator = KINDS[path.suffix]
    if path.suffix not in VALIDATORS:
        VALIDATORS[path.suffix] = validator()
    try:
        document = load().load_der_file(path.open("rb"), path.name)
    except Exception as error:  # whatever it says, the file is not what it should be
        return path, [("FATAL", "does-not-load", str(error))]
    found = []
    for result in VALIDATORS[path.suffix].validate(document.root):
        for one in result.finding_descriptions:
            if one.finding.severity <= ValidationFindingSeverity.NOTICE:
                found.append((one.finding.severity.name, one.finding.code, one.message or ""))
    return path, found


def main():
    files = sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.suffix in KINDS)
    findings = collections.OrderedDict()
    with multiprocessing.Pool(min(2, os.cpu_count() or 1)) as pool:
        for path, found in pool.imap(lint, files, chunksize=25):
            for severity, code, detail in found:
                one = findings.setdefault(
                    (severity, code),
                    {"severity": severity, "code": code, "times": 0, "file": path.name, "detail": detail},
                )
                one["times"] += 1
    linted = collections.Counter(path.suffix.lstrip(".") for path in files)
    print(json.dumps({"linted": linted, "findings": list(findings.values())}))


if __name__ == "__main__":
    main()
