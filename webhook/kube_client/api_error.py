"""Errors of an API server. This is the only place that compares HTTP statuses."""

MAX_REASON, MAX_MESSAGE = 64, 2000


class CredentialsError(OSError):
    """There are no usable credentials; the message contains no secret. A command ends at once."""


class UnauthorizedError(CredentialsError):
    """The API server does not accept the credentials (401).

    It is no ApiError: code that handles "this kind cannot be read" must not handle a failed login.
    """

    def __init__(self) -> None:
        # kubectl's wording.
        super().__init__("You must be logged in to the server (Unauthorized)")


class ApiError(Exception):
    """The API server answered with an error.

    ``status`` is 0 where the answer breaks the protocol. ``reason`` is the stable word of its Status. ``message`` may
    repeat the request, which can contain private keys: it is only for users at a terminal, and never part of ``str``.
    """

    def __init__(self, status: int = 0, reason: str = "", message: str = "", request: str = "") -> None:
        self.status, self.reason, self.message = status, reason[:MAX_REASON], message[:MAX_MESSAGE]
        self.request = request
        super().__init__(f"{self.status or ''} {self.reason}".strip())

    @property
    def with_request(self) -> str:
        """The request, and the answer in short, for logs."""
        return f"{self.request}: {self}" if self.request else str(self)

    @property
    def for_people(self) -> str:
        """The answer, with the API server's own message if there is one."""
        return self.message or str(self)

    @property
    def is_absent(self) -> bool:
        """Whether there is no such object, or no such API."""
        return self.status == 404  # noqa: PLR2004 - Not Found

    @property
    def is_forbidden(self) -> bool:
        """Whether the caller has no right to do this, or admission refused it."""
        return self.status == 403  # noqa: PLR2004 - Forbidden

    @property
    def is_conflict(self) -> bool:
        """Whether the object exists already, or changed since it was read."""
        return self.status == 409  # noqa: PLR2004 - Conflict

    @property
    def is_expired(self) -> bool:
        """Whether a resourceVersion or continue token is too old."""
        return self.status == 410  # noqa: PLR2004 - Gone

    @property
    def is_invalid(self) -> bool:
        """Whether a patch did not apply, or validation refused the object."""
        return self.status == 422  # noqa: PLR2004 - Unprocessable Entity

    @property
    def is_too_many(self) -> bool:
        """Whether it must be tried later: a disruption budget, or too many requests."""
        return self.status == 429  # noqa: PLR2004 - Too Many Requests

    @property
    def is_bad_request(self) -> bool:
        """Whether the request makes no sense now, such as the log of a container that has not started."""
        return self.status == 400  # noqa: PLR2004 - Bad Request

    @property
    def lost_race(self) -> bool:
        """Whether a write came too late: the object changed, moved or was deleted meanwhile."""
        return self.is_conflict or self.is_absent or self.is_invalid
