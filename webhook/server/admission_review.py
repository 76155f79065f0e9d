"""AdmissionReview ``admission.k8s.io/v1``: read strictly, answered so that a pod is never rejected."""

import base64
import gc
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import jsonpatch
import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from webhook.decide.decision import Decision, RequestInfo
from webhook.decide.patch import Operation

# Kubernetes' own have 36 characters. It is in every answer and log line.
UID_LIMIT = 128


class MalformedReviewError(ValueError):
    """A body that is not a valid AdmissionReview v1. The message says why, and does not quote the body."""


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


class GroupResource(_Envelope):
    """The resource that the request is about, such as pods of the core group."""

    group: str = ""
    resource: str


class UserInfo(_Envelope):
    """Who makes the request."""

    username: str = ""


class Review(_Envelope):
    """The request of an AdmissionReview; ``object`` stays the raw JSON object that the API server sent.

    ``old_object`` is what an UPDATE changes, None for a CREATE.
    """

    uid: Annotated[str, StringConstraints(min_length=1, max_length=UID_LIMIT)]
    resource: GroupResource
    sub_resource: str = ""
    namespace: str = ""
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
    user_info: UserInfo = UserInfo()
    object: dict[str, Any]
    old_object: dict[str, Any] | None = None
    dry_run: Any = None

    @property
    def is_dry_run(self) -> bool:
        """Say whether the API server stores nothing: a server-side dry-run."""
        return self.dry_run is True

    @property
    def facts(self) -> RequestInfo:
        """What a decision reads of a request, apart from its object."""
        return RequestInfo(
            self.namespace, self.operation, self.resource.resource, self.sub_resource, self.user_info.username
        )


class _Body(_Envelope):
    """An AdmissionReview. Only its request is read."""

    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: Review


def parse_review(body: bytes | bytearray) -> Review:
    """Return the request of a review. Raises MalformedReviewError."""
    try:
        return _Body.model_validate(_loads(body)).request
    except orjson.JSONDecodeError as error:
        raise MalformedReviewError(f"not JSON: {error.msg} at character {error.pos}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise MalformedReviewError(faults) from None


def _loads(body: bytes | bytearray) -> object:
    """Parse JSON with the garbage collector disabled: it would scan the new values many times without effect."""
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        gc.enable()


def allow(uid: str) -> bytes:
    """Return the answer that lets a request pass as it is."""
    return _answer({"uid": uid, "allowed": True})


def warn(uid: str, warnings: Sequence[str]) -> bytes:
    """Return the answer that lets a request pass as it is, with warnings."""
    return _answer({"uid": uid, "allowed": True, "warnings": warnings})


def patch(uid: str, operations: Sequence[Operation]) -> bytes:
    """Return the answer that lets a request pass with a patch."""
    return _answer({"uid": uid, "allowed": True, **_patched(operations)})


def answer(review: Review, decision: Decision) -> bytes:
    """Return the answer that carries a decision: patch (unless dry-run), warnings and audit annotation."""
    response: dict[str, Any] = {
        "uid": review.uid,
        "allowed": True,
        "auditAnnotations": {"decision": decision.word},
    }
    if decision.warnings:
        response["warnings"] = decision.warnings
    if decision.operations and not decision.dry_run:
        response |= _patched(decision.operations)
    return _answer(response)


def _patched(operations: Sequence[Operation]) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(operations)).decode()}


def check_applies(review: Review, decision: Decision) -> None:
    """Apply the patch in-process, as it will be sent. Raises JsonPatchException, JsonPointerException.

    The API server rejects the pod on a bad patch, even with failurePolicy Ignore, so a patch that does not
    apply here must never be sent. The object is the request's own, and nothing reads it after this.
    """
    document = review.object
    for operation in orjson.loads(orjson.dumps(decision.operations)):
        # One by one: the library's JsonPatch would read each operation twice, first to check it, then to apply it.
        kind = jsonpatch.JsonPatch.operations.get(operation.get("op"))
        if kind is None:
            raise jsonpatch.InvalidJsonPatch("unknown operation")
        document = kind(operation).apply(document)


def _answer(response: dict[str, Any]) -> bytes:
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
