"""The pictures of a request: its body, or the files of a form; no more bytes than are allowed are ever read."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from candelabra.serving.limits import RefusedRequest, ServingLimits

PictureFile = tuple[str, bytes]
_NAME = 100  # letters of a file's name that are repeated in answers


async def read_uploads(request: Request, limits: ServingLimits) -> list[PictureFile]:
    """Reads the pictures of a request.

    Args:
        request: its body is one file, or a multipart form with one or several.
        limits: of bytes, pictures and time.

    Raises:
        RefusedRequest: it is too large, too slow, or holds no picture.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                files = await _read_form(request, limits)
            else:
                files = [("picture", b"".join([part async for part in _limit_stream(request, limits)]))]
    except TimeoutError as error:
        raise RefusedRequest(408, f"The request did not arrive within {limits.seconds} seconds.") from error
    except ClientDisconnect as error:
        raise RefusedRequest(400, "The request ended early.") from error
    if not files or not any(content for _, content in files):
        raise RefusedRequest(400, "The request holds no picture; send one as the body, or several as files of a form.")
    return files


async def _limit_stream(request: Request, limits: ServingLimits) -> AsyncGenerator[bytes, None]:
    refusal = RefusedRequest(413, f"The request is too large; at most {limits.megabytes} MB are taken.")
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told[:20]) > limits.bytes:
        raise refusal
    count = 0
    async for part in request.stream():
        count += len(part)
        if count > limits.bytes:
            raise refusal
        yield part


async def _read_form(request: Request, limits: ServingLimits) -> list[PictureFile]:
    parser = MultiPartParser(request.headers, _limit_stream(request, limits), max_files=limits.pictures, max_fields=16)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, UnicodeError) as error:
        words = getattr(error, "message", "") or "it is damaged"
        raise RefusedRequest(400, f"The form cannot be read: {words}") from error
    found: list[PictureFile] = []
    try:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                name = "".join(letter for letter in part.filename or "" if letter.isprintable())[:_NAME]
                found.append((name or f"picture {len(found)}", await part.read()))
    finally:
        await form.close()
    return found
