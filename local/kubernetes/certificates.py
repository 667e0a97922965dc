"""The certificates and keys of one control plane.

Which component shows what to whom: https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = dt.timedelta(days=3650)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, in PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority with its files in a folder; made when it is not there yet.

    Args:
        folder: for the authority's and all issued certificates.
        name: file name and common name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.files = _files(folder, name)
        if self.files.certificate.exists():
            self._key = serialization.load_pem_private_key(self.files.key.read_bytes(), None)
            self._certificate = x509.load_pem_x509_certificate(self.files.certificate.read_bytes())
            return
        key = ec.generate_private_key(ec.SECP256R1())
        # EKS's own authorities have this name, and so do kubeadm's.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes" if name == "ca" else name)])
        usage = _key_usage(signs_certificates=True)
        builder = _builder(subject, subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._key = key
        self._certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        _write(self.files, self._certificate, key)

    def issue(
        self, name: str, common_name: str, organization: str | None = None, hosts: tuple[str, ...] = ()
    ) -> KeyPair:
        """Issue a certificate, unless its files are there.

        Args:
            name: the files' name.
            common_name: whom it is for; to Kubernetes, the user's name.
            organization: to Kubernetes, the user's group.
            hosts: names and addresses that a server with it may have; without any it is for clients only.
        """
        files = _files(self._folder, name)
        if files.certificate.exists():
            return files
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organization:
            subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        builder = _builder(x509.Name(subject), self._certificate.subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if hosts:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        _write(files, builder.sign(self._key, hashes.SHA256()), key)
        return files


def service_account_keys(folder: Path) -> tuple[Path, Path]:
    """Return the files of the public and the private key for service account tokens, made if need be.

    They are RSA keys, because EKS signs with RS256 and readers of its tokens may know nothing else.
    """
    public, private = folder / "service-account.pub", folder / "service-account.key"
    if not public.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        _write_private(private, _private_pem(key))
        public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    return public, private


def _files(folder: Path, name: str) -> KeyPair:
    return KeyPair(folder / f"{name}.crt", folder / f"{name}.key")


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks that are a little behind must not refuse what is new.
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _YEARS)
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    # The traditional form is what every Kubernetes component reads, of any age.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write(files: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write_private(files.key, _private_pem(key))
    # Last: who finds the certificate may rely on the key.
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_private(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
