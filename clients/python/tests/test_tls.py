"""Nothing of a job goes to a server that is not the right one."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from sandrun import Client, Unreachable, Untrusted

from .fake import Answer, Asked, FakeServer, Shared, make_async, make_sync, says

HEALTHY = {"status": "healthy"}


def make_certificate(place: Path, name: str) -> Path:
    """Certificate and key in one file."""
    path = place / name
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *key, *names, "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    with path.open("a") as file:
        file.write(Path(f"{path}.crt").read_text())
    return path


class Trust(Shared):
    make: Any
    place: tempfile.TemporaryDirectory[str]
    certificate: Path
    other: Path
    fingerprint: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.place = tempfile.TemporaryDirectory()
        cls.certificate = make_certificate(Path(cls.place.name), "a.pem")
        cls.other = make_certificate(Path(cls.place.name), "b.pem")
        der = ssl.PEM_cert_to_DER_cert(Path(f"{cls.certificate}.crt").read_text())
        cls.fingerprint = hashlib.sha256(der).hexdigest()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.place.cleanup()

    def setUp(self) -> None:
        def handler(_: Asked) -> Answer:
            return [says(HEALTHY)]

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.certificate)
        self.server = FakeServer(handler, tls)
        self.addCleanup(self.server.close)

    def client(self, **options: Any) -> Any:
        client = self.make(self.server.url, **options)
        self.addCleanup(client.close)
        return client

    def test_its_fingerprint_is_enough(self) -> None:
        pairs = ":".join(self.fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
        for form in (self.fingerprint, pairs, f"SHA256:{pairs}", f"sha-256={self.fingerprint}"):
            self.assertTrue(self.client(fingerprint=form).health().ok, form)

    def test_another_fingerprint_sends_nothing(self) -> None:
        with self.assertRaisesRegex(Untrusted, "another fingerprint"):
            self.client(fingerprint="0" * 64).run("secret")
        self.assertEqual(self.server.asked, [])

    def test_authorities_of_a_file(self) -> None:
        self.assertTrue(self.client(ca_file=f"{self.certificate}.crt").health().ok)
        with self.assertRaisesRegex(Untrusted, "not trusted"):
            self.client(ca_file=f"{self.other}.crt").run("secret")
        with self.assertRaisesRegex(Untrusted, "not trusted"):
            self.client().run("secret")
        self.assertEqual(len(self.server.asked), 1)

    def test_the_name_must_be_right_too(self) -> None:
        url = self.server.url.replace("127.0.0.1", "localhost")
        client = self.make(url, ca_file=f"{self.certificate}.crt")
        self.addCleanup(client.close)
        with self.assertRaisesRegex(Untrusted, "ame"):
            client.health()

    def test_a_server_without_tls_is_said_to_be_one(self) -> None:
        plain = FakeServer(lambda _: [b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
        self.addCleanup(plain.close)
        client = self.make(plain.url.replace("http", "https"))
        self.addCleanup(client.close)
        with self.assertRaises(Unreachable):
            client.health()


class SyncTrust(Trust, unittest.TestCase):
    make = staticmethod(make_sync)


class AsyncTrust(Trust, unittest.TestCase):
    make = staticmethod(make_async)


class Addresses(unittest.TestCase):
    def test_plain_http_goes_to_this_machine_only(self) -> None:
        for host in ("localhost", "127.0.0.1:80", "127.9.9.9", "[::1]:8443"):
            Client(f"http://{host}")
        for host in ("example.com", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com"):
            with self.subTest(host), self.assertRaises(ValueError):
                Client(f"http://{host}")

    def test_refuses_what_is_no_address(self) -> None:
        for server in ("", "localhost:1", "ftp://x", "https://", "https://u@x", "https://x?a=b",
                       "https://x#a", "https://x:99999", "https://x:y"):  # fmt: skip
            with self.subTest(server), self.assertRaises(ValueError):
                Client(server)
        for fingerprint in ("", "00", "g" * 64, "0" * 65):
            with self.subTest(fingerprint), self.assertRaises(ValueError):
                Client("https://x", fingerprint=fingerprint)
        with self.assertRaises(ValueError):
            Client("http://localhost", fingerprint="0" * 64)
        with self.assertRaises(OSError):
            Client("https://x", ca_file="/nonexistent")

    def test_the_environment_names_a_server(self) -> None:
        named = {"SANDRUN_SERVER": "https://x:1/y/", "SANDRUN_FINGERPRINT": "AB" * 32}
        with mock.patch.dict(os.environ, named):
            place = Client()._endpoint
            self.assertEqual((place.authority, place.prefix), ("x:1", "/y"))
            self.assertEqual(place.fingerprint, "ab" * 32)
            # A pin of another server must not stop one that was named, nor be trusted for it.
            self.assertIsNone(Client("https://other")._endpoint.fingerprint)
        with mock.patch.dict(os.environ, clear=True), self.assertRaises(ValueError):
            Client()


if __name__ == "__main__":
    unittest.main()
