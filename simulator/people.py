"""The agents of the simulated contact center, and the list of monitored agents."""

from dataclasses import dataclass, replace

from simulator.audio import Voice


@dataclass(frozen=True, slots=True)
class Agent:
    """A Flex worker. `monitored`: the list names the worker or the team. `address`: the contact
    URI, if the worker does not use the softphone."""

    name: str
    email: str
    team: str
    monitored: bool
    voice: Voice = Voice.AGENT
    address: str | None = None

    @property
    def user(self) -> str:
        """The Flex user, special characters encoded as Flex does."""
        return self.email.replace("@", "_40").replace(".", "_2E")

    @property
    def contact_uri(self) -> str:
        """The URI of the agent's softphone, or the agent's other address."""
        return self.address or f"client:{self.user}"


ANN = Agent("Ann Archer", "ann@example.com", "blue", monitored=True)
BEN = Agent("Ben Brooks", "Ben@Example.com", "blue", monitored=True, voice=Voice.SECOND_AGENT)
CLEO = Agent("Cleo Cruz", "cleo@example.com", "Gold", monitored=True)
UMA = Agent("Uma Unger", "uma@example.com", "blue", monitored=False)
UGO = Agent("Ugo Urban", "ugo@example.com", "blue", False, Voice.SECOND_AGENT)
SUE = Agent("Sue Supervisor", "sue@example.com", "leads", monitored=True)
TESS = Agent("Tess Telle", "tess@example.com", "Gold", monitored=True, address="+15557650001")
SID = Agent("Sid Stone", "sid@example.com", "Gold", True, address="sip:sid@pbx.example.com:5080")

SUPPORT, CLAIMS, LEGAL = "Support", "Claims", "Legal"

MONITORED_LIST = """\
# The monitored agents of the simulated contact center.
ann@example.com
BEN@example.com
sue@example.com
team:gold
queue:claims
!queue:legal
"""


def in_queue(agent: Agent, queue: str) -> bool:
    """Return whether `agent` is monitored on a call from `queue`."""
    return queue != LEGAL and (agent.monitored or queue == CLAIMS)


def newcomer(number: int) -> Agent:
    """Return an agent that is not on any list yet, a different one for each `number`."""
    return replace(UMA, name=f"Nia Newman {number}", email=f"nia-{number}@example.com")
