"""The pages' templates. There is no build step: each request renders its page."""

from pathlib import Path

import jinja2
from starlette.responses import HTMLResponse, Response

from console import account, timeline
from console.parameters import CAPTURES, RECONCILIATIONS
from console.times import clock, lasting, shown
from console.views import recording_path

_DIRECTORY = Path(__file__).parent / "templates"


class Templates:
    """The templates, with the functions and constants that they use."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_DIRECTORY),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "shown": shown,
            "clock": clock,
            "lasting": lasting,
            "seconds": account.seconds,
            "lost": account.lost,
            "not_sent": account.not_sent,
            "losses": account.losses,
            "in_words": account.capture,
            "path": recording_path,
        }
        self._environment.globals |= {
            "WIDTH": timeline.WIDTH,
            "LABEL": timeline.LABEL,
            "CAPTURES": CAPTURES,
            "RECONCILIATIONS": RECONCILIATIONS,
        }

    def page(self, name: str, code: int = 200, **values: object) -> Response:
        """Render a template as a response with the status `code`."""
        return HTMLResponse(self._environment.get_template(name).render(values), code)
