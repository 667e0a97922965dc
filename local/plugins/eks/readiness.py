"""Waiting until the API server of a new cluster answers.

EKS reports a cluster ACTIVE before the name of its endpoint has spread through DNS, so whatever uses the endpoint
first would fail. See https://github.com/pulumi/pulumi-eks for the official component's wait of five minutes.
"""

import asyncio
import http.client
import ipaddress
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

DEADLINE = 300.0
_REQUEST_TIMEOUT = 1.0
_LONGEST_PAUSE = 5.0


def _opener(proxy: str | None) -> urllib.request.OpenerDirector:
    # Nothing is sent and nothing is believed but the status code, so the certificate is not verified: the
    # cluster's own authority may not be what a proxy in between presents.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if proxy:
        handlers.append(urllib.request.ProxyHandler({"https": proxy, "http": proxy}))
    return urllib.request.build_opener(*handlers)


def is_loopback(url: str) -> bool:
    """Say whether a URL names an address of this machine, for which no name has to spread anywhere."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def await_healthy(
    endpoint: str,
    report: Callable[[str], None],
    *,
    proxy: str | None = None,
    deadline: float = DEADLINE,
) -> bool:
    """Ask ``/healthz`` until it answers 200.

    A refused connection to this very machine is final: such an endpoint listens when its cluster is ACTIVE, or
    there is none behind it.

    Args:
        endpoint: The API server's URL.
        report: Is told, at each failed attempt, what is being waited for.
        proxy: The proxy to go through; that of the environment by default.
        deadline: Seconds after which to give up.

    Returns:
        True when it answered. The caller goes on in either case, since the endpoint may be reachable from
        elsewhere only.
    """
    opener = _opener(proxy)
    url = f"{endpoint}/healthz"

    def answers() -> bool:
        with opener.open(url, timeout=_REQUEST_TIMEOUT) as response:
            return response.status == 200

    end = time.monotonic() + deadline
    pause = 0.25
    while True:
        try:
            if await asyncio.to_thread(answers):
                return True
        except (OSError, http.client.HTTPException) as failure:
            refused = isinstance(getattr(failure, "reason", failure), ConnectionRefusedError)
            if refused and is_loopback(endpoint):
                return False
        remaining = end - time.monotonic()
        if remaining <= 0:
            return False
        report(f"Waiting up to {remaining:.0f} more seconds for {url}")
        await asyncio.sleep(min(pause, remaining))
        pause = min(pause * 2, _LONGEST_PAUSE)
