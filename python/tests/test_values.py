"""Values survive both ways, octet for octet."""

import os
import pickle
import unittest

from harness import ServerTest
from network import HTTP_Server
from roost.value import Value

TEXTS = {
    "ASCII": "Hello",
    "empty": "",
    "non-ASCII": "Grüße, 世界, 🐓",
    "controls": "\0\r\n\t\x7f\u2028",
    "JSON": '{"a": "\\"}',
    "1 MiB": "ä" * (1 << 19),
}
OCTETS = {
    "every octet": bytes(range(256)),
    "UTF-8 cut off": "é".encode()[:1],
    "surrogate in UTF-8": b"\xed\xa0\x80",
    "1 MiB": os.urandom(1 << 20),
}


class Both(ServerTest):
    def setUp(self):
        super().setUp()
        self.resource = self.add("/a", content_type=HTTP_Server.OCTET)

    def test_text_from_the_script(self):
        for name, text in TEXTS.items():
            with self.subTest(name):
                self.assertIsNone(self.resource.value(text))
                self.assertEqual(self.request("GET", "/a")[2], text.encode())
                self.assertEqual(self.resource.value(), text)

    def test_octets_from_the_script(self):
        for name, octets in OCTETS.items():
            for given in (octets, bytearray(octets)):
                with self.subTest(name, kind=type(given).__name__):
                    self.resource.value(given)
                    self.assertEqual(self.request("GET", "/a")[2], octets)
                    self.assertEqual(bytes(self.resource.value()), octets)

    def test_octets_from_a_client(self):
        for name, octets in list(OCTETS.items()) + [(name, text.encode()) for name, text in TEXTS.items()]:
            with self.subTest(name):
                status, _, _ = self.request("PUT", "/a", octets)
                self.assertEqual(status, 204)
                self.assertEqual(bytes(self.resource.value()), octets)

    def test_numbers(self):
        for number, text in ((0, "0"), (-7, "-7"), (1 << 80, "1208925819614629174706176"), (True, "1"), (False, "0")):
            with self.subTest(text):
                self.resource.value(number)
                self.assertEqual(self.resource.value(), text)

    def test_more_than_the_engine_takes(self):
        self.resource.value("before")
        with self.assertRaisesRegex(ValueError, "too large"):
            self.resource.value("x" * (65 << 20))
        self.assertEqual(self.resource.value(), "before")

    def test_value_of_add(self):
        for given, octets in (("é", "é".encode()), (b"\xff", b"\xff"), (bytearray(b"ab"), b"ab"), (12, b"12"), ("", b"")):
            with self.subTest(repr(given)):
                self.add("/b", value=given)
                self.assertEqual(self.request("GET", "/b")[2], octets)
                HTTP_Server.remove_resource("/b")

    def test_a_value_is_given_back_as_it_was(self):
        for octets in OCTETS.values():
            self.resource.value(octets)
            copy = HTTP_Server.add_resource("/b", value=self.resource.value())
            self.assertEqual(bytes(copy.value()), octets)
            self.resource.value("")
            self.resource.value(copy.value())
            self.assertEqual(self.request("GET", "/a")[2], octets)
            HTTP_Server.remove_resource("/b")

    def test_value_by_name(self):
        self.resource.value(value="named")
        self.assertEqual(self.resource.value(), "named")


class Kind(unittest.TestCase):
    def test_text(self):
        value = Value("é".encode())
        self.assertIsInstance(value, str)
        self.assertEqual(value, "é")
        self.assertEqual("[{}]".format(value), "[é]")
        self.assertEqual({"é": 1}[value], 1)

    def test_decode(self):
        value = Value("é".encode())
        self.assertEqual(value.decode(), "é")
        self.assertIs(type(value.decode()), str)
        self.assertEqual(value.decode("utf-8"), "é")
        self.assertEqual(value.decode(encoding="latin-1"), "Ã©")
        with self.assertRaises(UnicodeDecodeError):
            value.decode("ascii")

    def test_octets_that_are_no_text(self):
        value = Value(b"\xff\x00a")
        self.assertEqual(value, "ÿ\0a")
        self.assertEqual(value.decode(), "ÿ\0a")
        self.assertEqual(bytes(value), b"\xff\x00a")
        with self.assertRaises(UnicodeDecodeError):
            value.decode("utf-8")

    def test_pickle(self):
        for octets in (b"a", b"\xff"):
            copy = pickle.loads(pickle.dumps(Value(octets)))
            self.assertEqual((type(copy), bytes(copy)), (Value, octets))


if __name__ == "__main__":
    unittest.main()
