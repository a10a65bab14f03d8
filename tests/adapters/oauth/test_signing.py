"""Keys that sign assertions: what is signed can be checked, and bad files are named."""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from mailhaul.adapters.oauth.signing import BadKey, load_certificate, load_service_account

KEY = rsa.generate_private_key(65537, 2048)


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def account(folder: Path, **changes: object) -> str:
    document = {
        "type": "service_account",
        "client_email": "robot@project.example",
        "private_key": pem().decode(),
        "private_key_id": "key-1",
        "token_uri": "https://oauth2.googleapis.com/token",
        **changes,
    }
    path = folder / "key.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_a_service_account_signs(tmp_path: Path) -> None:
    found = load_service_account(account(tmp_path))
    assert (found.email, found.token_uri) == (
        "robot@project.example",
        "https://oauth2.googleapis.com/token",
    )
    assert (found.signer.algorithm, found.signer.header) == ("RS256", (("kid", "key-1"),))
    KEY.public_key().verify(
        found.signer.sign(b"header.claims"), b"header.claims", PKCS1v15(), SHA256()
    )
    assert "PRIVATE" not in repr(found)


def test_a_certificate_signs(tmp_path: Path) -> None:
    issued = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(
        "client.example", key_type=trustme.KeyType.RSA
    )
    path = tmp_path / "client.pem"
    path.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    signer = load_certificate(str(path))
    certificate = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    padding = PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH)
    public.verify(signer.sign(b"header.claims"), b"header.claims", padding, SHA256())
    [(name, thumbprint)] = signer.header
    assert (signer.algorithm, name) == ("PS256", "x5t#S256")
    assert urlsafe_b64decode(thumbprint + "=") == certificate.fingerprint(SHA256())


def test_a_certificate_must_belong_to_its_key(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("client.example")
    path = tmp_path / "client.pem"
    path.write_bytes(pem() + issued.cert_chain_pems[0].bytes())
    with pytest.raises(BadKey, match="does not belong"):
        load_certificate(str(path))
    path.write_bytes(pem())
    with pytest.raises(BadKey, match="no certificate"):
        load_certificate(str(path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_email": 7}, "client_email"),
        ({"private_key": ""}, "private_key"),
        ({"private_key": "secret words"}, "no private key in PEM"),
        ({"private_key": pem(ec.generate_private_key(ec.SECP256R1())).decode()}, "not an RSA key"),
        ({"private_key": pem(KEY, BestAvailableEncryption(b"x")).decode()}, "passphrase"),
        ({"token_uri": "http://evil.example"}, "token_uri"),
    ],
)
def test_a_bad_file_is_named_and_not_shown(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    path = account(tmp_path, **changes)
    with pytest.raises(BadKey, match=words) as caught:
        load_service_account(path)
    assert path in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 50_000, "x" * 70_000])
def test_other_files_are_no_accounts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)
    with pytest.raises(BadKey, match=r"key\.json: "):
        load_service_account(str(path))
    with pytest.raises(BadKey, match="No such file"):
        load_service_account(str(tmp_path / "missing"))


def test_a_systemd_credential_of_the_same_name_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_service_account("/nowhere/key.json").email == "robot@project.example"


def test_without_cryptography_the_next_step_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(BadKey, match=r"install mailhaul\[oauth\]"):
        load_service_account(account(tmp_path))
