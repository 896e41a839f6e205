"""Values: octets that scripts see as text."""

import base64


class Value(str):
    """The value of a resource, or the content of a message.

    It is the text that the octets are in UTF-8; where they are not UTF-8, each octet
    is one character (Latin-1). bytes(value) gives the octets, exactly, and so does
    everything that takes a value here.
    """

    __slots__ = ("_octets",)

    def __new__(cls, octets=b""):
        try:
            text = octets.decode()
        except UnicodeDecodeError:
            text = octets.decode("latin-1")
        self = super().__new__(cls, text)
        self._octets = octets
        return self

    def __bytes__(self):
        return self._octets

    def __reduce__(self):
        return Value, (self._octets,)

    def decode(self, *args, **kwargs):
        """Returns the text; with arguments, what bytes.decode makes of the octets by them.

        Values were bytes on the device, where scripts decode them.
        """
        if args or kwargs:
            return self._octets.decode(*args, **kwargs)
        return str(self)


def octets(value):
    """Returns the octets of what a script gives as a value: str, bytes, bytearray, int or Value."""
    if isinstance(value, (Value, bytes, bytearray)):
        return bytes(value)
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("value has half of a surrogate pair at index %d, which is no character" % error.start) from None
    raise TypeError("value must be str, bytes, bytearray or int, not %s" % type(value).__name__)


def to_json(content):
    """Returns the members that stand for octets in the control API."""
    try:
        return {"value": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def from_json(answer, text="value"):
    """Returns the Value in an answer of the control API, whose text stands in the member named text."""
    if answer.get("base64"):
        return Value(base64.b64decode(answer["base64"]))
    return Value(answer.get(text, "").encode())
