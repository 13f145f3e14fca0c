"""What a front end wishes of a training under way."""


class Control:
    """The trainer polls this between events.

    A signal handler sets `interrupted`; the front end then asks its user, while the generator
    waits, and answers with `pause`, `stop` or `go_on`.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self.wish: str | None = None

    def pause(self) -> None:
        """Save, and end with RunPaused."""
        self.wish = "pause"

    def stop(self) -> None:
        """End with RunFinished and the best weights so far."""
        self.wish = "stop"

    def go_on(self) -> None:
        """Take an interrupt back."""
        self.interrupted = False
        self.wish = None
