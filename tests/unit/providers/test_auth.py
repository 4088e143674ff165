"""Credentials with the real SDKs: signatures checked by an independent verifier, tokens from servers on loopback."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from botocore.session import Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth import jwt
from hypothesis import given
from hypothesis import strategies as st

from providers.auth import credential_for, obtain, require_sdk
from providers.dialects import DIALECTS
from providers.dialects.base import HttpRequest, Prompt
from providers.errors import ConfigError
from providers.spec import Provider
from providers.wire import rendered
from tests.unit.providers import sigv4

KEY_ID, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # AWS's published examples
ASK = HttpRequest("POST", "https://api.test/v1/chat", {"content-type": "application/json"}, b"{}")
ELSEWHERE = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "GOOGLE_APPLICATION_CREDENTIALS",
             "IDENTITY_ENDPOINT", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET")  # fmt: skip


def provider(**auth):
    entry = {"name": "p", "type": "http", "base_url": "https://api.test/v1", "region": "us-east-1", "auth": auth}
    return Provider.model_validate(entry)


def obtained(**auth):
    credential = credential_for(provider(**auth))
    credential.refresh()
    return credential


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No identity of the person who runs the tests, and no look at a cloud's metadata address."""
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")


@pytest.fixture
def aws_keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.fixture
def serve():
    """``serve(answer)``: a server whose ``answer(wire)`` gives the JSON of each request; its URL."""
    servers = []

    def start(answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def _any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                head = f"{self.requestline}\r\n" + "\r\n".join(f"{n}: {v}" for n, v in self.headers.items())
                reply = json.dumps(answer(head.encode("latin-1") + b"\r\n\r\n" + body)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = _any  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# ---- AWS


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)
def test_the_verifier_accepts_the_vectors_that_aws_publishes(method, signature):
    """get-vanilla and post-vanilla of AWS's Signature Version 4 test suite; another digit is refused."""
    wire = (
        f"{method} / HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/service/aws4_request,"
        f" SignedHeaders=host;x-amz-date, Signature=%s\r\n\r\n"
    )
    assert sigv4.valid((wire % signature).encode(), SECRET_KEY)
    assert not sigv4.valid((wire % (signature[:-1] + "0")).encode(), SECRET_KEY)


@functools.cache
def example_signer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        return obtained(kind="aws-sigv4")


# "." and ".." would be path segments, which AWS resolves before it checks; no model is called so.
@given(
    model=st.text("abz019.:-_~@/ %é+", min_size=1, max_size=30).filter(lambda text: text.strip(".")),
    query=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.text("xyz019-", max_size=5), max_size=3),
    body=st.binary(max_size=60),
    port=st.sampled_from(["", ":443", ":8443"]),
)
def test_the_signature_is_that_of_the_bytes_that_are_sent(model, query, body, port):
    """Method, path as encoded, query, host with its port, and body: as a server reads them off the wire."""
    credential = example_signer()
    url = f"https://bedrock.test{port}/model/{quote(model, safe='')}/converse" + (
        f"?{urlencode(query)}" if query else ""
    )
    request = HttpRequest("POST", url, {"content-type": "application/json", "accept": "x"}, body)
    wire = rendered(request, credential.headers(request), "r-1")
    assert sigv4.valid(wire, SECRET_KEY)
    assert not sigv4.valid(wire + b"!", SECRET_KEY)
    assert not sigv4.valid(wire.replace(b"/converse", b"/convers", 1), SECRET_KEY)
    assert not sigv4.valid(wire, SECRET_KEY + "x")


@pytest.mark.usefixtures("aws_keys")
def test_a_model_with_a_colon_goes_where_botocore_itself_sends_it(serve):
    """Path and signature of botocore's own client and of ours, for the id that every hand-made signer gets wrong."""
    seen = []
    said = {"message": {"role": "assistant", "content": [{"text": "y"}]}}
    url = serve(lambda wire: seen.append(wire) or {"output": said, "stopReason": "end_turn"})
    model = "us.openai.gpt-oss-120b-1:0"
    client = Session().create_client("bedrock-runtime", region_name="us-east-1", endpoint_url=url)
    client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "x"}]}])
    client.close()
    entry = {"name": "p", "type": "http", "base_url": url, "dialect": "bedrock-converse", "model": model,
             "request": {"stream": False}, "auth": {"kind": "aws-sigv4", "region": "us-east-1"}}  # fmt: skip
    ours = Provider.model_validate(entry)
    credential = credential_for(ours)
    credential.refresh()
    request = DIALECTS["bedrock-converse"].build(Prompt("p", (("user", "x"),)), ours)
    wire = rendered(request, credential.headers(request), "r-1")
    assert sigv4.parsed(seen[0])[:2] == sigv4.parsed(wire)[:2]
    assert [True, True] == [sigv4.valid(each, SECRET_KEY) for each in (seen[0], wire)]


def test_a_profile_with_a_session_token_signs_that_token_too(monkeypatch, tmp_path):
    """x-amz-security-token travels, is signed, and is known as a secret."""
    file = tmp_path / "credentials"
    lines = ["[work]", f"aws_access_key_id={KEY_ID}", f"aws_secret_access_key={SECRET_KEY}", "aws_session_token=tok-1"]
    file.write_text("\n".join(lines))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    credential = obtained(kind="aws-sigv4", profile="work", region="eu-west-1", service="bedrock")
    wire = rendered(ASK, credential.headers(ASK), "r-1")
    _, _, headers, _ = sigv4.parsed(wire)
    assert "tok-1" == headers["x-amz-security-token"]
    assert "/eu-west-1/bedrock/aws4_request" in headers["authorization"]
    assert "x-amz-security-token" in headers["authorization"]
    assert sigv4.valid(wire, SECRET_KEY)
    assert [SECRET_KEY, "tok-1"] == [secret.reveal() for secret in credential.secrets]


