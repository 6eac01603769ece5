"""What a caller may send: of which kinds, about whom."""

from http import HTTPStatus

from adapters.apikeys import Principal
from adapters.http.problems import RequestRefused
from adapters.http.service import within
from domain.corrections import ERASED
from domain.kinds.log_itself import NOTED_KINDS
from domain.touchpoint import Envelope

_NEVER_SENT = NOTED_KINDS | {ERASED}


def may_send(principal: Principal, subject: str, kind: str) -> None:
    """Check whether a touchpoint of this kind is taken from a caller about this subject.

    Raises:
        RequestRefused: it is not.
    """
    within(principal, subject, kind)
    if kind in _NEVER_SENT:
        raise RequestRefused(
            HTTPStatus.FORBIDDEN,
            "no touchpoint of this kind is sent",
            where="type",
            rule="the log notes what it refused, opened or destroyed, and who forgets a customer is known by a key",
            way_out="send what happened with the customer; an operator forgets one at POST /subjects/{subject}/erasure",
        )


def may_join(principal: Principal, merge: Envelope) -> None:
    """Check a merge, or its revert, which reaches further than the subject that it names.

    Raises:
        RequestRefused: the caller may not.
    """
    joined = merge.data.model_dump()
    for subject in (joined["survivor"], joined["absorbed"]):
        within(principal, subject)
