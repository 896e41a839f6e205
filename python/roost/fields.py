"""The fields of a message, as callbacks get them."""


class Headers(dict):
    """A dict of str whose names are found in any case, and listed as Content-Type is written."""

    def __missing__(self, name):
        found = _canonical(name)
        if found == name:
            raise KeyError(name)
        return self[found]

    def __contains__(self, name):
        return super().__contains__(_canonical(name))

    def get(self, name, default=None):
        return super().get(_canonical(name), default)


def headers(lines):
    """Makes Headers of (name, value) pairs. Those of one name are joined."""
    joined = Headers()
    for name, value in lines:
        name = _canonical(name)
        if name in joined:
            value = joined[name] + ("; " if name == "Cookie" else ", ") + value
        joined[name] = value
    return joined


def _canonical(name):
    if not isinstance(name, str):
        return name
    return "-".join(word.capitalize() for word in name.split("-"))
