"""What the service says of itself: whether it lives, can serve, how all stands, and its figures."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from adapters.apikeys import Principal, Role
from adapters.extras import missing
from adapters.http.answers import Alive, StatusTold, answers
from adapters.http.problems import NotReady
from adapters.http.service import Service, needs, service_of

router = APIRouter(tags=["service"])

_Watcher = Annotated[Principal, Depends(needs(Role.MONITOR, Role.OPERATOR))]
_TEXT = "text/plain"


@router.get("/livez", summary="Whether the process answers", responses=answers(Alive, "It does"))
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


async def readyz(request: Request) -> JSONResponse:
    """503 where touchpoints cannot be appended, with every cause by name.

    A projector that stands still, a sealer or a delivery that is behind keeps nothing from being appended, and no other
    process of the service would do better: they are told, and the answer is 200.
    """
    return JSONResponse(await readiness(service_of(request)))


async def readiness(service: Service) -> dict[str, Any]:
    """What is wrong with a log that can be appended to.

    Raises:
        NotReady: it cannot.
    """
    health = await service.examiner.health()
    if not health.ready:
        raise NotReady(health)
    return {"status": "ready", "causes": [cause.as_dict() for cause in health.causes]}


@router.get(
    "/status",
    summary="How the log and all that follows it stand",
    response_model=None,
    responses=answers(StatusTold, "How they stand"),
)
async def status(request: Request, _: _Watcher) -> JSONResponse:
    """The head of the log with its cursor; what follows it, with its lag in touchpoints and seconds; what is wrong."""
    service = service_of(request)
    health = await service.examiner.health()
    if health.heads is None:
        raise NotReady(health)
    told = {
        "log": service.engine.log.log_id.hex(),
        "touchpoints": sum(health.heads.numbers),
        "cursor": str(health.heads),
        "followers": service.feed.followers,
    }
    return JSONResponse(told | health.as_dict())


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"description": "Figures", "content": {_TEXT: {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, _: _Watcher) -> Response:
    """What all processes of the service counted, and how the log stands.

    Raises:
        ExtraMissing: what counts is not installed.
    """
    service = service_of(request)
    if service.metrics is None:
        raise missing("watch", "figures")
    service.sample()
    return Response(service.metrics.exposition(await service.examiner.health()), media_type=f"{_TEXT}; version=0.0.4")
