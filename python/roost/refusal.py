"""The engine's refusals as the exceptions of the device."""

from roost import control

# What a script of the device may look at. Their texts are the device's own.
_TEXTS = {
    "resource-exists": "Resource already added!",
    "full": "Cannot be added more resources!",
    "server-not-running": "HTTP Server module is not initialized!",
    "server-running": "HTTP Server module is already initialized!",
}

_VALUE_ERRORS = ("invalid-uri", "invalid-setting", "invalid-request", "content-too-large")


def ask(method, target, body=None, missing=None):
    """Makes a call of the control API. missing is the text where there is no such resource."""
    try:
        return control.call(method, target, body)
    except control.Problem as problem:
        raise exception(problem, missing) from None


def exception(problem, missing=None):
    """Returns the exception that a script gets for a problem."""
    if problem.kind == "not-found":
        return RuntimeError(missing)
    if problem.kind in _VALUE_ERRORS:
        return ValueError(problem.detail)
    return RuntimeError(_TEXTS.get(problem.kind, problem.detail))
