"""The call of a witness over HTTP, as C2SP's tlog-witness says. In: a checkpoint of a log whose keys are known here, with
the proof that it grew. Out: cosignatures, or the size that is held. Nothing else of the node is served here."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from gateway.domain.witness import MOST_LETTER, Growth, read_request
from gateway.errors import Clash, InvalidProof, NotFound
from gateway.witnessing.cosigning import Cosigner, CosigningResult

_SIZE_TYPE = "text/x.tlog.size"


def witness_app(cosigner: Cosigner) -> web.Application:
    """Return the application with the one call."""

    async def add_checkpoint(request: web.Request) -> web.Response:
        try:
            question = read_request((await request.read()).decode())
        except (InvalidProof, UnicodeDecodeError) as cause:
            return _refused(HTTPStatus.BAD_REQUEST, cause)
        try:
            return _answer(await cosigner.cosign(question))
        except NotFound as cause:
            return _refused(HTTPStatus.NOT_FOUND, cause)
        except InvalidProof as cause:
            return _refused(HTTPStatus.FORBIDDEN, cause)
        except Clash as cause:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, cause)

    app = web.Application(client_max_size=MOST_LETTER)
    app.router.add_post("/add-checkpoint", add_checkpoint)
    return app


def _answer(verdict: CosigningResult) -> web.Response:
    size = verdict.latest.checkpoint.size if verdict.latest is not None else 0
    if verdict.cosigned is not None:
        return web.Response(text="".join(map(str, verdict.cosigned.signatures)))
    if verdict.growth in (Growth.OTHER_START, Growth.SHRANK) or verdict.is_same_size:
        return web.Response(status=HTTPStatus.CONFLICT, text=f"{size}\n", content_type=_SIZE_TYPE)
    return _refused(
        HTTPStatus.UNPROCESSABLE_ENTITY, "the proof does not show that the log grew from what is held"
    )


def _refused(status: HTTPStatus, cause: object) -> web.Response:
    return web.Response(status=status, text=f"{cause}\n")
