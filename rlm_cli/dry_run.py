"""`rlm train --dry-run`: the plan, and below it what a step takes in several processes or elsewhere."""

from typing import TYPE_CHECKING, Any

from data.errors import UsageError

if TYPE_CHECKING:
    from models.cost.machines import Machine
    from models.planning.plan import Plan
    from models.planning.request import TrainRequest
    from rlm_cli.output import Output


def require_dry_run(request: "TrainRequest") -> None:
    """Raise UsageError where figures of a machine were typed for a training that is to run."""
    for path in request.overrides.values:
        if path.startswith("machine.") and path not in request.ambient:
            raise UsageError(f"{{{path}}} is for a plan.", hint="Add --dry-run.", field=path)


def for_named_machine(request: "TrainRequest") -> "tuple[TrainRequest, Machine | None]":
    """The request as planning takes it, and the machine it is for; None where that is this one. Raises
    UsageError."""
    from models.planning.absent_device import absent_machine, planned_for

    machine = absent_machine(request)
    return (request, None) if machine is None else (planned_for(request, machine), machine)


def places_here(request: "TrainRequest") -> int:
    """How many processes this machine has devices for: those beyond are planned for others like it."""
    import torch

    from models.device import core_count, this_or_best_device

    device = this_or_best_device(str(request.overrides.values.get("training.device", "auto")))
    return torch.cuda.device_count() if device.type == "cuda" else core_count()


def show_plan(
    plan: "Plan", request: "TrainRequest", machine: "Machine | None", processes: int | None, output: "Output"
) -> None:
    """Print `plan` as the result. A run that goes on as it is has no table of processes."""
    from models.planning.resume_plan import ResumePlan
    from models.planning.scaling_plan import plan_scaling, with_scaling

    figures = {
        name: value
        for name, value in request.overrides.machine.items()
        if machine or name.startswith("link_") or f"machine.{name}" not in request.ambient
    }
    if not (processes or machine or figures) or isinstance(plan, ResumePlan):
        output.pairs(plan.rows())
        output.json(plan.to_dict())
        return
    planned: Any = plan
    scaling = plan_scaling(
        planned.model,
        plan.training,
        processes or 1,
        machine=machine,
        figures=figures,
        is_chosen="training.micro_batch" in request.overrides.values,
    )
    shown = with_scaling(plan, scaling)
    rows = [row for row in shown.rows() if row[0] != "memory"]  # that of each process stands below
    output.pairs([*rows, *scaling.rows()])
    output.json({**shown.to_dict(), "scaling": scaling.to_dict()})
