"""Whether an address is one that a client of HTTP can use: otherwise it fails with an error of its own."""

from yarl import URL

from webhook.kube_client.api_error import CredentialsError


def check_url(address: str, what: str) -> None:
    """Raise CredentialsError for an address that is none; it may contain a password, so it is not shown."""
    try:
        url = URL(address)
        is_valid = url.scheme in ("http", "https") and bool(url.raw_host) and url.port is not None
        # As a resolver does, which refuses names with empty or long parts.
        (url.raw_host or "").encode("idna")
    except ValueError:
        is_valid = False
    if not is_valid:
        raise CredentialsError(f"credentials: the address of the {what} is no valid http:// or https:// URL")
