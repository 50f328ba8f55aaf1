"""The registered target classes: all that are imported, those of plug-ins included."""

from candelabra.data.targets.target import Target
from candelabra.errors import CandelabraError, list_nearest
from candelabra.plugins.discovery import import_plugin_modules


def list_target_classes() -> dict[str, type[Target]]:
    """All target classes, those of plug-ins' modules `targets` included, by name."""
    import_plugin_modules("targets")
    found: dict[str, type[Target]] = {}
    pending = list(Target.__subclasses__())
    while pending:
        each = pending.pop(0)
        pending += each.__subclasses__()
        if "name" in vars(each):
            found[each.name] = each
    return dict(sorted(found.items(), key=lambda item: (item[1].position, item[0])))


def list_file_target_classes() -> dict[str, type[Target]]:
    """The target classes whose values lie in files of their own, by name."""
    return {name: kind for name, kind in list_target_classes().items() if kind.in_files}


def find_target_class(name: str) -> type[Target]:
    """The class of a target.

    Raises:
        CandelabraError: there is none of this name.
    """
    known = list_target_classes()
    if name not in known:
        raise CandelabraError(
            f"{name} is no target; known are {list_nearest(name, known)}. A plug-in brings others: plugins=[<folder>]."
        )
    return known[name]
