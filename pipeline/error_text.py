"""The text of an error, as people see it.

Many errors have no text, for example `TimeoutError()`. An error is true even then, so
`error or "unknown"` would be empty. Reasons in `/healthz` and messages of commands use these
functions.
"""


def error_text(error: BaseException) -> str:
    """Return the error's own text; if it has none, the meaning or the name of its type."""
    if text := str(error).strip():
        return text
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__


def typed_error_text(error: BaseException) -> str:
    """Return the name of the error's type and its text, if it has one: for errors of libraries that
    their text alone does not explain."""
    name, text = type(error).__name__, str(error).strip()
    return f"{name}: {text}" if text else name
