"""HTTP_Client: requests to any HTTP or HTTPS server."""

import base64
import http.client
import ipaddress
import socket
import ssl
from urllib.parse import quote, urlsplit

from roost import lifetime, server, settings
from roost.constants import METHODS, Constants, media_type
from roost.fields import headers
from roost.value import Value, octets

_SECONDS = 60  # without a sign of the server
_NAMES = {bit: name for name, bit in METHODS.items()}
_PORTS = {"http": 80, "https": 443}


class HTTP_Client(Constants):
    """The client. There is one, so the class itself is used, and has no instances."""

    _url = None  # None before init
    _callback = None
    _auth = None

    def __new__(cls):
        raise TypeError("HTTP_Client has no instances: call HTTP_Client.init(url)")

    @classmethod
    def init(cls, url, *, callback=None, auth=None):
        """Says where requests go. auth is (user, password), sent as Basic authentication."""
        _check_url(url)
        _check_callback(callback)
        cls._url, cls._callback, cls._auth = url, callback, _credentials(auth)

    @classmethod
    def deinit(cls):
        """Forgets the URL, the callback and the password."""
        cls._check_init()
        cls._url = cls._callback = cls._auth = None

    @classmethod
    def callback(cls, cb, *, action=True):
        """Sets cb(status, headers, body) as what answers are given to; action=False removes it."""
        cls._check_init()
        _check_callback(cb)
        cls._callback = cb if action else None

    @classmethod
    def url(cls, new=None):
        """Returns the URL; or, given one, sets it."""
        cls._check_init()
        if new is None:
            return cls._url
        _check_url(new)
        cls._url = new

    @classmethod
    def auth(cls, user=None, password=None):
        """Returns (user, password), or None where there is none; or, given both, sets them."""
        cls._check_init()
        if user is None and password is None:
            return cls._auth
        cls._auth = _credentials((user, password))

    @classmethod
    def send_request(cls, *, method=Constants.GET, body=None, content_type=Constants.TEXT, accept=None, user_agent=None):
        """Sends a request, waits for the answer, and gives it to the callback before it returns.

        Redirections are not followed.
        """
        cls._check_init()
        if not isinstance(method, int):
            raise TypeError("method must be int, not %s" % type(method).__name__)
        if method not in _NAMES:
            raise ValueError("method must be one of GET, PUT, POST and DELETE")
        content = None if body is None else octets(body)
        fields = cls._fields(content, content_type, accept, user_agent)
        try:
            answer = _exchange(cls._url, _NAMES[method], content, fields)
        except (OSError, http.client.HTTPException, ValueError) as error:
            _explain(cls._url, error)
            raise RuntimeError("Request could not sent.") from None
        if cls._callback is not None:
            cls._callback(*answer)

    @classmethod
    def _check_init(cls):
        if cls._url is None:
            raise RuntimeError("Client was not initialized with URL!")

    @classmethod
    def _fields(cls, content, content_type, accept, user_agent):
        fields = {"User-Agent": "roost" if user_agent is None else user_agent}
        if content is not None:
            fields["Content-Type"] = media_type(content_type)
        if accept is not None:
            fields["Accept"] = media_type(accept)
        if cls._auth is not None:
            credentials = base64.b64encode(":".join(cls._auth).encode()).decode()
            fields["Authorization"] = "Basic " + credentials
        return fields


def _check_url(url):
    if not isinstance(url, str):
        raise TypeError("url must be str, not %s" % type(url).__name__)
    if not url.startswith(("http://", "https://")):
        raise RuntimeError('URL must start with "http://" or "https://"')


def _check_callback(callback):
    if callback is not None and not callable(callback):
        raise TypeError("callback must be a function or None, not %s" % type(callback).__name__)


def _credentials(auth):
    if auth is None:
        return None
    user, password = auth
    if not isinstance(user, str) or not isinstance(password, str):
        raise TypeError("auth must be two str, a user and a password")
    return user, password


def _exchange(url, method, content, fields):
    """Sends a request and returns (status, headers, body) of its answer."""
    parts = urlsplit(url)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    connection = _connection(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
    try:
        connection.request(method, target, body=content, headers={"Host": parts.netloc.rpartition("@")[2], **fields})
        answer = connection.getresponse()
        return answer.status, headers(answer.getheaders()), Value(answer.read())
    finally:
        connection.close()


def _connection(scheme, host, port):
    """Returns the way to a server, not yet open. This machine's own may listen on another port than it was asked for."""
    context = ssl.create_default_context() if scheme == "https" else None
    own = _own_addresses(host)
    if own:
        mapped, port = _mapped(host, port)
        return _OwnConnection(own if mapped == host else [mapped], port, context)
    if context is None:
        return http.client.HTTPConnection(host, port, timeout=_SECONDS)
    if settings.INSECURE_CLIENT:
        _trust(context)
    return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)


def _trust(context):
    """Makes a context take every certificate."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


class _OwnConnection(http.client.HTTPConnection):
    """A connection to this machine, whose certificate is taken as it is.

    It goes to the addresses that were found to be this machine's, and asks for none again:
    whoever answers for a name could give another one by then.
    """

    def __init__(self, addresses, port, context):
        super().__init__(addresses[0], port, timeout=_SECONDS)
        self._addresses, self._context = addresses, context

    def connect(self):
        for left, address in enumerate(self._addresses, 1 - len(self._addresses)):
            try:
                self.sock = socket.create_connection((address, self.port), self.timeout)
                break
            except OSError:
                if left == 0:
                    raise
        if self._context is not None:
            _trust(self._context)
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self._addresses[0])


def _own_addresses(host):
    """Returns the addresses of host if it is this machine: if every single one is this machine's. Else none."""
    found = [answer[4][0] for answer in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)]
    addresses = list(dict.fromkeys(found))
    if host == settings.LISTEN_HOST or all(_is_own(address) for address in addresses):
        return addresses
    return []


def _is_own(address):
    """Says whether an address is this machine's: then it is what the way to it begins with, too."""
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return True
    family, kind, _, _, name = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        try:
            probe.connect(name)  # which sends nothing
        except OSError:
            return False
        return probe.getsockname()[0] == name[0]


def _mapped(host, port):
    """Returns where a port of this machine that a script asked for is open."""
    for name in "asked", "address":
        for listener in server.listeners():
            opened = urlsplit("//" + listener["address"])
            if port == urlsplit("//" + listener[name]).port:
                return (host if _is_every(opened.hostname) else opened.hostname), opened.port
    return host, settings.PORTS.get(port, port)


def _is_every(host):
    return ipaddress.ip_address(host.partition("%")[0]).is_unspecified


def _explain(url, error):
    scheme, _, rest = url.partition("://")
    lifetime.say("HTTP_Client: %r: %s" % (scheme + "://" + rest.rpartition("@")[2], error))
    if isinstance(error, ssl.SSLCertVerificationError):
        lifetime.say("`roost run --insecure-client` accepts a certificate that cannot be verified")
