"""A certificate authority of the control plane's own, so that nobody ever has to turn verification off."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=3650)  # a development plane must not stop working one day
BACKDATED = timedelta(hours=1)  # for clocks that are not quite the same, as in virtual machines


@dataclass(frozen=True)
class KeyPair:
    """A PEM certificate and its PEM private key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own certificate and key lie in `folder`, made at the first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pair = KeyPair(folder / "ca.crt", folder / "ca.key")
        if not (self._pair.certificate.exists() and self._pair.key.exists()):
            self._create()
        self._certificate = x509.load_pem_x509_certificate(self._pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(self._pair.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._pair.key} is not a key of this authority; delete the folder {folder}")
        self._key = key

    @property
    def certificate(self) -> Path:
        """What others need in order to trust the certificates issued here."""
        return self._pair.certificate

    def issue(self, name: str, hosts: Sequence[str] = ()) -> KeyPair:
        """A new certificate for `name` as client and, for the DNS names and addresses in `hosts`, as server."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(name, self._certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        pair = KeyPair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        return _write(pair, builder.sign(self._key, hashes.SHA256()), key)

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("Tandem local control plane")
        certificate = (
            _builder("Tandem local control plane", subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_signs_certificates(), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(self._pair, certificate, key)


def create_key(path: Path) -> Path:
    """A new private key, unless `path` is there already: one that signs service account tokens must stay the same."""
    if not path.exists():
        write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.rename(path)


def _builder(name: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
    )


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    write_private(pair.key, _pem(key))
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return pair


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The traditional form, because kube-apiserver reads signing keys in it under every version.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
