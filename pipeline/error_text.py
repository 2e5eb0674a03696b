"""The text of an error, as people see it."""


def error_text(error: BaseException) -> str:
    """Return the error's own text. If it has none, as `TimeoutError()`, return what its type says:
    an error is true even without a text, so `error or "unknown"` would be empty."""
    if text := str(error).strip():
        return text
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
