"""Decide when each request to Twilio may go out: at most so many at once, in the order of urgency,
and only probes while Twilio fails or refuses the account.

Waiting requests do not count towards that number, so an outage delays no request once it is over.
`pipeline/twilio/circuit_breaker.py` decides when to probe. A separate check (`account.py`) shows
whether a refusal concerns the account or one call, so that no call can block the others.
"""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from agents.twilio_adapter.account import AccountProbe, AccountState
from agents.twilio_adapter.metrics import REQUESTS_WAITING, TWILIO_STATE
from agents.twilio_adapter.turns import Caller, NoTurn, Turn, Urgency
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio import circuit_breaker
from pipeline.twilio.circuit_breaker import CLOSED, Breaker, Passage, Trouble
from pipeline.twilio.errors import ErrorVerdict, health_of_twilio

log = structlog.get_logger(__name__)

T = TypeVar("T")

SLOW_S = 2.0
"""A request without an answer for this long counts as failed, until an answer arrives after all."""
LOOK_EVERY_S = 1.0
PROBE_ROOM = 2
"""How many of the concurrent requests are reserved for probes, so that they go out even if all
others hang."""


_PROBLEMS = {
    Trouble.FAILING: "Twilio fails or does not answer ({}); commands wait while it is probed",
    Trouble.REFUSED: (
        "Twilio refuses the credentials ({}): correct FLEXCAPTURE_TWILIO_ACCOUNT_SID and "
        "FLEXCAPTURE_TWILIO_AUTH_TOKEN and restart twilio-adapter, or make the credentials valid "
        "at Twilio; until then nothing is recorded. Twilio is probed at least every 30 s"
    ),
}


