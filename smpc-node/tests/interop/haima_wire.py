"""Channels, gRPC and protobuf by hand, written from docs/protocol.md. Needs grpcio and
cryptography.
"""

import os
import socket
import ssl
import sys

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../../../crypto/tests/interop"))
from haima_crypto import byte_string, digest, text  # noqa: E402

PROTOCOL = 8


# Protobuf: a handful of fields.


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value if value else b""


def fields(message):
    """Number to values of a message whose fields are numbers and byte strings."""
    at, found = 0, {}

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            length = number()
            value, at = message[at : at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


# Channels.


def pinned_certificate(party, certificate, key):
    """The party's certificate, once its key is the one that the manifest pins."""
    host, port = party["address"].rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port)), timeout=10) as tcp:
        with context.wrap_socket(tcp, server_hostname="party.haima.invalid") as tls:
            der = tls.getpeercert(binary_form=True)
    found = x509.load_der_x509_certificate(der)
    spki = found.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pin = digest(text("haima tls pin 1") + byte_string(spki)).hex()
    if pin != party["tls"]:
        raise SystemExit(f"{party['name']}: its key is {pin}, the manifest has {party['tls']}")
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.public_bytes(serialization.Encoding.PEM), names[0].value


class Service:
    """A service of a party of the manifest, as a site calls it. Messages are bytes."""

    def __init__(self, name, party, certificate, key):
        root, host = pinned_certificate(party, certificate, key)
        with open(key, "rb") as k, open(certificate, "rb") as c:
            credentials = grpc.ssl_channel_credentials(root, k.read(), c.read())
        options = [("grpc.ssl_target_name_override", host)]
        self.name = name
        self.channel = grpc.secure_channel(party["address"], credentials, options)

    def arguments(self, kind, name, versions, timeout):
        """A call of the channel, and what is said with it."""
        call = getattr(self.channel, kind)(f"/{self.name}/{name}", lambda b: b, lambda b: b)
        return call, {"metadata": [("haima-protocol", versions)], "timeout": timeout}

    def call(self, name, messages, versions=str(PROTOCOL), timeout=30):
        """One answer to one message or several."""
        call, said = self.arguments("stream_unary", name, versions, timeout)
        return call(iter(messages), **said)

    def stream(self, name, message, versions=str(PROTOCOL), timeout=None):
        """Answers to one message, as they come."""
        call, said = self.arguments("unary_stream", name, versions, timeout)
        return call(message, **said)


def refusal(error):
    """A refused call, in words."""
    return f"refused: {error.code().name}: {error.details()}"


def flip(value, at=None):
    """The value with one byte flipped, the middle one unless another is named."""
    at = len(value) // 2 if at is None else at
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
