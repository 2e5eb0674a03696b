"""Fetch the recordings in which a part must not be audible."""

from simulator.console import Console
from tests.system.chaos.finality import certain, of_contact
from tests.system.chaos.run import Played


async def audio_after_stops(played: Played) -> dict[str, bytes]:
    """Fetch the recordings of media streams that carried audio after a stop, by stream SID."""
    endpoints, found = played.stage.endpoints, {}
    async with Console(endpoints.console, endpoints.console_token) as console:
        for script in played.scripts:
            contact = played.contacts.get(script.task_sid)
            silent = of_contact(contact)
            sids = {s.sid for s in played.ran(script) if silent and certain(s, silent)}
            for recording in contact["recordings"] if contact and sids else ():
                if recording["stream_sid"] in sids and recording["audio_url"]:
                    url = recording["audio_url"]
                    found[recording["stream_sid"]] = await console.bytes(url)
    return found
