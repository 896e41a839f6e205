"""What methods and content types are called: by scripts, and in messages."""


class Constants:
    """The names that HTTP_Server and HTTP_Client have in common."""

    GET, PUT, POST, DELETE = 1, 2, 4, 8
    TEXT, XML, PLAIN, JSON, OCTET, APP_XML = range(6)


METHODS = {name: getattr(Constants, name) for name in ("GET", "PUT", "POST", "DELETE")}

MEDIA_TYPES = {
    Constants.TEXT: "text/html",
    Constants.XML: "text/xml",
    Constants.PLAIN: "text/plain",
    Constants.JSON: "application/json",
    Constants.OCTET: "application/octet-stream",
    Constants.APP_XML: "application/xml",
}


def media_type(content_type):
    """Returns the media type that a constant, or a str as it is, stands for."""
    if isinstance(content_type, str):
        return content_type
    if not isinstance(content_type, int):
        raise TypeError("content_type must be a constant of HTTP_Server or a str, not %s" % type(content_type).__name__)
    if content_type not in MEDIA_TYPES:
        raise ValueError("content_type %d is none of TEXT, XML, PLAIN, JSON, OCTET and APP_XML" % content_type)
    return MEDIA_TYPES[content_type]
