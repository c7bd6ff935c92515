"""One property, or several, checked of an engine on a case."""

from harness.conformance.fit_memory import Remembered
from harness.conformance.properties import PROPERTIES
from harness.engines.referee_engine import RefereeEngine


def check(name, engine, case, **options):
    return PROPERTIES[name].check(engine, case, **options)


def checked(engine, case, names=tuple(PROPERTIES)):
    """Return what comes of properties of one case, by name, as the suite checks them."""
    engine, reference = Remembered(engine), Remembered(RefereeEngine())
    return {name: check(name, engine, case, reference=reference) for name in names}


def failed(outcomes):
    return [name for name, o in outcomes.items() if o.status in ("fails", "unexplained")]
