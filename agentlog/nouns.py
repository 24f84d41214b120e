"""One handle per noun, over one scope: what an open store has, and a store as of a moment as well."""

from __future__ import annotations

from agentlog.access import Access
from agentlog.conversation import Conversations
from agentlog.external import ExternalJobs
from agentlog.keyvalue import KeyValues
from agentlog.plan import Plans
from agentlog.queue import Queue
from agentlog.schedule import Schedules
from agentlog.scope import Scope
from agentlog.session import Sessions
from agentlog.task import Tasks


class Nouns:
    """The handles of what a store may name.

    Attributes:
        sessions, conversation, queue, tasks, plan, keyvalue, access, external, schedule: one handle per noun.
    """

    def __init__(self, scope: Scope) -> None:
        self.sessions = Sessions(scope)
        self.conversation = Conversations(scope)
        self.queue = Queue(scope)
        self.tasks = Tasks(scope)
        self.plan = Plans(scope)
        self.keyvalue = KeyValues(scope)
        self.access = Access(scope)
        self.external = ExternalJobs(scope)
        self.schedule = Schedules(scope)
