"""The saved conversations of a run, as a list to choose from. Torch-free."""

from dataclasses import dataclass

from data.errors import RlmError
from data.wording import counted
from models.generation.conversation import ConversationStore


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """What a list says about one conversation. `problem` says why it cannot be read."""

    name: str
    modified: float
    """Seconds since the epoch."""
    first_words: str = ""
    exchanges: int = 0
    mode: str = ""
    problem: str | None = None

    def line(self) -> str:
        """Its length and its first message."""
        if self.problem is not None:
            return "cannot be read"
        return f"{counted(self.exchanges, 'exchange')}: {self.first_words}"


def saved_conversation(store: ConversationStore, name: str) -> SavedConversation:
    """What there is to say about the conversation `name`."""
    try:
        modified = store.path(name).stat().st_mtime
    except OSError:
        modified = 0.0
    try:
        conversation = store.read(name)
    except (RlmError, OSError) as error:
        return SavedConversation(name, modified, problem=str(error))
    first = next((turn.content for turn in conversation.turns if turn.role == "user"), "")
    return SavedConversation(
        name, modified, " ".join(first.split()), conversation.exchanges, conversation.settings.mode
    )
