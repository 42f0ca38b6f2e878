"""Self-signed certificates of a server that only tests run, with the key to all of them.

They were made with ``openssl ca -selfsign -startdate ... -enddate ...``.
"""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["EXPIRED", "NOT_YET_VALID", "OF_ANOTHER_HOST", "TRUSTED", "server_tls"]

KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEICk0dTuiyz72JTXeBcpY+Sy8M94NpfgLN8eXvnu1AFVFoAoGCCqGSM49
AwEHoUQDQgAEeW9pfuw7tQ26nV26QbJXtIUuwBNCicBmXB1KvMkYD/8MqW7WIRXO
xITu/14LOI/G7sk2RZC7DDae4c7YBopqtQ==
-----END EC PRIVATE KEY-----
"""

TRUSTED = """\
-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHlvaX7sO7UNup1d
ukGyV7SFLsATQonAZlwdSrzJGA//DKlu1iEVzsSE7v9eCziPxu7JNkWQuww2nuHO
2AaKarWjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBTmcAGfQho1f2RC/uVijhpjjCm1ITAKBggqhkjOPQQD
AgNIADBFAiEA4ifA2otaUoH2oM47wyxPnjW+1BslGxKzKMtZ1gsD+u4CIG5BavJU
0UY5vwGllghBJtikOl5DbYDUYSvPo0AM929W
-----END CERTIFICATE-----
"""
"""For localhost and 127.0.0.1 until the year 2120."""

EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBXzCCAQWgAwIBAgIBAjAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwHhcNMjAwMTAxMDAwMDAwWhcNMjAwMjAxMDAwMDAwWjAUMRIwEAYDVQQDDAls
b2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR5b2l+7Du1DbqdXbpB
sle0hS7AE0KJwGZcHUq8yRgP/wypbtYhFc7EhO7/Xgs4j8buyTZFkLsMNp7hztgG
imq1o0gwRjAUBgNVHREEDTALgglsb2NhbGhvc3QwDwYDVR0TAQH/BAUwAwEB/zAd
BgNVHQ4EFgQU5nABn0IaNX9kQv7lYo4aY4wptSEwCgYIKoZIzj0EAwIDSAAwRQIg
YZZV5k61Wm0vRDwGLSFHs4P0PbsZw5o9myIP2F2CWkECIQD/xDmraUZWJbq3ow3K
wneZZ656w6zMTZreT9/tpoA2xg==
-----END CERTIFICATE-----
"""
"""For localhost, until January 2020."""

NOT_YET_VALID = """\
-----BEGIN CERTIFICATE-----
MIIBZDCCAQmgAwIBAgIBBDAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIhgPMjExOTAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDESMBAGA1UE
AwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeW9pfuw7tQ26
nV26QbJXtIUuwBNCicBmXB1KvMkYD/8MqW7WIRXOxITu/14LOI/G7sk2RZC7DDae
4c7YBopqtaNIMEYwFAYDVR0RBA0wC4IJbG9jYWxob3N0MA8GA1UdEwEB/wQFMAMB
Af8wHQYDVR0OBBYEFOZwAZ9CGjV/ZEL+5WKOGmOMKbUhMAoGCCqGSM49BAMCA0kA
MEYCIQCGjGJx8sv4RBTO5oNKyk/x/DRyoaB4vApqOtMsjyMcIgIhAKL3tD97nVvP
+Nv6C8w8GXE2iYoBl7YVneW2CHcOu3td
-----END CERTIFICATE-----
"""
"""For localhost, from the year 2119."""

OF_ANOTHER_HOST = """\
-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBAzAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAtleGFtcGxl
Lm9yZzAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE
AwwLZXhhbXBsZS5vcmcwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR5b2l+7Du1
DbqdXbpBsle0hS7AE0KJwGZcHUq8yRgP/wypbtYhFc7EhO7/Xgs4j8buyTZFkLsM
Np7hztgGimq1o0owSDAWBgNVHREEDzANggtleGFtcGxlLm9yZzAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBTmcAGfQho1f2RC/uVijhpjjCm1ITAKBggqhkjOPQQD
AgNIADBFAiBCRfG2kAmx0crVPHFcfjLhB7t9F0T0t0CifWaI9iaOvQIhAICLPzAK
8TWO81h8/SaFdtunnS9gXfBAU/t3f5tcPYCU
-----END CERTIFICATE-----
"""
"""For example.org."""


def server_tls(folder: Path, certificate: str) -> tuple[ssl.SSLContext, Path]:
    """Return what a server encrypts with, and the file that makes clients trust it."""
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_text(certificate)
    private.write_text(KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
