"""OpenID Connect: the house's provider says who somebody is (authorization code flow with PKCE).

OpenID Connect Core 1.0 §3.1, RFC 7636 (PKCE, S256), RFC 9207 (issuer in the answer). For signing in only.
"""

from cytoloop.adapters.openid.asking import UnansweredError
from cytoloop.adapters.openid.claims import Expected
from cytoloop.adapters.openid.provider import Answer, Attempt, Client, begin, proven

__all__ = ["Answer", "Attempt", "Client", "Expected", "UnansweredError", "begin", "proven"]