def test_credentials_of_a_role_say_when_they_expire_and_are_renewed(monkeypatch, serve):
    """A container's endpoint hands out keys for minutes: each refresh asks for new ones."""
    asked = []

    def answer(wire):
        asked.append(wire)
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 500))
        return {"AccessKeyId": KEY_ID, "SecretAccessKey": f"secret-{len(asked)}", "Token": "t", "Expiration": until}

    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", serve(answer) + "/role")
    credential = obtained(kind="aws-sigv4")
    assert 400 < credential.expires_at - time.time() <= 500
    before = credential.secrets[0].reveal()
    credential.refresh()
    assert before != credential.secrets[0].reveal()
    assert sigv4.valid(rendered(ASK, credential.headers(ASK), "r"), credential.secrets[0].reveal())


# ---- Google


def test_a_service_account_trades_a_signed_claim_for_a_token(serve, tmp_path):
    """google-auth signs a JWT with the file's key, our scope in it; the token is the header until the next refresh."""
    key = rsa.generate_private_key(65537, 2048)
    claims = []

    def answer(wire):
        form = parse_qs(sigv4.parsed(wire)[3].decode())
        claims.append(jwt.decode(form["assertion"][0], certs=_certificate(key)))  # verifies the signature
        return {"access_token": f"ya29.token-{len(claims)}", "expires_in": 3600, "token_type": "Bearer"}

    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = tmp_path / "account.json"
    account = {"type": "service_account", "client_email": "me@test", "private_key": private, "token_uri": serve(answer)}
    file.write_text(json.dumps(account))
    credential = obtained(kind="gcp-oauth", credentials_file=str(file))
    assert {"authorization": "Bearer ya29.token-1"} == credential.headers(ASK)
    assert "https://www.googleapis.com/auth/cloud-platform" == claims[0]["scope"]
    assert 3000 < credential.expires_at - time.time() <= 3600
    credential.refresh()
    assert {"authorization": "Bearer ya29.token-2"} == credential.headers(ASK)
    assert ["ya29.token-2"] == [secret.reveal() for secret in credential.secrets]


def _certificate(key):
    """google-auth verifies by certificate: the key, signed by itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


# ---- Azure


@pytest.mark.parametrize(
    ("scope", "resource"),
    [(None, "https://cognitiveservices.azure.com"), ("https://ai.azure.com/.default", "https://ai.azure.com")],
)
def test_a_managed_identity_gives_a_token_for_the_scope(monkeypatch, serve, scope, resource):
    """The endpoint that an Azure host offers, asked by azure-identity's default chain."""
    asked = []

    def answer(wire):
        asked.append(sigv4.parsed(wire))
        return {"access_token": "entra-1", "expires_on": int(time.time()) + 4000, "resource": resource,
                "token_type": "Bearer"}  # fmt: skip

    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", serve(answer) + "/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "CANARY-header")
    credential = obtained(kind="azure-entra", **({"scope": scope} if scope else {}))
    assert {"authorization": "Bearer entra-1"} == credential.headers(ASK)
    assert 3900 < credential.expires_at - time.time() <= 4000
    assert resource == parse_qs(urlsplit(asked[0][1]).query)["resource"][0]
    assert "CANARY-header" == asked[0][2]["x-identity-header"]


# ---- what cannot be had


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"kind": "aws-sigv4"}, ["NoCredentialsError", "run 'aws configure'"]),
        ({"kind": "aws-sigv4", "profile": "nobody"}, ["profile", "nobody"]),
        ({"kind": "gcp-oauth"}, ["DefaultCredentialsError", "gcloud auth application-default login"]),
        ({"kind": "gcp-oauth", "credentials_file": "no.json"}, ["FileNotFoundError", "auth.credentials_file"]),
        ({"kind": "azure-entra"}, ["ClientAuthenticationError", "az login"]),
    ],
)
def test_a_credential_that_cannot_be_had_is_one_line_with_a_remedy(auth, words):
    """Before anything is sent, whatever exception the SDK has for it."""
    asking = provider(**auth)
    with pytest.raises(ConfigError) as caught:
        obtain(asking, credential_for(asking))
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in ["provider 'p': key 'auth': ", *words]), caught.value


@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [("aws-sigv4", "botocore", "aws"), ("gcp-oauth", "google.auth", "gcp"), ("azure-entra", "azure.identity", "azure")],
)
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, kind, module, extra):
    """What to type stands at the end of the line."""
    require_sdk(provider(kind=kind))
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ConfigError) as caught:
        credential_for(provider(kind=kind))
    assert f"provider 'p': key 'auth.kind': {kind} needs the package {module}; run: pip install -e '.[{extra}]'" == str(
        caught.value
    )


def test_a_fixed_header_is_obtained_without_asking_anyone():
    """bearer, api-key and header: what stood in the file, for ever."""
    credential = obtained(kind="api-key", token="k")
    assert ({"api-key": "k"}, None, ()) == (credential.headers(ASK), credential.expires_at, credential.secrets)
    assert {} == obtained(kind="none").headers(ASK)
