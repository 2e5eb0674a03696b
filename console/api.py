"""The JSON API (docs/console.md). `console.gate` has checked the access before."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.audio import Objects, Waveforms, audio_response
from console.auditing import Auditor
from console.parameters import BadParameterError, read_search, read_unmatched
from console.peaks import NotAWavError
from console.views import Json, call_json, contact_json, recording_json
from pipeline.store.repository import Repository
from pipeline.store.search import StoredRecording
from schemas.records import ContactRecording
from schemas.states import RecordingState


class ConsoleApi:
    """The API's endpoints, which read a repository and a recordings store."""

    def __init__(self, repository: Repository, objects: Objects, auditor: Auditor) -> None:
        self._repository = repository
        self._auditor = auditor
        self._objects = objects
        self._waveforms = Waveforms(objects)

    def routes(self) -> list[Route]:
        """Return the routes of all endpoints but those of `console.administration`."""
        one = "/api/recordings/{name}"
        return [
            Route("/api/contacts", self.contacts),
            Route("/api/contacts/{contact_id}", self.contact),
            Route("/api/calls", self.calls),
            Route("/api/recordings", self.recordings),
            Route(one, self.recording),
            Route(f"{one}/audio", self.audio),
            Route(f"{one}/manifest", self.manifest),
            Route(f"{one}/peaks", self.peaks),
        ]

    async def contacts(self, request: Request) -> Response:
        """Answer with a page of a search."""
        try:
            search = read_search(request.query_params.multi_items())
        except BadParameterError as error:
            raise HTTPException(400, str(error)) from error
        page = await run_in_threadpool(
            self._repository.search, search.filters, search.limit, search.cursor
        )
        withheld = search.filters.withheld
        found = [contact_json(contact, withheld=withheld) for contact in page.contacts]
        return JSONResponse({"contacts": found, "next": page.next})

    async def contact(self, request: Request) -> Response:
        """Answer with one contact. 404 if there is none with that id."""
        contact_id = request.path_params["contact_id"]
        found = await run_in_threadpool(self._repository.contact, contact_id)
        if found is None:
            raise HTTPException(404, f"there is no contact {contact_id}")
        return JSONResponse(contact_json(found))

    async def calls(self, _: Request) -> Response:
        """Answer with the calls in progress."""
        found = await run_in_threadpool(self._repository.calls_in_progress)
        return JSONResponse({"calls": [call_json(contact) for contact in found]})

    async def recordings(self, request: Request) -> Response:
        """Answer with a page of the recordings that have no contact."""
        try:
            wanted = read_unmatched(request.query_params.multi_items())
        except BadParameterError as error:
            raise HTTPException(400, str(error)) from error
        page = await run_in_threadpool(self._repository.unmatched, wanted.limit, wanted.cursor)
        return JSONResponse({"recordings": _recordings_json(page.recordings), "next": page.next})

    async def recording(self, request: Request) -> Response:
        """Answer with one recording."""

        async def answer(stored: StoredRecording) -> Response:
            return JSONResponse(recording_json(stored.recording, stored.task_sid))

        return await self._of_one(request, answer)

    async def audio(self, request: Request) -> Response:
        """Answer with a recording's audio, or a part of it. 403 if withheld, 409 until complete."""

        async def answer(stored: StoredRecording) -> Response:
            recording = stored.recording
            _refuse_withheld(recording)
            key = _complete(recording, recording.audio)
            if request.method != "HEAD":
                await self._auditor.note_audio(request, recording)
            return await audio_response(request, self._objects, key, recording)

        return await self._of_one(request, answer)

    async def manifest(self, request: Request) -> Response:
        """Answer with a recording's manifest, as the recorder wrote it. 409 until complete."""

        async def answer(stored: StoredRecording) -> Response:
            key = _complete(stored.recording, stored.recording.manifest)
            return Response(await self._objects.get(key), media_type="application/json")

        return await self._of_one(request, answer)

    async def peaks(self, request: Request) -> Response:
        """Answer with a recording's waveform. 403 if withheld, 409 until complete."""

        async def answer(stored: StoredRecording) -> Response:
            recording = stored.recording
            _refuse_withheld(recording)
            waveform = await self._waveforms.of(_complete(recording, recording.audio))
            return JSONResponse(
                {
                    "inum": recording.inum,
                    "duration_ms": recording.duration_ms,
                    "left": waveform.left,
                    "right": waveform.right,
                }
            )

        return await self._of_one(request, answer)

    async def _of_one(
        self, request: Request, answer: Callable[[StoredRecording], Awaitable[Response]]
    ) -> Response:
        """Answer for the recording that the path names by its INUM or its id. 404 if there is none;
        300, with a list, if several recordings have that INUM."""
        name = request.path_params["name"]
        found = await run_in_threadpool(self._repository.recordings_of_inum, name)
        if not found:
            raise HTTPException(404, f"there is no recording {name}")
        if len(found) > 1:
            return JSONResponse({"recordings": _recordings_json(found)}, 300)
        return await _stored(lambda: answer(found[0]))


def _recordings_json(found: Iterable[StoredRecording]) -> list[Json]:
    return [recording_json(stored.recording, stored.task_sid) for stored in found]


def _complete(recording: ContactRecording, key: str | None) -> str:
    if recording.state != RecordingState.COMPLETE or key is None:
        raise HTTPException(409, f"recording {recording.inum} is not complete yet")
    return key


def _refuse_withheld(recording: ContactRecording) -> None:
    if recording.withheld_because:
        why = f"recording {recording.inum} is withheld ({recording.withheld_because})"
        raise HTTPException(403, why)


async def _stored(read: Callable[[], Awaitable[Response]]) -> Response:
    try:
        return await read()
    except FileNotFoundError as error:
        raise HTTPException(404, "the file is not in the recordings store") from error
    except NotAWavError as error:
        raise HTTPException(500, f"the stored file is not a WAV file: {error}") from error
    except OSError as error:
        raise HTTPException(503, "the recordings store does not answer") from error
