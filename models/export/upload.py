"""Send an exported folder to the Hugging Face hub."""

from pathlib import Path

from data.errors import RlmError

_INSTALL = "Install it: pip install huggingface_hub"


def push_folder(folder: Path, repository: str | None = None, *, public: bool = False) -> str:
    """Make the repository where there is none, send every file of `folder`, and return its address.

    `repository` is OWNER/NAME; without it, the name of the folder under whoever is logged in. Raises RlmError
    where the library is missing, nobody is logged in, or the hub refuses.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
    except ImportError as error:
        raise RlmError("Sending a model to the hub needs huggingface_hub.", hint=_INSTALL) from error
    api = HfApi()
    try:
        made = api.create_repo(repository or folder.name, private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            allow_patterns=[
                path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()
            ],
            commit_message="Add a model that rlm exported",
        )
    except LocalTokenNotFoundError as error:
        raise RlmError(
            "Nobody is logged in to the Hugging Face hub.", hint="Log in first: hf auth login"
        ) from error
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else None
        if code == 401:
            raise RlmError(
                "The Hugging Face hub knows no such login.", hint="Log in: hf auth login"
            ) from error
        raise RlmError(f"The Hugging Face hub refused the model: {_first_line(error)}") from error
    except Exception as error:  # of the network, and of a name the hub does not allow
        raise RlmError(f"The model could not be sent: {_first_line(error)}", hint=_KEPT) from error
    return str(made)


_KEPT = "The folder is whole; send it later: hf upload NAME FOLDER"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