class RequestGate:
    """All requests of a process go through one gate. `most`: how many may be under way at once;
    `check_account`: sends Twilio a request that belongs to no call, and raises `TwilioError`;
    `jitter`: returns a random number from 0 to 1."""

    def __init__(
        self,
        most: int,
        health: Health,
        check_account: Callable[[], Awaitable[None]],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._most = most
        self._spare = min(PROBE_ROOM, most - 1)
        self._health = health
        self._jitter = jitter
        self._account = AccountProbe(check_account)
        self._probing: asyncio.Task[None] | None = None
        self._breaker = CLOSED
        self._error: TwilioError | None = None
        self._waiting: list[tuple[Urgency, int, Turn]] = []
        self._under_way: set[Turn] = set()
        self._asked = 0
        self._refused_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_free(self) -> bool:
        """Whether there is no trouble."""
        return self._breaker.trouble is Trouble.NONE

    @property
    def error(self) -> TwilioError | None:
        """The last error while there is trouble, else None."""
        return None if self.is_free else self._error

    @property
    def is_refused(self) -> bool:
        """Whether Twilio refuses the account."""
        return self._breaker.trouble is Trouble.REFUSED

    async def ask(self, caller: Caller, request: Callable[[], Awaitable[T]]) -> T:
        """Wait for the caller's turn, then return the result of the request. Raise `TwilioError`
        as the request does, and `NoTurn` if the caller's patience ended before the request went
        out. After a refusal, `is_refused` says whether the account is refused."""
        try:
            return await self._ask(caller, request)
        except TwilioError as error:
            if health_of_twilio(error.status, error.code) is ErrorVerdict.REFUSED:
                await self._check_refusal(caller.name, error)
            raise

    async def _ask(self, caller: Caller, request: Callable[[], Awaitable[T]]) -> T:
        turn = Turn(caller)
        self._asked += 1
        heapq.heappush(self._waiting, (caller.urgency, self._asked, turn))
        try:
            self._look()
            while (left := caller.patience()) > 0 and not turn.is_granted:
                await caller.pause(left)
            if left <= 0:
                raise NoTurn(self._error)
            return await self._send(turn, request)
        finally:
            self._leave(turn)

    # Turns

    def _look(self) -> None:
        """Grant all turns that are possible now."""
        now = _now()
        if self.is_refused:
            self._probe_account_if_due(now)
        while self._waiting and not self.is_refused:
            passage = circuit_breaker.passage(self._breaker, now)
            if passage is Passage.REST or not self._has_room(passage):
                break
            turn = self._next_probe() if passage is Passage.PROBE else self._next()
            if turn is not None:
                self._grant(turn, passage, now)
        REQUESTS_WAITING.set(len(self._waiting))
        self._set_timer(now)

    def _next(self) -> Turn | None:
        _, _, turn = heapq.heappop(self._waiting)
        return None if turn.is_gone else turn

    def _next_probe(self) -> Turn | None:
        """Return the turn of the caller with the fewest probes. A single call that keeps failing
        then cannot hide that Twilio has recovered."""
        self._waiting = [entry for entry in self._waiting if not entry[2].is_gone]
        heapq.heapify(self._waiting)
        if not self._waiting:
            return None
        entry = min(self._waiting, key=lambda entry: (entry[2].caller.probes, entry[:2]))
        self._waiting.remove(entry)
        heapq.heapify(self._waiting)
        return entry[2]

    def _has_room(self, passage: Passage) -> bool:
        spare = 0 if passage is Passage.PROBE else self._spare
        return len(self._under_way) < self._most - spare

    def _grant(self, turn: Turn, passage: Passage, now: int) -> None:
        if passage is Passage.PROBE:
            before = self._breaker
            self._breaker = circuit_breaker.probed(before, now, self._jitter())
            turn.probe = before, self._breaker
            turn.caller.probes += 1
        turn.is_granted = True
        self._under_way.add(turn)
        turn.caller.wake()

    def _set_timer(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait_ms = self._breaker.probe_at - now
        if (self._waiting or self.is_refused) and not self.is_free and wait_ms > 0:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later((wait_ms + 1) / 1000, self._look)

    def _leave(self, turn: Turn) -> None:
        turn.is_gone = True
        self._under_way.discard(turn)
        if turn.watch is not None:
            turn.watch.cancel()
        if turn.sent_at is None and turn.probe is not None and turn.probe[1] is self._breaker:
            self._breaker = turn.probe[0]  # it was never sent: another request may be the probe
        self._look()

    # Results of requests

    async def _send(self, turn: Turn, request: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        turn.sent_at = loop.time()
        turn.watch = loop.call_later(LOOK_EVERY_S, self._watch, turn)
        try:
            async with turn.limit:
                answer = await request()
        except TimeoutError:
            error = TwilioError(0, None, "given up before it was answered")
            self._failed(turn, error)
            raise error from None
        except TwilioError as error:
            self._judge(turn, error)
            raise
        self._answered(turn.sent_at)
        return answer

    def _judge(self, turn: Turn, error: TwilioError) -> None:
        assert turn.sent_at is not None
        match health_of_twilio(error.status, error.code):
            case ErrorVerdict.REFUSED:
                pass  # `ask` checks the account after the request has left the gate
            case ErrorVerdict.BACK_OFF:
                self._failed(turn, error)
            case _:
                self._answered(turn.sent_at)

    def _failed(self, turn: Turn, error: TwilioError) -> None:
        after = circuit_breaker.failed(self._breaker, turn.caller.name, _now(), self._jitter())
        self._become(after, error)

    def _answered(self, sent_at: float) -> None:
        if self.is_refused and sent_at < self._refused_at:
            return  # the credentials were valid when it was sent; they are not now
        before = self._breaker.trouble
        self._become(circuit_breaker.answered(self._breaker), None)
        if before is not Trouble.NONE:
            self._give_up_older(sent_at)

    # Refusals: of the account, or of one call

    async def _check_refusal(self, caller: str, error: TwilioError) -> None:
        if self.is_refused:
            return
        state = await self._account.state()
        if state.verdict is ErrorVerdict.BACK_OFF:
            self._become(circuit_breaker.refused(self._breaker, caller, _now()), error)
        self._take_in(state)

    def _probe_account_if_due(self, now: int) -> None:
        if circuit_breaker.passage(self._breaker, now) is Passage.PROBE:
            self._breaker = circuit_breaker.probed(self._breaker, now, self._jitter())
            self._probing = asyncio.get_running_loop().create_task(self._probe_account())

    async def _probe_account(self) -> None:
        self._take_in(await self._account.state())

    def _take_in(self, state: AccountState) -> None:
        if state.verdict is ErrorVerdict.DONE:
            self._answered(state.sent_at)
        elif state.verdict is ErrorVerdict.REFUSED:
            self._become(circuit_breaker.account_refused(self._breaker, _now()), state.error)
        self._look()

    # Changes of state

    def _watch(self, turn: Turn) -> None:
        """Check every second on a request that has no answer yet."""
        loop = asyncio.get_running_loop()
        if turn.caller.patience() <= 0:
            turn.cut(loop.time())
        elif turn.sent_at is not None and loop.time() - turn.sent_at >= SLOW_S:
            self._failed(turn, TwilioError(0, None, f"no answer within {SLOW_S:g} s"))
            self._look()
        turn.watch = loop.call_later(LOOK_EVERY_S, self._watch, turn)

    def _become(self, after: Breaker, error: TwilioError | None) -> None:
        before, self._breaker = self._breaker, after
        self._error = error if error is not None or self.is_free else self._error
        if after.trouble is before.trouble:
            return
        if after.trouble is Trouble.REFUSED:
            self._refused_at = asyncio.get_running_loop().time()
        TWILIO_STATE.state(after.trouble.value)
        if after.trouble is Trouble.NONE:
            log.info("Twilio answers again")
            self._health.good("twilio")
        else:
            problem = _PROBLEMS[after.trouble].format(error)
            log.error(problem)
            self._health.bad("twilio", problem)

    def _give_up_older(self, answered_sent_at: float) -> None:
        """Give up slow requests that were sent before Twilio's first answer after an outage: their
        answers are lost. Their callers repeat them."""
        now = asyncio.get_running_loop().time()
        for turn in self._under_way:
            if turn.sent_at is not None and turn.sent_at < answered_sent_at:
                turn.cut(max(now, turn.sent_at + SLOW_S))


def _now() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
