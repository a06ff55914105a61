"""Events that identity listens to: none yet."""

from shared.inbox import Handlers

handlers = Handlers("identity")
