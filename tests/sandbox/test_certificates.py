"""The certificates of the databases."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sandbox.certificates import make_certificates

REGIONS = ("us-east-2", "eu-west-1")


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_each_region_has_a_certificate_of_one_ca_for_its_own_names(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls", REGIONS)
    ca = load(tmp_path / "tls" / "ca.crt")
    for region in REGIONS:
        certificate = load(tmp_path / "tls" / f"{region}.crt")
        certificate.verify_directly_issued_by(ca)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert f"{region}.db.internal" in names.get_values_for_type(x509.DNSName)


def test_the_key_of_the_ca_is_kept_nowhere(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls", REGIONS)
    ca_key = load(tmp_path / "tls" / "ca.crt").public_key()
    keys = list((tmp_path / "tls").glob("*.key"))
    assert len(keys) == len(REGIONS)
    for path in keys:
        assert path.stat().st_mode & 0o777 == 0o600
        assert load_pem_private_key(path.read_bytes(), None).public_key() != ca_key


def test_what_a_killed_start_left_is_made_again_and_what_is_complete_is_kept(
    tmp_path: Path,
) -> None:
    (tmp_path / "tls.new").mkdir()
    (tmp_path / "tls.new" / "ca.crt").write_text("half")
    make_certificates(tmp_path / "tls", REGIONS)
    first = (tmp_path / "tls" / "ca.crt").read_text()
    make_certificates(tmp_path / "tls", REGIONS)
    assert (tmp_path / "tls" / "ca.crt").read_text() == first
    assert not (tmp_path / "tls.new").exists()
