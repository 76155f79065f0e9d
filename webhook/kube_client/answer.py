"""One answer of the API server, and what makes it an error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from webhook.kube.values import text
from webhook.kube_client.api_error import ApiError, UnauthorizedError

SUCCESS = range(200, 300)
UNAUTHORIZED, ABSENT, EXPIRED = 401, 404, 410
NO_OBJECT = "the answer is no JSON object"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and warnings; ``request`` is the method and the path without its query.

    ``is_cut`` says that the body is longer than the caller wanted to read: ``body`` is its beginning.
    """

    request: str
    status: int
    body: bytes
    warnings: tuple[str, ...] = ()
    is_cut: bool = False

    @property
    def is_unauthorized(self) -> bool:
        """Whether the API server does not accept the credentials."""
        return self.status == UNAUTHORIZED

    @property
    def is_absent(self) -> bool:
        """Whether there is no such object, or no such API."""
        return self.status == ABSENT

    @property
    def is_expired(self) -> bool:
        """Whether a continue token is too old; the answer may contain another one."""
        return self.status == EXPIRED

    @property
    def json(self) -> dict[str, Any] | None:
        """The body as a JSON object, None where it is none."""
        return json_object(self.body)

    def check(self) -> None:
        """Raise UnauthorizedError or ApiError unless the answer is a success."""
        if self.is_unauthorized:
            raise UnauthorizedError
        if self.status not in SUCCESS:
            raise error_of(self.request, self.status, self.json or {})

    def item(self) -> dict[str, Any]:
        """Return the object of a success. A body that is not an object must not be taken for an empty one."""
        self.check()
        found = self.json
        if found is None:
            raise error_of(self.request, self.status, {"reason": NO_OBJECT})
        return found


def error_of(request: str, code: object, status: Mapping[str, Any]) -> ApiError:
    """Return the error that a Status object describes."""
    return ApiError(
        code if isinstance(code, int) else 0, text(status.get("reason")), text(status.get("message")), request
    )


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in some bytes, None if there is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
